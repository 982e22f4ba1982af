import copy
from dataclasses import replace
from itertools import islice, pairwise

import pytest
import torch
from torch import nn

from tombola import data, imp, models, schedules
from tombola.masks import count
from tombola.training import Train, Trainer, evaluate, sgd

STEPS = 40
HALVES = schedules.geometric(3, factor=0.5)
REWINDS = {
    "initial": imp.weights(),
    "early": imp.weights(9),
    "rate": imp.learning_rate(),
    "tuned": imp.fine_tuning(10),
    "fresh": imp.reinitialisation(lambda generator: models.build("mlp:64-40-10", generator=generator)),
}


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def net(seed=0):
    return models.build("mlp:64-40-10", generator=seeded(seed))


@pytest.fixture(scope="module")
def digits():
    return data.load("digits")


@pytest.fixture
def train(digits):
    return Trainer(digits, steps=STEPS, batch_size=64, optimiser=sgd(0.1, weight_decay=1e-3))


@pytest.fixture
def plain(digits):
    """A caller's own training loop: a function that knows nothing of the package."""
    x, y = digits.train()

    def train(model, masks, *, start, stop, generator):
        trained = copy.deepcopy(model)
        parameters = dict(trained.named_parameters())
        for step in range(start, stop):
            batch = torch.randint(len(y), (32,), generator=generator)
            loss = nn.functional.cross_entropy(trained(x[batch]), y[batch])
            gradients = torch.autograd.grad(loss, list(parameters.values()))
            with torch.no_grad():
                for (name, parameter), gradient in zip(parameters.items(), gradients, strict=True):
                    parameter -= 0.2 / (1 + step / 50) * gradient
                    if name in masks:
                        parameter.copy_(torch.where(masks[name], parameter, torch.zeros(())))
        return trained

    return train


def values(model):
    return {name: value.detach() for name, value in model.state_dict().items()}


def assert_same(ours, theirs):
    assert [(a.number, a.kept, a.density, a.step) for a in ours] == [
        (b.number, b.kept, b.density, b.step) for b in theirs
    ]
    for a, b in zip(ours, theirs, strict=True):
        torch.testing.assert_close(a.masks, b.masks)
        torch.testing.assert_close(values(a.begun), values(b.begun), rtol=0, atol=0)
        torch.testing.assert_close(values(a.model), values(b.model), rtol=0, atol=0)


@pytest.mark.parametrize("prune", [imp.everywhere, imp.by_layer])
def test_every_level_is_a_ticket_inside_the_one_before(train, prune):
    model = net()
    levels = list(imp.imp(model, train, stop=STEPS, prune=prune, schedule=schedules.geometric(5)))
    assert [level.kept for level in levels] == [2960, 2368, 1894, 1515, 1212, 969]
    assert [level.number for level in levels] == list(range(6))
    assert [level.density for level in levels] == [level.kept / 2960 for level in levels]
    for level in levels:
        assert list(level.masks) == ["fc1.weight", "fc2.weight"]
        assert count(level.masks) == level.kept
        for name, mask in level.masks.items():
            for stage in (level.begun, level.model):
                assert (stage.get_parameter(name)[~mask] == 0).all()
                assert (stage.get_parameter(name)[mask] != 0).all()
            assert level.begun.get_parameter(name)[mask].equal(model.get_parameter(name)[mask])
        for name in ("fc1.bias", "fc2.bias"):
            assert level.begun.get_parameter(name).equal(model.get_parameter(name))
            assert (level.model.get_parameter(name) != model.get_parameter(name)).all()
    for before, after in pairwise(levels):
        assert all((before.masks[name] | ~mask).all() for name, mask in after.masks.items())
        wanted = prune(before.model, before.masks, after.kept)
        torch.testing.assert_close(after.masks, wanted)


def test_the_first_level_is_the_dense_network(train):
    (level,) = islice(imp.imp(net(), train, stop=STEPS), 1)
    assert (level.number, level.kept, level.density) == (0, 2960, 1.0)
    assert all(mask.all() for mask in level.masks.values())


def test_by_default_there_are_twenty_levels_of_four_fifths(digits):
    levels = list(imp.imp(net(), Trainer(digits, steps=1), stop=1))
    assert [level.kept for level in levels] == schedules.geometric(20, factor=0.8)(2960)


@pytest.mark.usefixtures("untouched")
def test_nothing_of_the_callers_changes(train):
    model = net()
    model.fc1.eval()
    before, modes = copy.deepcopy(values(model)), [module.training for module in model.modules()]
    for level in imp.imp(model, train, stop=STEPS, schedule=HALVES, rewind=imp.weights(5)):
        with torch.no_grad():  # a level is the caller's, who may do as he likes with `begun`
            level.begun.fc1.weight.fill_(3.0)
        assert [module.training for module in level.model.modules()] == modes
    torch.testing.assert_close(values(model), before, rtol=0, atol=0)
    assert [module.training for module in model.modules()] == modes
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_levels_follow_from_the_seed(train):
    def levels(seed):
        return list(imp.imp(net(), train, stop=STEPS, schedule=HALVES, rewind=imp.weights(5), seed=seed))

    first = levels(3)
    torch.rand(5)
    assert_same(levels(3), first)
    other = levels(4)
    for a, b in zip(first, other, strict=True):
        assert not a.begun.fc2.bias.equal(b.begun.fc2.bias)
        assert not a.model.fc1.weight.equal(b.model.fc1.weight)


