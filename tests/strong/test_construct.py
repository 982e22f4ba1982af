"""`construct`: what its report says, tolerances, errors; constants of biases; the counting bound."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.problems.targets import relu_network
from torch import nn

from tombola import Ball, Box, Tolerance, construct, lightest, nearest, one_extra, sparsest, two_layer
from tombola.errors import ToleranceError, UnsupportedModuleError
from tombola.strong import estimate, require_met
from tombola.strong._layer import TargetLayer
from tombola.strong._one_extra import with_constants

EXAMPLE = torch.zeros(1, 8)
POSITIVE = Ball(1.0, nonnegative=True)


def test_report_counts_what_the_masks_hold():
    ticket = construct(relu_network(8, 10, 4), EXAMPLE, inputs=POSITIVE)
    report = ticket.record["report"]
    assert report["target_parameters"] == 8 * 10 + 10 * 4
    assert report["counting_bound"] == pytest.approx(120 * np.log2(50))
    edges = ticket.tensors["fc1.out"].mask.kept + ticket.tensors["fc2.out"].mask.kept
    assert report["kept_per_weight"] == pytest.approx(edges / 120)
    assert ticket.source_parameters == sum(np.prod(t.mask.shape) for t in ticket.tensors.values())
    assert report["weight_error_p9999"] <= report["max_weight_error"] <= 0.01


def test_zeroed_weights_are_counted():
    net = nn.Sequential(nn.Linear(2, 2, bias=False))
    net[0].weight = nn.Parameter(torch.tensor([[1.0, 0.005], [0.0, -1.0]]))
    report = construct(net, torch.zeros(1, 2)).record["report"]
    assert report["zeroed_fraction"] == 0.5
    assert report["kept_per_nonzero_weight"] == pytest.approx(2 * report["kept_per_weight"])


@pytest.mark.parametrize("absolute", [False, True])
def test_tolerance_is_relative_to_the_layer_or_absolute(absolute):
    net = relu_network(8, 10, 4, gain=5.0)
    largest = [float(layer.weight.detach().abs().max()) for layer in (net.fc1, net.fc2)]
    ticket = construct(net, EXAMPLE, tolerance=Tolerance(0.02, absolute=absolute))
    collapsed = dict(ticket.module(form="collapsed").named_parameters())
    signed = collapsed["fc1.weight"].detach()[:, :8]
    errors = [
        (signed - net.fc1.weight).detach().abs().max(),
        (collapsed["fc2.weight"] - net.fc2.weight).detach().abs().max(),
    ]
    for error, scale in zip(errors, largest, strict=True):
        allowed = 0.02 * (1 if absolute else scale)
        assert 0.2 * allowed < float(error) <= allowed * (1 + 1e-5)


def test_objectives_are_what_they_say():
    net = relu_network(8, 12, 6)
    tickets = {s.__name__: construct(net, EXAMPLE, solver=s, inputs=POSITIVE) for s in (sparsest, nearest, lightest)}
    reports = {name: ticket.record["report"] for name, ticket in tickets.items()}
    assert reports["sparsest"]["kept_per_weight"] < reports["nearest"]["kept_per_weight"]
    assert reports["nearest"]["max_weight_error"] <= reports["sparsest"]["max_weight_error"]
    bounds = {name: ticket.record["certificate"]["bound"] for name, ticket in tickets.items()}
    assert bounds["nearest"] < bounds["sparsest"]


def test_certified_error_is_reached_when_asked_for():
    ticket = construct(relu_network(8, 10, 4), EXAMPLE, tolerance=Tolerance(epsilon=0.01), inputs=POSITIVE)
    assert ticket.record["certificate"]["bound"] <= 0.01
    require_met(ticket)


def test_certified_error_that_is_not_reached_is_an_error_only_when_strict():
    ticket = construct(relu_network(8, 10, 4), EXAMPLE, inputs=POSITIVE)
    ticket.record["options"]["tolerance"]["epsilon"] = 1e-9
    with pytest.raises(ToleranceError, match="miss the tolerance"):
        require_met(ticket)


def test_failures_are_an_error_only_when_strict():
    ticket = construct(relu_network(8, 4), EXAMPLE)
    require_met(ticket)
    ticket.record["report"] |= {"failures": 2, "max_weight_error": 0.5}
    with pytest.raises(ToleranceError, match=r"2 weights miss the tolerance 0\.01; the largest error is 0\.5"):
        require_met(ticket)


def test_positive_inputs_need_half_the_first_layer():
    net = relu_network(30, 40, 30)
    heights = [
        construct(net, torch.zeros(1, 30), inputs=inputs).tensors["fc1.in"].mask.shape[0]
        for inputs in (Ball(1.0), POSITIVE, Box(0.0, 1.0))
    ]
    assert heights[1] == heights[2]
    assert 1.7 < heights[0] / heights[1] < 2.3


def test_parent_stays_below_the_blind_width():
    # Units of equal pools need about 24 per input for no failure at all; adaptive ones have to do with far fewer.
    weight = torch.rand(60, 40, generator=torch.Generator().manual_seed(0)) * 2 - 1
    net = nn.Sequential(nn.Linear(40, 60, bias=False))
    net[0].weight = nn.Parameter(weight)
    ticket = construct(net, torch.zeros(1, 40), inputs=POSITIVE)
    assert ticket.record["report"]["failures"] == 0
    assert ticket.tensors["0.in"].mask.shape[0] / 40 <= 17


def test_a_bias_needs_the_source_to_have_biases():
    net = relu_network(8, 10, 4, bias=True)
    ticket = construct(net, EXAMPLE)
    module = ticket.module(form="sparse")
    with torch.no_grad():
        wanted, found = net(EXAMPLE), module(EXAMPLE)
        for name, parameter in module.named_parameters():
            if name.endswith("bias"):
                parameter.zero_()
        without = module(EXAMPLE)
    assert float(wanted.norm()) > 0.1
    assert float((found - wanted).norm()) <= ticket.record["certificate"]["bound"] + 1e-5
    assert float(without.norm()) == 0.0


def test_constants_leave_the_function_as_it_is():
    net = relu_network(6, 7, 5, 3, bias=True)
    layers = [
        TargetLayer(f"fc{k}", m.weight.detach().numpy(), m.bias.detach().numpy(), k < 3, k == 1, 0.01)
        for k, m in enumerate((net.fc1, net.fc2, net.fc3), start=1)
    ]
    x = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
    values = x.double().numpy()
    for layer in with_constants(layers):
        values = values @ layer.weight.T.astype(np.float64) + (0 if layer.bias is None else layer.bias)
        values = np.maximum(values, 0) if layer.relu else values
    np.testing.assert_allclose(values, net(x).detach().numpy(), atol=1e-5)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(bad):
    net = relu_network(8, 4)
    with torch.no_grad():
        net.fc1.weight[1, 2] = bad
    with pytest.raises(ValueError, match=r"fc1.weight has 1 values that are NaN or infinite"):
        construct(net, EXAMPLE)


@pytest.mark.parametrize("options", [{"weight_epsilon": 0.0}, {"weight_epsilon": -1.0}, {"epsilon": float("nan")}])
def test_tolerances_that_are_not_positive_are_refused(options):
    with pytest.raises(ValueError, match="must be a positive finite number"):
        Tolerance(**options)


def test_a_tolerance_out_of_reach_is_refused():
    with pytest.raises(ValueError, match="ask for a coarser one"):
        construct(relu_network(8, 4), EXAMPLE, tolerance=Tolerance(1e-9))


def test_unsupported_modules_are_named():
    net = nn.Sequential(nn.Linear(8, 4), nn.Hardswish(), nn.Linear(4, 2))
    with pytest.raises(UnsupportedModuleError, match=r"1: found hardswish.*supported are Linear, Conv1d"):
        construct(net, EXAMPLE)


@pytest.mark.parametrize("construction", [two_layer, one_extra])
def test_estimate_is_close_to_what_construction_needs(construction):
    net = relu_network(60, 80, 40, bias=True)
    example = torch.zeros(1, 60)
    predicted = estimate(net, example, construction=construction, inputs=POSITIVE)
    ticket = construct(net, example, construction=construction, inputs=POSITIVE)
    assert 0.7 < predicted.source_parameters / ticket.source_parameters < 1.4
    assert predicted.counting_bound == pytest.approx(ticket.record["report"]["counting_bound"])
    assert predicted.seconds > 0


def test_scaling_lemma():
    # [Fischer2021]: weights times s_l and biases times s_1 ... s_l multiply the output by the product of all s.
    for depth in range(2, 7):
        net = relu_network(*([6] * depth), 3, bias=True, seed=depth).double()
        scales = np.random.default_rng(depth).uniform(0.2, 3.0, depth)
        x = torch.randn(20, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(depth))
        wanted, product = net(x).detach() * float(np.prod(scales)), 1.0
        with torch.no_grad():
            for layer, scale in zip((m for m in net if isinstance(m, nn.Linear)), scales, strict=True):
                product *= float(scale)
                layer.weight.mul_(float(scale))
                layer.bias.mul_(product)
        torch.testing.assert_close(net(x).detach(), wanted, rtol=1e-10, atol=1e-10)
