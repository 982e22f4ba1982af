import math

import pytest
import torch
from tests.problems.small_networks import NETWORKS, arguments
from tests.scores.definition import closely, dense, entries, nudged, times, with_weights
from torch import nn
from torch.func import functional_call, jacrev
from torch.nn.functional import mse_loss
from torch.nn.modules.batchnorm import _BatchNorm

from tombola.scores import he_normal, ntk_sap


def test_one_layer_worked_by_hand():
    model = nn.Linear(2, 1, bias=False, dtype=torch.float64)
    masks, batches = (
        {"weight": torch.ones(1, 2, dtype=torch.bool)},
        [(torch.zeros(1, 2, dtype=torch.float64), torch.zeros(1))],
    )
    found = ntk_sap(
        model, batches, masks=masks, loss=mse_loss, generator=torch.Generator().manual_seed(4), passes=1, epsilon=0.5
    )
    generator = torch.Generator().manual_seed(4)
    torch.randint(2**62, (), generator=generator)  # the seed of what modules draw
    z, _, d = (torch.randn(shape, generator=generator, dtype=torch.float64) for shape in ((1, 2), (1, 2), (1, 2)))
    # the distance is (m_1 a_1 + m_2 a_2)^2 with a = d z / 2, whatever the weights are; its slopes are 2 (a_1 + a_2) a
    a = d * z / 2
    torch.testing.assert_close(found["weight"], (2 * a.sum() * a).abs())


def test_with_many_draws_it_is_twice_the_square_of_epsilon_for_one_layer():
    model, masks = nn.Linear(3, 1, bias=False), {"weight": torch.ones(1, 3, dtype=torch.bool)}
    generator = torch.Generator().manual_seed(0)
    found = ntk_sap(
        model, [(torch.zeros(500, 3), torch.zeros(500))], masks=masks, loss=mse_loss, generator=generator, passes=800
    )
    # the mean of 800 squares of normal numbers is 1 within four standard errors of sqrt(2 / 800)
    torch.testing.assert_close(found["weight"] / (2 * 0.01**2), torch.ones(1, 3), rtol=0, atol=0.2)


def drawn(given, generator, x, *, keep):
    """Inputs, fresh weights of all parameters and shifts of the masked ones, in the order in which they are drawn."""
    z = torch.randn(x.shape, generator=generator, dtype=x.dtype)
    fresh = {}
    for key, value in given["model"].named_parameters():
        fresh[key] = value.detach().clone()
        if value.ndim > 1 and not keep:
            fan_in = value.shape[1] * math.prod(value.shape[2:])
            fresh[key] = torch.randn(value.shape, generator=generator, dtype=value.dtype) * (2 / fan_in) ** 0.5
    shifts = {
        key: torch.randn(value.shape, generator=generator, dtype=torch.float64) for key, value in dense(given).items()
    }
    return z, fresh, shifts


def with_statistics_of(model, z):
    """A model whose batch norm has the moments of what reaches it from one batch."""
    for layer in model.modules():
        if isinstance(layer, _BatchNorm):
            layer.train()
            layer.momentum = 1.0
    with torch.no_grad():
        model(z)
    return model.eval()


def distance(model, first, second, z):
    return (with_weights(model, first)(z) - with_weights(model, second)(z)).square().sum()


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("density", [1.0, 0.6])
@pytest.mark.parametrize("keep", [False, True])
def test_it_is_the_gradient_by_mask_entries(name, density, keep):
    given, generator = arguments(name, density), torch.Generator().manual_seed(0)
    torch.randint(2**62, (), generator=generator)
    totals = {key: torch.zeros(mask.shape, dtype=torch.float64) for key, mask in given["masks"].items()}
    for x, _ in given["batches"] * 2:
        z, fresh, shifts = drawn(given, generator, x, keep=keep)
        by, others = entries(given), {key: value for key, value in fresh.items() if key not in given["masks"]}
        first = {key: fresh[key] for key in by}
        second = {key: fresh[key] + 0.02 * shifts[key] for key in by}
        model = with_weights(given["model"], others | {key: fresh[key] * mask for key, mask in given["masks"].items()})
        with_statistics_of(model, z)
        buffers = {key: value for key, value in model.named_buffers()}
        base = with_buffers(given["model"], buffers)
        value = distance(base, others | times(by, first), others | times(by, second), z)
        for key, slope in zip(by, torch.autograd.grad(value, list(by.values())), strict=True):
            totals[key] += slope * given["masks"][key]
    wanted = {key: total.abs() / 24 for key, total in totals.items()}  # two passes over twelve examples
    options = {"redraw": None} if keep else {}
    closely(ntk_sap(**given, epsilon=0.02, passes=2, **options), wanted)


def with_buffers(model, buffers):
    """A copy of a model with other statistics of batch norm."""
    copied = with_weights(model, {})
    copied.load_state_dict(buffers, strict=False)
    return copied


