"""What every method keeps to, whatever the optimiser."""

import copy
import functools
import itertools
import pickle

import pytest
import torch
from accelerate import Accelerator
from tests.conftest import global_state
from torch import nn

from tombola.allocate import erk, random_masks
from tombola.dynamic import rigl, sparse_evolution, top_kast

STEPS = 60
METHODS = {
    "rigl": functools.partial(rigl, steps=STEPS, every=4),
    "rigl, not regrown": functools.partial(rigl, steps=STEPS, every=4, regrow_dropped=False),
    "rigl, only unused": functools.partial(rigl, steps=STEPS, every=4, only_unused=True),
    "set": functools.partial(sparse_evolution, steps=STEPS, every=4),
    "top-kast": functools.partial(top_kast, every=4, margin=0.2),
}
OPTIMISERS = {
    "sgd": functools.partial(torch.optim.SGD, lr=0.05, momentum=0.9, weight_decay=0.01),
    "nesterov, foreach": functools.partial(torch.optim.SGD, lr=0.05, momentum=0.9, nesterov=True, foreach=True),
    "adamw": functools.partial(torch.optim.AdamW, lr=0.01, weight_decay=0.1, amsgrad=True),
    "adam, fused": functools.partial(torch.optim.Adam, lr=0.01, weight_decay=0.1, fused=True),
    "rmsprop": functools.partial(torch.optim.RMSprop, lr=0.01, momentum=0.5),
}
every_method = pytest.mark.parametrize("make", METHODS.values(), ids=METHODS)
every_optimiser = pytest.mark.parametrize("optimiser", OPTIMISERS.values(), ids=OPTIMISERS)


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def network(seed=0):
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 12), nn.ReLU(), nn.Linear(12, 3))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.uniform_(-0.5, 0.5, generator=seeded(seed))
    return net


def masks_of(net, density=0.3, seed=1):
    shapes = {name: parameter.shape for name, parameter in net.named_parameters() if parameter.ndim > 1}
    return random_masks(shapes, erk(shapes, density), generator=seeded(seed))


def trained(net, optimiser, steps=STEPS, *, after_step=lambda: None, seed=2):
    """The loop of anybody."""
    generator = seeded(seed)
    for _ in range(steps):
        x = torch.rand(8, 1, 4, 4, generator=generator)
        y = x.flatten(1)[:, :3].argmax(1)
        optimiser.zero_grad()
        nn.functional.cross_entropy(net(x), y).backward()
        optimiser.step()
        after_step()


def sizes(masks):
    return {name: int(mask.sum()) for name, mask in masks.items()}


@every_method
@every_optimiser
def test_counts_are_exact_and_pruned_weights_zero_at_every_step(make, optimiser):
    net = network()
    masks, adjusted = masks_of(net), optimiser(net.parameters())
    dynamic = make(generator=seeded())(adjusted, net, masks)
    parameters = dict(net.named_parameters())
    seen = [dynamic.masks]

    def look():
        now = dynamic.masks
        assert sizes(now) == sizes(masks)
        assert all((parameters[name][~mask] == 0).all() for name, mask in now.items())
        seen.append(now)

    look()
    trained(net, adjusted, after_step=look)
    union = {name: torch.stack([now[name] for now in seen]).any(0) for name in masks}
    torch.testing.assert_close(
        dynamic.explored, sum(sizes(union).values()) / sum(mask.numel() for mask in masks.values())
    )
    changes = sum(not all(a[name].equal(b[name]) for name in masks) for a, b in itertools.pairwise(seen))
    assert 0 < changes <= dynamic.updates <= STEPS // 4


