"""Hidden units with other activations than ReLU, and other random networks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.problems.targets import relu_network
from torch import nn

from tombola import Ball, Box, Tolerance, construct, load, one_extra, two_layer, verify
from tombola.activations import RELU, TABLE, Activation, activation
from tombola.effective import effective_maps
from tombola.errors import UnsupportedModuleError
from tombola.models._fill import draw_parameters
from tombola.strong import Parent, on_parent

SETS = {"box": Box(0.0, 1.0), "both signs": Box(-1.0, 1.0)}
CONV = nn.Sequential(nn.Conv2d(2, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(12, 3))
draw_parameters(CONV, generator=torch.Generator().manual_seed(0))


def built(parent, net=None, inputs="both signs", **options):
    net = net or relu_network(6, 8, 3, bias=True)
    example = torch.zeros(1, *((2, 4, 4) if isinstance(net[0], nn.Conv2d) else (net[0].in_features,)))
    return net, construct(
        net, example, seed=3, construction=on_parent(two_layer, parent), inputs=SETS[inputs], **options
    )


def points(net, inputs, count=50):
    shape = (2, 4, 4) if isinstance(net[0], nn.Conv2d) else (net[0].in_features,)
    x = torch.rand(count, *shape, generator=torch.Generator().manual_seed(0))
    return x if inputs == "box" else 2 * x - 1


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("inputs", SETS)
@pytest.mark.parametrize("net", [None, CONV], ids=["dense", "convolution"])
def test_the_real_function_passes_inputs_on(name, inputs, net, tmp_path):
    net, ticket = built(Parent(activation(name)), net, inputs)
    assert ticket.record["report"]["failures"] == 0
    assert ticket.record["report"]["max_weight_error"] <= 0.01
    assert {stage.activation.name for stage in ticket.stages[::2]} == {name}
    x = points(net, inputs)
    for form in ("masked", "sparse"):
        module = ticket.module(form=form)
        kind = type(activation(name).module())
        assert sum(isinstance(one, kind) for one in module.modules()) >= 2
        assert float((module(x) - net(x)).detach().norm(dim=1).max()) <= ticket.certificate.bound
    ticket.save(tmp_path / "t.ticket")
    assert verify(load(tmp_path / "t.ticket"), target=net, inputs=x).ok


@pytest.mark.parametrize("law", ["normal", "signed_constant", "looks_linear"])
@pytest.mark.parametrize("name", ["relu", "tanh", "sigmoid"])
def test_other_laws_of_the_parent(name, law):
    net, ticket = built(Parent(activation(name), law=law))
    assert ticket.tensors["fc1.in"].law.name == ("mirrored" if law == "looks_linear" else law)
    assert ticket.record["report"]["failures"] == 0
    assert verify(ticket, target=net).ok


def test_leaky_relu_is_solved_to_the_tolerance_of_both_slopes():
    net, ticket = built(Parent(activation("leaky_relu", 0.1)), relu_network(6, 4), "both signs")
    (maps,) = effective_maps(ticket)
    weight = net[0].weight.detach().double().numpy()
    for path in (maps.positive, maps.negative):
        assert np.abs(path - weight).max() <= 0.01 * np.abs(weight).max()


def test_pre_activations_come_within_a_hundredth_where_curvature_is_kept_small():
    net = relu_network(6, 8, bias=True)
    for name in ("tanh", "sigmoid"):
        _, ticket = built(Parent(activation(name)), net, tolerance=Tolerance(1e-3))
        x = points(net, "both signs", 500)
        assert float((ticket.module()(x) - net(x)).detach().abs().max()) <= 0.01
        assert ticket.certificate.residual > 0


def test_a_residual_shrinks_with_the_tolerance():
    found = [built(Parent(activation("tanh")), tolerance=Tolerance(t))[1].certificate.residual for t in (0.05, 0.001)]
    assert found[1] < found[0] / 10


def test_offsets_make_constants_without_any_bias():
    net, ticket = built(Parent(activation("sigmoid"), biases=False))
    assert not any("bias" in name for name in ticket.tensors)
    assert ticket.record["report"]["failures"] == 0
    assert verify(ticket, target=net, inputs=points(net, "both signs")).ok


@pytest.mark.parametrize("name", ["relu", "tanh"])
def test_a_parent_without_biases_is_zero_at_zero_and_misses_the_targets_biases(name):
    _, ticket = built(Parent(activation(name), biases=False))
    torch.testing.assert_close(ticket.module()(torch.zeros(1, 6)), torch.zeros(1, 3), rtol=0, atol=0)
    assert ticket.record["report"]["failures"] >= 8
    assert built(Parent(activation(name)))[1].record["report"]["failures"] == 0


def test_an_activation_of_ones_own(tmp_path):
    sine = Activation("sine", above=1.0, below=1.0, curvature=1 / 6, power=3.0, function=torch.sin)
    net, ticket = built(Parent(sine))
    x = points(net, "both signs")
    assert float((ticket.module()(x) - net(x)).detach().abs().max()) < 0.05
    ticket.save(tmp_path / "t.ticket")
    with pytest.raises(ValueError, match="what 'sine' computes is not in the file"):
        load(tmp_path / "t.ticket").module()


def test_an_offset_behind_padding_is_refused():
    net = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.ReLU())
    with pytest.raises(UnsupportedModuleError, match="padding behind sigmoid units"):
        construct(net, torch.zeros(1, 2, 4, 4), construction=on_parent(two_layer, Parent(activation("sigmoid"))))


def test_one_extra_takes_piecewise_linear_units():
    net = relu_network(6, 8, 3)
    tent = on_parent(one_extra, Parent(activation("leaky_relu", 0.2)))
    ticket = construct(net, torch.zeros(1, 6), construction=tent, inputs=Ball(1.0))
    assert ticket.stages[0].activation.below == 0.2
    assert verify(ticket, target=net).ok


def test_an_unknown_law_is_refused():
    with pytest.raises(ValueError, match="unknown law 'cauchy' of a parent; known are uniform, normal"):
        Parent(RELU, law="cauchy")


def test_pairs_of_a_looks_linear_parent_treat_both_signs_alike():
    net, ticket = built(Parent(law="looks_linear"), relu_network(6, 4))
    (maps,) = effective_maps(ticket)
    np.testing.assert_allclose(maps.positive, maps.negative, rtol=0, atol=1e-12)
    module, x = ticket.module(form="masked"), points(net, "both signs")
    torch.testing.assert_close(module(x), -module(-x), rtol=0, atol=1e-6)
    plain = construct(net, torch.zeros(1, 6), seed=3, inputs=SETS["both signs"])
    assert ticket.kept < 1.3 * plain.kept  # one sum of pairs instead of two sums of units


def test_offsets_of_a_pair_cancel_so_that_padding_does_no_harm():
    net = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1))
    draw_parameters(net, generator=torch.Generator().manual_seed(0))
    parent = Parent(activation("sigmoid"), law="looks_linear")
    ticket = construct(net, torch.zeros(1, 2, 4, 4), construction=on_parent(two_layer, parent), inputs=Box(-1.0, 1.0))
    assert ticket.record["report"]["failures"] == 0
    x = 2 * torch.rand(20, 2, 4, 4, generator=torch.Generator().manual_seed(0)) - 1
    assert float((ticket.module()(x) - net(x)).detach().abs().max()) < 0.05


@pytest.mark.parametrize("seed", range(4))
def test_large_offsets_are_taken_away_to_the_last_bit_that_is_asked_for(seed):
    net = relu_network(64, 64, 10, bias=True, seed=seed)
    soft = on_parent(two_layer, Parent(activation("softplus")))
    ticket = construct(net, torch.zeros(1, 64), seed=seed, construction=soft, inputs=SETS["box"])
    report = ticket.record["report"]
    assert report["failures"] == len(report["misses"]) == 0


def test_biases_that_are_missed_are_listed():
    _, ticket = built(Parent(biases=False))
    report = ticket.record["report"]
    assert report["failures"] == len(report["misses"]) > 0
    assert {(miss["layer"], miss["input"]) for miss in report["misses"]} == {("fc1", 6), ("fc2", 8)}
