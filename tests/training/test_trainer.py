import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from tombola import models
from tombola.data import DataSet, Scaling, load
from tombola.training import Trainer, adam, cosine, evaluate, sgd, stepwise


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def net(seed=0, name="mlp:2-16-2"):
    return models.build(name, generator=seeded(seed))


def half(model, seed=3):
    """Masks that keep about half of the weights."""
    draw = seeded(seed)
    parameters = model.named_parameters()
    return {name: torch.rand(weight.shape, generator=draw) < 0.5 for name, weight in parameters if weight.ndim > 1}


def values(model):
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def assert_equal_values(ours, theirs):
    torch.testing.assert_close(values(ours), values(theirs), rtol=0, atol=0)


def differ(ours, theirs):
    return not all(a.equal(b) for a, b in zip(ours.parameters(), theirs.parameters(), strict=True))


def recording(record, look, optimiser=sgd):
    """An optimiser that adds to `record` what `look` sees of it before each step."""

    def make(parameters):
        plain = optimiser(0.4)(parameters)
        plain.register_step_pre_hook(lambda *_: record.append(look(plain)))
        return plain

    return make


def test_one_step_worked_by_hand():
    x, y = torch.tensor([[1.0], [1.0]]), torch.tensor([0, 0])
    one = DataSet("one", x, y, x, y, Scaling("none"))
    model = nn.Linear(1, 2, bias=False)
    nn.init.zeros_(model.weight)
    train = Trainer(one, steps=2, batch_size=2, optimiser=sgd(0.5), rate=stepwise([1], factor=0.5))
    # softmax(0, 0) = 1/2, 1/2; the gradient is softmax - (1, 0) = -1/2, 1/2; the rate 1/2, and 1/4 at step 1
    trained = train(model, {}, start=0, stop=1, generator=seeded())
    torch.testing.assert_close(trained.weight.data, torch.tensor([[0.25], [-0.25]]))
    trained = train(model, {}, start=1, stop=2, generator=seeded())
    torch.testing.assert_close(trained.weight.data, torch.tensor([[0.125], [-0.125]]))


@pytest.mark.parametrize("optimiser", [sgd(0.1), sgd(0.1, momentum=0.0), adam(0.01)])
def test_it_learns_what_no_linear_classifier_can(corners, optimiser):
    train = Trainer(corners, steps=600, batch_size=16, optimiser=optimiser)
    trained = train(net(), {}, start=0, stop=600, generator=seeded())
    assert evaluate(trained, *corners.test()).accuracy == 1.0


def test_the_weights_follow_from_the_generator(corners):
    train = Trainer(corners, steps=60, batch_size=16)
    model = nn.Sequential(net(), nn.Dropout(0.2))
    first = train(model, {}, start=0, stop=60, generator=seeded(1))
    torch.rand(3)
    assert_equal_values(train(model, {}, start=0, stop=60, generator=seeded(1)), first)
    assert differ(train(model, {}, start=0, stop=60, generator=seeded(2)), first)


def test_dropout_follows_from_the_generator(corners):
    def drawn(seed):
        found = []

        class Draws(nn.Module):
            def forward(self, x):
                found.append(torch.rand(()).item())
                return x

        model = nn.Sequential(Draws(), net())
        Trainer(corners, steps=3)(model, {}, start=0, stop=3, generator=seeded(seed))
        return found[-3:]  # the first was drawn when the model was tried out

    first = drawn(1)
    torch.rand(3)
    assert drawn(1) == first
    assert not set(drawn(2)) & set(first)


def test_every_example_is_seen_once_in_a_pass(corners):
    seen = []

    class Witness(nn.Module):
        def forward(self, x):
            if self.training:
                seen.append(x.detach().clone())
            return x

    train = Trainer(corners, steps=6, batch_size=64)
    train(nn.Sequential(Witness(), net()), {}, start=0, stop=6, generator=seeded())
    assert [len(batch) for batch in seen] == [64, 64, 32] * 2
    first, second = torch.cat(seen[:3]), torch.cat(seen[3:])
    assert not first.equal(second)
    for once in (first, second):
        assert sorted(once.tolist()) == sorted(corners.x_train.tolist())


@pytest.mark.parametrize("cut", [1, 50, 99])
def test_parts_of_a_run_have_the_learning_rates_of_their_steps(corners, cut):
    used, asked = [], []

    def rate(step):
        asked.append(step)
        return cosine(100)(step)

    optimiser = recording(used, lambda plain: plain.param_groups[0]["lr"])
    train = Trainer(corners, steps=100, batch_size=80, optimiser=optimiser, rate=rate)
    train(train(net(), {}, start=0, stop=cut, generator=seeded()), {}, start=cut, stop=100, generator=seeded())
    assert used == pytest.approx([0.4 * cosine(100)(step) for step in range(100)], rel=1e-12)
    assert set(asked) == set(range(100))