@pytest.mark.parametrize("make", [METHODS["rigl"], METHODS["set"]])
@every_optimiser
def test_an_exchange_trains_nothing_and_the_optimiser_forgets_what_is_grown(make, optimiser):
    net = network()
    adjusted = optimiser(net.parameters())
    dynamic = make(generator=seeded())(adjusted, net, masks_of(net))
    trained(net, adjusted, 4)
    before, values, state = dynamic.masks, copy.deepcopy(net.state_dict()), copy.deepcopy(adjusted.state_dict())
    trained(net, adjusted, 1, seed=3)
    assert dynamic.updates == 1
    assert all(parameter.grad is None for parameter in net.parameters())
    for place, (name, parameter) in enumerate(net.named_parameters()):
        was, now = before.get(name), dynamic.masks.get(name)
        same = torch.ones_like(parameter, dtype=torch.bool) if was is None else was == now
        assert parameter[same].equal(values[name][same])
        assert (parameter[~same] == 0).all()
        grown = ~same if now is None else now & ~was
        for key, value in adjusted.state[parameter].items():
            if key == "step":
                assert value.equal(state["state"][place]["step"])
            elif value is not None:
                assert (value[grown] == 0).all(), key
                assert value[~grown].equal(state["state"][place][key][~grown])


@pytest.mark.parametrize("optimiser", [OPTIMISERS["sgd"], OPTIMISERS["adamw"]])
def test_a_grown_weight_starts_as_if_it_had_no_past(optimiser):
    """Its momentum was fed with gradients while it was pruned; after growth the first step is by one gradient alone."""
    net = nn.Linear(4, 1, bias=False)
    with torch.no_grad():
        net.weight.copy_(torch.tensor([[2.0, 0.1, 0.0, 0.0]]))
    adjusted = optimiser(net.parameters())
    method = rigl(steps=100, every=3, fraction=0.6, regrow_dropped=False, generator=seeded())
    dynamic = method(adjusted, net, {"weight": torch.tensor([[True, True, False, False]])})
    slopes = [torch.tensor([0.0, 0.0, 5.0, 1.0])] * 3 + [torch.tensor([0.0, 0.0, 5.0, 1.0]), torch.ones(4)]
    for slope in slopes:
        adjusted.zero_grad()
        (net.weight * slope).sum().backward()
        adjusted.step()
    assert dynamic.masks["weight"].tolist() == [[True, False, True, False]]
    momentum = adjusted.state[net.weight]["momentum_buffer" if "momentum" in adjusted.defaults else "exp_avg"]
    one_gradient = 1.0 if "momentum" in adjusted.defaults else 0.1
    torch.testing.assert_close(momentum[0, 2].item(), one_gradient, rtol=1e-6, atol=0)


@every_method
def test_masks_follow_from_the_seed(make):
    def run(seed):
        net = network()
        adjusted = OPTIMISERS["sgd"](net.parameters())
        dynamic = make(generator=seeded(seed))(adjusted, net, masks_of(net))
        trained(net, adjusted)
        return dynamic.masks, net.state_dict()

    (first, values), (again, same_values), (other, _) = run(0), run(0), run(1)
    assert all(first[name].equal(again[name]) for name in first)
    assert all(values[name].equal(same_values[name]) for name in values)
    if make is METHODS["set"]:
        assert not all(first[name].equal(other[name]) for name in first)


@every_method
def test_after_removal_nothing_is_changed_any_more(make):
    net = network()
    adjusted = OPTIMISERS["sgd"](net.parameters())
    dynamic = make(generator=seeded())(adjusted, net, masks_of(net))
    trained(net, adjusted, 10)
    masks, updates = dynamic.masks, dynamic.updates
    dynamic.remove()
    dynamic.remove()
    assert not adjusted._optimizer_step_pre_hooks
    assert not adjusted._optimizer_step_post_hooks
    trained(net, adjusted, 20)
    assert dynamic.updates == updates
    assert all(dynamic.masks[name] is masks[name] for name in masks)
    assert any((dict(net.named_parameters())[name][~mask] != 0).any() for name, mask in masks.items())