def test_it_is_what_the_distance_gains_if_a_mask_entry_moves():
    given, generator, step = arguments("mlp"), torch.Generator().manual_seed(0), 1e-5
    given["batches"] = given["batches"][:1]
    torch.randint(2**62, (), generator=generator)
    z, fresh, shifts = drawn(given, generator, given["batches"][0][0], keep=False)
    first = {key: fresh[key] for key in given["masks"]}
    second = {key: value + 0.1 * shifts[key] for key, value in first.items()}
    whole = {key: mask.double() for key, mask in given["masks"].items()}

    def at(entries):
        return float(distance(given["model"].requires_grad_(False), times(entries, first), times(entries, second), z))

    for key, score in ntk_sap(**given, epsilon=0.1, passes=1).items():
        for place in range(0, score.numel(), 5):
            slope = (at(nudged(whole, key, place, step)) - at(nudged(whole, key, place, -step))) / (2 * step)
            torch.testing.assert_close(len(z) * score.flatten()[place].item(), abs(slope), rtol=1e-4, atol=1e-7)


def test_the_mean_distance_is_the_trace_of_the_kernel(generator):
    """What the criterion differentiates is the trace of the kernel, for small shifts."""
    given = arguments("mlp")
    model, x = given["model"], given["batches"][0][0]
    weights = dense(given)
    slopes = jacrev(lambda values: functional_call(model, values, (x,)))(weights)
    trace = sum(float(slope.detach().square().sum()) for slope in slopes.values())
    distances = []
    for _ in range(300):
        shifts = {
            key: torch.randn(value.shape, generator=generator, dtype=value.dtype) for key, value in weights.items()
        }
        moved = {key: value + 1e-3 * shifts[key] for key, value in weights.items()}
        distances.append(distance(model.requires_grad_(False), weights, moved, x) / 1e-6)
    found = torch.stack(distances)
    assert abs(float(found.mean()) - trace) < 4 * float(found.std()) / math.sqrt(300)


def test_batch_norm_without_statistics_of_its_own_is_left_alone():
    given = arguments("convolutional")
    norm = given["model"][1]
    given["model"][1] = nn.BatchNorm2d(4, track_running_stats=False, dtype=torch.float64)
    assert norm.momentum == 0.1
    assert all(bool(score.any()) for score in ntk_sap(**given).values())


def test_statistics_that_batch_norm_had_before_are_of_no_account():
    given, other = arguments("convolutional"), arguments("convolutional")
    other["model"][1].running_mean.fill_(torch.nan)
    other["model"][4].running_var.fill_(torch.inf)
    torch.testing.assert_close(ntk_sap(**given), ntk_sap(**other), rtol=0, atol=0)
    assert bool(other["model"][1].running_mean.isnan().all())


def test_the_model_s_weights_do_not_matter_unless_they_are_kept():
    given = arguments("mlp")
    other = arguments("mlp")
    with torch.no_grad():
        other["model"][0].weight.neg_()
    assert ntk_sap(**given)["2.weight"].equal(ntk_sap(**other)["2.weight"])
    given["generator"].manual_seed(0)
    other["generator"].manual_seed(0)
    first, second = ntk_sap(**given, redraw=None), ntk_sap(**other, redraw=None)
    assert not first["2.weight"].equal(second["2.weight"])


def test_another_law_is_called_with_every_parameter():
    given, seen = arguments("mlp"), []

    def ones(parameter, generator):
        seen.append(tuple(parameter.shape))
        return torch.ones_like(parameter)

    found = ntk_sap(**given, redraw=ones, passes=1)
    assert seen == 2 * [tuple(value.shape) for value in given["model"].parameters()]
    assert list(found) == list(given["masks"])


def test_a_law_that_works_in_place_leaves_the_model_alone():
    given = arguments("mlp")
    before = given["model"][0].weight.detach().clone()
    ntk_sap(**given, redraw=lambda parameter, generator: parameter.normal_(generator=generator), passes=1)
    assert given["model"][0].weight.equal(before)


def test_he_normal_has_the_variance_two_over_fan_in(generator):
    kernel = torch.empty(64, 32, 3, 3, dtype=torch.float64)
    assert abs(float(he_normal(kernel, generator).var()) * 32 * 9 / 2 - 1) < 4 * math.sqrt(2 / kernel.numel())
    bias = torch.ones(3)
    assert he_normal(bias, generator) is bias


def test_inputs_that_noise_cannot_stand_in_for():
    with pytest.raises(ValueError, match=r"batch 0 are torch.int64; normal noise"):
        ntk_sap(**arguments("mlp") | {"batches": [(torch.zeros(2, 6, dtype=torch.int64), torch.zeros(2))]})


@pytest.mark.parametrize("wrong", [{"epsilon": 0.0}, {"passes": 0}])
def test_options_out_of_range(wrong):
    with pytest.raises(ValueError, match="epsilon must be positive and passes at least 1"):
        ntk_sap(**arguments("mlp"), **wrong)