def test_every_level_has_random_numbers_of_its_own(train):
    drawn = []

    def watched(model, masks, *, start, stop, generator):
        drawn.append(generator.get_state().tolist())
        return train(model, masks, start=start, stop=stop, generator=generator)

    list(imp.imp(net(), watched, stop=2, schedule=schedules.geometric(12, factor=0.7), rewind=imp.weights(1)))
    assert len(drawn) == 14
    assert all(a != b for i, a in enumerate(drawn) for b in drawn[:i])


def test_levels_are_trained_when_they_are_asked_for(train):
    calls = []

    def watched(model, masks, *, start, stop, generator):
        calls.append(count(masks))
        return train(model, masks, start=start, stop=stop, generator=generator)

    levels = imp.imp(net(), watched, stop=STEPS, schedule=HALVES)
    assert calls == []
    for wanted in ([2960], [2960, 1480], [2960, 1480, 740]):
        next(levels)
        assert calls == wanted


@pytest.mark.parametrize("loop", ["train", "plain"])
@pytest.mark.parametrize("way", REWINDS)
def test_a_run_that_is_continued_is_the_run_that_went_on(loop, way, request):
    run = dict(train=request.getfixturevalue(loop), stop=STEPS, schedule=HALVES, rewind=REWINDS[way], seed=5)
    whole = list(imp.imp(net(), **run))
    assert len(whole) == 4
    part = list(islice(imp.imp(net(), **run), 2))
    assert_same(part + list(imp.imp(net(), **run, after=part[-1])), whole)
    assert list(imp.imp(net(), **run, after=whole[-1])) == []


def test_a_run_can_be_continued_from_a_file(train, tmp_path):
    run = dict(train=train, stop=STEPS, schedule=HALVES, rewind=imp.learning_rate())
    whole = list(imp.imp(net(), **run))
    torch.save((whole[1].model.state_dict(), whole[1].masks), tmp_path / "level.pt")
    state, masks = torch.load(tmp_path / "level.pt", weights_only=True)
    loaded = net(seed=8)
    loaded.load_state_dict(state)
    level = replace(whole[1], model=loaded, begun=loaded, masks=masks)
    assert_same(list(imp.imp(net(), **run, after=level)), whole[2:])


def test_anybodys_training_loop_will_do(plain, digits):
    assert isinstance(plain, Train)
    levels = list(imp.imp(net(), plain, stop=300, schedule=HALVES))
    assert [level.kept for level in levels] == [2960, 1480, 740, 370]
    for level in levels:
        assert all((level.model.get_parameter(name)[~mask] == 0).all() for name, mask in level.masks.items())
        assert evaluate(level.model, *digits.test()).accuracy > 0.8


def test_a_training_loop_that_forgets_the_masks_brings_no_weight_back(plain):
    def forgetful(model, masks, *, start, stop, generator):
        return plain(model, {}, start=start, stop=stop, generator=generator)

    levels = list(imp.imp(net(), forgetful, stop=STEPS, schedule=HALVES))
    assert any((levels[1].model.get_parameter(name)[~mask] != 0).any() for name, mask in levels[1].masks.items())
    for before, after in pairwise(levels):
        assert count(after.masks) == after.kept
        assert all((before.masks[name] | ~mask).all() for name, mask in after.masks.items())


def test_a_training_loop_that_fails_leaves_the_levels_before(train):
    def failing(model, masks, *, start, stop, generator):
        if 0 < count(masks) < 1000:
            raise RuntimeError("no power")
        return train(model, masks, start=start, stop=stop, generator=generator)

    levels = imp.imp(net(), failing, stop=STEPS, schedule=HALVES)
    found = [next(levels), next(levels)]
    with pytest.raises(RuntimeError, match="no power"):
        next(levels)
    whole = list(imp.imp(net(), train, stop=STEPS, schedule=HALVES))
    assert_same(found, whole[:2])
    assert_same(list(imp.imp(net(), train, stop=STEPS, schedule=HALVES, after=found[-1])), whole[2:])


def test_only_named_parameters_are_pruned(train):
    model = net()
    names = imp.prunable(model, exclude=["fc2.weight"])
    for level in imp.imp(model, train, stop=STEPS, schedule=HALVES, names=names):
        assert list(level.masks) == ["fc1.weight"]
        assert level.density == level.kept / 2560
        assert (level.model.fc2.weight != 0).all()