@every_method
def test_the_model_stays_an_ordinary_model(make):
    net, plain = network(), network()
    adjusted = OPTIMISERS["sgd"](net.parameters())
    make(generator=seeded())(adjusted, net, masks_of(net))
    trained(net, adjusted, 10)
    copies = [copy.deepcopy(net), pickle.loads(pickle.dumps(net))]
    assert list(net.state_dict()) == list(plain.state_dict())
    x = torch.rand(3, 1, 4, 4, generator=seeded(9))
    for copied in copies:
        torch.testing.assert_close(copied(x), net(x), rtol=0, atol=0)
        values = copy.deepcopy(copied.state_dict())
        trained(net, adjusted, 3)
        assert all(value.equal(values[name]) for name, value in copied.state_dict().items())
        net.load_state_dict(copied.state_dict())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())


@every_method
def test_the_given_masks_and_the_global_state_stay_as_they_are(make):
    net = network()
    state = global_state()
    masks = masks_of(net)
    before = copy.deepcopy(masks)
    adjusted = OPTIMISERS["sgd"](net.parameters())
    make(generator=seeded())(adjusted, net, masks)
    trained(net, adjusted, 20)
    assert all(masks[name].equal(before[name]) for name in masks)
    assert global_state() == state


@every_method
def test_no_masks_and_dense_masks_train_like_nothing(make):
    wanted = network()
    trained(wanted, OPTIMISERS["sgd"](wanted.parameters()), 20)
    for masks in ({}, {name: torch.ones_like(mask) for name, mask in masks_of(wanted).items()}):
        net = network()
        adjusted = OPTIMISERS["sgd"](net.parameters())
        settings = {"penalty": 0.0} if make is METHODS["top-kast"] else {}
        dynamic = make(generator=seeded(), **settings)(adjusted, net, masks)
        trained(net, adjusted, 20)
        assert dynamic.explored == 1.0
        for name, value in net.state_dict().items():
            torch.testing.assert_close(value, wanted.state_dict()[name], rtol=0, atol=0)


@every_method
def test_what_cannot_be_trained_is_refused(make):
    net = network()
    masks = masks_of(net)
    adjusted = OPTIMISERS["sgd"](net.parameters())
    method = make(generator=seeded())
    net[3].weight.requires_grad_(False)
    with pytest.raises(ValueError, match=r"'3\.weight' is frozen"):
        method(adjusted, net, masks)
    with pytest.raises(ValueError, match=r"'5\.weight' is a parameter that the optimiser does not train"):
        method(
            OPTIMISERS["sgd"](net[0].parameters()), net, {"0.weight": masks["0.weight"], "5.weight": masks["5.weight"]}
        )
    with pytest.raises(ValueError, match=r"'fc\.weight' names no parameter"):
        method(adjusted, net, {"fc.weight": masks["3.weight"]})
    assert not adjusted._optimizer_step_pre_hooks
    assert not adjusted._optimizer_step_post_hooks


@every_method
def test_a_step_with_a_closure_is_refused(make):
    net = network()
    adjusted = OPTIMISERS["sgd"](net.parameters())
    make(generator=seeded())(adjusted, net, masks_of(net))
    for call in (lambda loss: adjusted.step(loss), lambda loss: adjusted.step(closure=loss)):
        with pytest.raises(ValueError, match="without closure"):
            call(lambda: torch.zeros(()))
    adjusted.step(None)


@every_method
def test_a_parameter_without_gradient_keeps_its_mask(make):
    net = network()
    spare = nn.Linear(6, 6)
    both = nn.ModuleDict({"net": net, "spare": spare})
    adjusted = OPTIMISERS["sgd"](both.parameters())
    masks = {f"net.{name}": mask for name, mask in masks_of(net).items()}
    magnitudes = spare.weight.detach().abs()
    masks["spare.weight"] = magnitudes >= magnitudes.flatten().sort(descending=True).values[9]
    dynamic = make(generator=seeded())(adjusted, both, masks)
    trained(net, adjusted, 20)
    assert dynamic.updates > 0
    assert dynamic.masks["spare.weight"].equal(masks["spare.weight"])