def test_past_the_end_the_last_rate_holds(corners):
    used = []
    optimiser = recording(used, lambda plain: plain.param_groups[0]["lr"])
    train = Trainer(corners, steps=10, batch_size=80, optimiser=optimiser, rate=cosine(10))
    train(net(), {}, start=8, stop=14, generator=seeded())
    assert used == pytest.approx([0.4 * cosine(10)(step) for step in (8, 9, 9, 9, 9, 9)], rel=1e-12)
    assert used[-1] > 0


decaying = pytest.mark.parametrize(
    "optimiser", [sgd(0.1, momentum=0.9, weight_decay=0.1), adam(0.01, weight_decay=0.1)], ids=["sgd", "adamw"]
)


@decaying
def test_pruned_weights_are_zero_and_the_others_move(corners, optimiser):
    model = net()
    masks = half(model)
    train = Trainer(corners, steps=40, batch_size=16, optimiser=optimiser)
    trained = dict(train(model, masks, start=0, stop=40, generator=seeded()).named_parameters())
    for name, before in model.named_parameters():
        mask = masks.get(name, torch.ones_like(before, dtype=torch.bool))
        assert (trained[name][~mask] == 0).all()
        assert (trained[name][mask] != before[mask]).all()


@decaying
def test_pruned_weights_stay_zero_after_saving_loading_and_more_training(corners, optimiser, tmp_path):
    masks = half(net())
    train = Trainer(corners, steps=80, batch_size=16, optimiser=optimiser)
    once = train(net(), masks, start=0, stop=40, generator=seeded(1))
    torch.save(once.state_dict(), tmp_path / "half.pt")
    fresh = net(seed=9)
    fresh.load_state_dict(torch.load(tmp_path / "half.pt", weights_only=True))
    again = train(fresh, masks, start=40, stop=80, generator=seeded(2))
    assert all((dict(again.named_parameters())[name][~mask] == 0).all() for name, mask in masks.items())
    assert differ(again, once)
    assert_equal_values(again, train(once, masks, start=40, stop=80, generator=seeded(2)))


def test_masked_training_does_not_read_pruned_weights(corners):
    model = net()
    masks = half(model)
    other = copy.deepcopy(model)
    with torch.no_grad():
        for name, mask in masks.items():
            dict(other.named_parameters())[name][~mask] = 7.0
    train = Trainer(corners, steps=20, batch_size=16)
    ours, theirs = (train(given, masks, start=0, stop=20, generator=seeded()) for given in (model, other))
    assert_equal_values(ours, theirs)


@pytest.mark.usefixtures("untouched")
def test_nothing_of_the_callers_changes(corners):
    model = net()
    model.fc1.eval()
    model(corners.x_train[:4]).sum().backward()
    before, gradients = values(model), [parameter.grad.clone() for parameter in model.parameters()]
    modes = [module.training for module in model.modules()]
    masks = half(model)
    masks_before = copy.deepcopy(masks)
    trained = Trainer(corners, steps=9)(model, masks, start=0, stop=9, generator=seeded())
    torch.testing.assert_close(values(model), before, rtol=0, atol=0)
    torch.testing.assert_close([parameter.grad for parameter in model.parameters()], gradients, rtol=0, atol=0)
    torch.testing.assert_close(masks, masks_before)
    assert [module.training for module in model.modules()] == modes
    assert [module.training for module in trained.modules()] == modes
    assert all(parameter.grad is None for parameter in trained.parameters())


@pytest.mark.usefixtures("untouched")
def test_nothing_of_the_callers_changes_when_training_fails(corners):
    model = net()
    before = values(model)
    with pytest.raises(FloatingPointError):
        Trainer(corners, steps=9, optimiser=sgd(1e30))(model, {}, start=0, stop=9, generator=seeded())
    torch.testing.assert_close(values(model), before, rtol=0, atol=0)


def norm(optimiser):
    gradients = [weight.grad for group in optimiser.param_groups for weight in group["params"]]
    return float(torch.linalg.vector_norm(torch.cat([gradient.flatten() for gradient in gradients])))


def test_clipping_bounds_the_norm_of_all_gradients_together(corners):
    free, clipped = [], []
    train = Trainer(corners, steps=30, batch_size=16, optimiser=recording(free, norm))
    train(net(), {}, start=0, stop=30, generator=seeded())
    bounded = replace(train, clip=0.05, optimiser=recording(clipped, norm))
    bounded(net(), {}, start=0, stop=30, generator=seeded())
    assert free[0] > 0.05
    assert clipped[0] == pytest.approx(0.05, rel=1e-4)
    assert max(clipped) <= 0.05 * (1 + 1e-5)


def test_clipping_above_every_gradient_changes_nothing(corners):
    train = Trainer(corners, steps=30, batch_size=16)
    free = train(net(), {}, start=0, stop=30, generator=seeded())
    assert_equal_values(replace(train, clip=1e6)(net(), {}, start=0, stop=30, generator=seeded()), free)