def test_a_way_to_prune_of_ones_own(train):
    def smallest(model, masks, kept):
        whole = torch.where(masks["fc1.weight"], model.fc1.weight.detach().abs(), torch.inf).flatten()
        mask = torch.zeros(2560, dtype=torch.bool)
        mask[whole.argsort()[:kept]] = True
        return {"fc1.weight": mask.view(40, 64)}

    levels = list(imp.imp(net(), train, stop=STEPS, schedule=HALVES, prune=smallest, names=["fc1.weight"]))
    assert [count(level.masks) for level in levels] == [2560, 1280, 640, 320]
    kept = levels[1].masks["fc1.weight"]
    assert levels[0].model.fc1.weight[kept].abs().max() <= levels[0].model.fc1.weight[~kept].abs().min()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"schedule": schedules.geometric(3, factor=0.6)}, r"level 2 with 740 weights is none of this run"),
        ({"schedule": schedules.geometric(1, factor=0.5)}, r"level 2 with 740 weights is none of this run"),
        ({"names": ["fc1.weight"]}, r"which keeps \[2560, 1280, 640, 320\]"),
    ],
)
def test_a_level_of_another_run_is_refused(train, change, said):
    run = dict(train=train, stop=STEPS, schedule=HALVES)
    level = list(imp.imp(net(), **run))[2]
    with pytest.raises(ValueError, match=said):
        next(imp.imp(net(), **{**run, **change}, after=level))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"rewind": imp.weights(STEPS)}, "lies beyond the run"),
        ({"stop": 0}, "lies beyond the run, which has 0 steps"),
        ({"names": ["fc1.weight", "fc7.weight"]}, r"\['fc7\.weight'\] are no parameters; the model has fc1\.weight"),
        ({"schedule": schedules.geometric(60)}, "ask for fewer levels"),
    ],
)
def test_what_does_not_fit_together_is_refused(train, options, said):
    with pytest.raises(ValueError, match=said):
        next(imp.imp(net(), **{"train": train, "stop": STEPS, **options}))


def test_a_model_with_nothing_to_prune_is_refused(train):
    with pytest.raises(ValueError, match="nothing to prune"):
        next(imp.imp(nn.BatchNorm1d(64), train, stop=STEPS))


def lenet(digits, seed):
    return models.build("lenet-300-100", input_shape=digits.input_shape, generator=seeded(seed))


def error(model, digits):
    """Of the test set, in per cent."""
    return 100 * (1 - evaluate(model, *digits.test()).accuracy)


def recipe(digits, steps):
    return Trainer(digits, steps=steps, batch_size=64, optimiser=sgd(0.1, momentum=0.0))


def tickets(digits, seed, steps):
    """The dense network, the ticket of 6.87 %, and the error of other weights or masks trained for as many steps."""
    train, first = recipe(digits, steps), lenet(digits, seed)
    levels = list(imp.imp(first, train, stop=steps, schedule=schedules.geometric(12), seed=seed))

    def trained(model, masks):
        return error(train(model, masks, start=0, stop=steps, generator=seeded(1000 + seed)), digits)

    return levels[0], levels[-1], trained


def compared(digits, seed, steps):
    """Test errors of a ticket and of what the literature compares it with."""
    first, fresh = lenet(digits, seed), lenet(digits, 500 + seed)
    dense, ticket, trained = tickets(digits, seed, steps)
    run = dict(stop=steps, schedule=schedules.geometric(18), rewind=imp.learning_rate(), seed=seed)
    *_, last = imp.imp(first, recipe(digits, steps), **run, after=dense)
    assert (ticket.density, last.density) == pytest.approx((0.0687, 0.0180), abs=5e-5)
    return {
        "dense": error(dense.model, digits),
        "imp": error(ticket.model, digits),
        "rate": error(last.model, digits),
        "fresh": trained(fresh, ticket.masks),
        "shuffled": trained(first, imp.shuffled(ticket.masks, generator=seeded(7 + seed))),
        "signs": trained(imp.reinitialised(first, fresh, ticket.masks, keep_signs=True), ticket.masks),
    }


def mean(found):
    return {name: sum(each[name] for each in found) / len(found) for name in found[0]}


@pytest.mark.slow
def test_tickets_are_worth_what_is_published(digits):
    errors = mean([compared(digits, seed, steps=300) for seed in (0, 1)])
    assert errors["imp"] <= errors["dense"] + 4
    assert errors["fresh"] >= 3 * errors["imp"]
    assert errors["shuffled"] >= 3 * errors["imp"]
    assert errors["fresh"] - errors["signs"] >= 0.8 * (errors["fresh"] - errors["imp"])
    assert errors["rate"] <= errors["dense"] + 1  # the dense network had a nineteenth of its steps


@pytest.mark.slow
def test_pruning_at_once_is_worse_where_training_is_short(digits):
    found = []
    for seed in (0, 1):
        dense, ticket, trained = tickets(digits, seed, steps=175)
        at_once = imp.everywhere(dense.model, dense.masks, ticket.kept)
        found.append({"imp": error(ticket.model, digits), "once": trained(lenet(digits, seed), at_once)})
    errors = mean(found)
    assert errors["once"] >= errors["imp"] + 5