@every_method
def test_an_optimiser_that_another_library_has_wrapped_is_as_good(make):
    def run(wrap):
        net = network()
        adjusted = OPTIMISERS["sgd"](net.parameters())
        dynamic = make(generator=seeded())(adjusted, net, masks_of(net))
        trained(net, wrap(adjusted), 30)
        return dynamic.masks

    plain, wrapped = run(lambda optimiser: optimiser), run(Accelerator(cpu=True).prepare_optimizer)
    assert all(plain[name].equal(wrapped[name]) for name in plain)


@every_method
@pytest.mark.parametrize("fused", [True, False])
def test_scaled_gradients_make_no_difference(make, fused):
    def run(scale):
        net = network()
        adjusted = torch.optim.Adam(net.parameters(), lr=0.01, fused=fused)
        dynamic = make(generator=seeded())(adjusted, net, masks_of(net))
        scaler = torch.amp.GradScaler("cpu", init_scale=2.0**7, enabled=scale, growth_interval=1000)
        generator = seeded(2)
        for _ in range(30):
            x = torch.rand(8, 1, 4, 4, generator=generator)
            adjusted.zero_grad()
            scaler.scale(nn.functional.cross_entropy(net(x), x.flatten(1)[:, :3].argmax(1))).backward()
            scaler.step(adjusted)
            scaler.update()
        return dynamic, net

    (plain, net), (scaled, other) = run(False), run(True)
    assert plain.updates > 0
    assert all(plain.masks[name].equal(scaled.masks[name]) for name in plain.masks)
    for name, value in net.state_dict().items():
        torch.testing.assert_close(other.state_dict()[name], value)


@every_method
@pytest.mark.parametrize("fused", [True, False])
def test_a_step_whose_scaled_gradients_overflow_does_nothing(make, fused):
    net = network()
    adjusted = torch.optim.Adam(net.parameters(), lr=0.01, fused=fused)
    dynamic = make(generator=seeded())(adjusted, net, masks_of(net))
    trained(net, adjusted, 4)
    values, masks = copy.deepcopy(net.state_dict()), dynamic.masks
    adjusted.zero_grad()
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**7)
    scaler.scale(net(torch.full((8, 1, 4, 4), torch.inf)).sum()).backward()
    scaler.step(adjusted)
    assert all(value.equal(values[name]) for name, value in net.state_dict().items())
    assert all(dynamic.masks[name].equal(mask) for name, mask in masks.items())


@every_method
def test_weights_that_are_undefined_are_reported(make):
    net = network()
    adjusted = OPTIMISERS["sgd"](net.parameters())
    make(generator=seeded())(adjusted, net, masks_of(net))
    with torch.no_grad():
        net[3].weight.fill_(torch.nan)
    with pytest.raises(FloatingPointError, match=r"'0\.weight' or its gradient holds NaN|'3\.weight'"):
        trained(net, adjusted, 5)


@every_method
def test_half_precision_and_other_layouts(make):
    net = nn.Sequential(nn.Conv2d(2, 8, 3), nn.Flatten(), nn.Linear(32, 3)).to(torch.bfloat16)
    net.to(memory_format=torch.channels_last)
    adjusted = OPTIMISERS["sgd"](net.parameters())
    masks = masks_of(net)
    dynamic = make(generator=seeded())(adjusted, net, masks)
    for _ in range(20):
        adjusted.zero_grad()
        net(torch.ones(4, 2, 4, 4, dtype=torch.bfloat16)).square().mean().backward()
        adjusted.step()
        assert all((dict(net.named_parameters())[name][~mask] == 0).all() for name, mask in dynamic.masks.items())
    assert sizes(dynamic.masks) == sizes(masks)
    assert net[0].weight.is_contiguous(memory_format=torch.channels_last)
    assert dynamic.updates > 0