class Breaks(nn.Module):
    """A classifier whose outputs are `value` from its n-th batch of training on."""

    def __init__(self, after, value):
        super().__init__()
        self.layer, self.left, self.value = nn.Linear(2, 2), after, value

    def forward(self, x):
        if self.training:
            self.left -= 1
        return self.layer(x) if self.left >= 0 else self.layer(x) * self.value


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize(("start", "stop", "named"), [(0, 5, 4), (7, 9, 8), (250, 400, 300), (0, 101, 100)])
def test_a_loss_that_is_not_finite_is_an_error_that_names_the_step(corners, value, start, stop, named):
    train = Trainer(corners, steps=1000, batch_size=80)
    with pytest.raises(FloatingPointError, match=rf"not finite by step {named}; try a smaller learning rate"):
        train(Breaks(1, value), {}, start=start, stop=stop, generator=seeded())


def test_a_loss_that_ends_in_nan_at_the_last_step_is_an_error(corners):
    train = Trainer(corners, steps=150, batch_size=80)
    with pytest.raises(FloatingPointError, match="by step 149"):
        train(Breaks(149, float("nan")), {}, start=0, stop=150, generator=seeded())


@pytest.mark.parametrize("step", [0, 5, 12])
@pytest.mark.parametrize("masked", [False, True])
def test_no_steps_give_an_equal_copy(corners, step, masked):
    model = net()
    masks = half(model) if masked else {}
    trained = Trainer(corners, steps=10)(model, masks, start=step, stop=step, generator=seeded())
    assert trained is not model
    for name, weight in model.named_parameters():
        wanted = torch.where(masks[name], weight, torch.zeros(())) if masked and name in masks else weight
        torch.testing.assert_close(dict(trained.named_parameters())[name], wanted, rtol=0, atol=0)
        assert dict(trained.named_parameters())[name].data_ptr() != weight.data_ptr()


def test_frozen_parameters_stay(corners):
    model = net()
    model.fc1.weight.requires_grad_(False)
    trained = Trainer(corners, steps=5)(model, {}, start=0, stop=5, generator=seeded())
    torch.testing.assert_close(trained.fc1.weight, model.fc1.weight, rtol=0, atol=0)
    assert not trained.fc2.weight.equal(model.fc2.weight)


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("mlp:3-4-2", {}, "does not take inputs of shape 2"),
        ("mlp:2-4-1", {}, r"outputs must be \(batch, 2\); got \(1, 1\)"),
        ("mlp:2-4-2", {"start": 3, "stop": 2}, "got start 3 and stop 2"),
        ("mlp:2-4-2", {"start": -1, "stop": 2}, "got start -1 and stop 2"),
        ("mlp:2-4-2", {"masks": {"fc9.weight": torch.ones(4, 2, dtype=torch.bool)}}, "names no parameter"),
        ("mlp:2-4-2", {"masks": {"fc1.weight": torch.ones(4, 3, dtype=torch.bool)}}, "wanted torch.bool of shape"),
        ("mlp:2-4-2", {"masks": {"fc1.weight": torch.ones(4, 2)}}, "wanted torch.bool of shape"),
    ],
)
def test_what_does_not_fit_together_is_refused(corners, name, options, said):
    called = {"masks": {}, "start": 0, "stop": 2} | options
    with pytest.raises(ValueError, match=said):
        Trainer(corners, steps=5)(net(name=name), called.pop("masks"), generator=seeded(), **called)


def test_a_model_with_nothing_to_train_is_refused(corners):
    with pytest.raises(ValueError, match="all are frozen"):
        Trainer(corners, steps=5)(net().requires_grad_(False), {}, start=0, stop=1, generator=seeded())


@pytest.mark.parametrize(
    "options", [{"steps": 0}, {"batch_size": 0}, {"clip": 0.0}, {"clip": -1.0}, {"clip": float("nan")}]
)
def test_recipes_out_of_range_are_refused(corners, options):
    with pytest.raises(ValueError, match="steps and batch_size must be at least 1 and clip positive"):
        Trainer(corners, **{"steps": 5, **options})


@pytest.mark.gpu
def test_a_gpu_trains_and_the_result_comes_back(corners):
    model = net()
    masks = half(model)
    trained = Trainer(corners, steps=200, batch_size=16)(model, masks, start=0, stop=200, generator=seeded())
    assert trained.fc1.weight.device.type == "cpu"
    assert (trained.fc1.weight[~masks["fc1.weight"]] == 0).all()


def test_pruned_gradients_do_not_count_towards_the_norm():
    """Otherwise kept weights would be clipped the harder the fewer they are."""
    digits = load("digits")
    net = models.build("mlp:64-10", generator=torch.Generator().manual_seed(0))
    (name,) = [name for name, parameter in net.named_parameters() if parameter.ndim > 1]
    masks = {name: torch.zeros_like(dict(net.named_parameters())[name], dtype=torch.bool)}
    masks[name][:, :2] = True
    train = Trainer(digits, steps=1, optimiser=sgd(1.0, momentum=0.0), clip=1e-3)
    trained = train(net, masks, start=0, stop=1, generator=torch.Generator().manual_seed(1))
    before = dict(net.named_parameters())
    moved = [
        (after - (before[other] * masks[other] if other in masks else before[other])).detach().flatten()
        for other, after in trained.named_parameters()
    ]
    assert float(torch.cat(moved).norm()) == pytest.approx(1e-3, rel=1e-3)
