"""Two-layer tickets of convolutional, residual and smooth targets."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch
from tests.problems.graphs import GRAPHS, graph_target
from torch import nn

from tombola import Ball, Box, Source, Tolerance, construct, load, verify
from tombola.errors import UnsupportedModuleError
from tombola.graph import Window, read_graph
from tombola.strong import worst_input
from tombola.strong._comparison import compare
from tombola.strong._convolution_norm import operator_norm_bound
from tombola.strong._targets import as_matrix, targets
from tombola.ticket import unpack

SETS = {"box": Box(0.0, 1.0), "both signs": Ball(1.0)}
cases = pytest.mark.parametrize(("name", "inputs"), [(n, s) for n in GRAPHS for s in SETS])


@cache
def ticket_of(name, inputs):
    net, shape = graph_target(name)
    return construct(net, torch.zeros(1, *shape), seed=3, inputs=SETS[inputs])


def images(shape, inputs, count=20):
    x = torch.rand(count, *shape, generator=torch.Generator().manual_seed(1))
    if inputs == "box":
        return x
    x = x - 0.5
    return x / x.flatten(1).norm(dim=1).amax()


def test_a_one_tap_convolution_by_hand():
    net = nn.Conv1d(1, 1, 1, bias=False)
    net.weight.data.fill_(0.5)
    ticket = construct(net, torch.zeros(1, 1, 3), inputs=Box(0.0, 1.0))
    found = ticket.module()(torch.tensor([[[1.0, 0.0, 0.5]]]))
    torch.testing.assert_close(found, torch.tensor([[[0.5, 0.0, 0.25]]]), rtol=0.01, atol=1e-6)


@cases
def test_every_kept_weight_is_the_sources_own(name, inputs):
    ticket = ticket_of(name, inputs)
    random = {key: Source(3).block(key, one.law, *map(range, one.mask.shape)) for key, one in ticket.tensors.items()}
    kept = {key: np.where(unpack(one.mask), random[key], 0) for key, one in ticket.tensors.items()}
    values = np.sort(np.concatenate([value[value != 0] for value in kept.values()]))
    parameters = [p.detach().numpy().ravel() for p in ticket.module(form="masked").parameters()]
    found = np.concatenate(parameters)
    np.testing.assert_array_equal(np.sort(found[found != 0]), values)


@cases
def test_all_forms_compute_what_the_target_computes(name, inputs):
    net, shape = graph_target(name)
    ticket, x = ticket_of(name, inputs), images(shape, inputs)
    assert ticket.record["report"]["failures"] == 0
    wanted = net(x).detach()
    outputs = [ticket.module(form=form)(x).detach() for form in ("masked", "sparse", "collapsed")]
    for output in outputs:
        assert 0 < float((output - wanted).norm(dim=1).max()) <= ticket.certificate.bound
        torch.testing.assert_close(output, outputs[0], rtol=1e-4, atol=1e-5)


@cases
def test_a_saved_ticket_is_verified_with_its_target_and_inputs(name, inputs, tmp_path):
    net, shape = graph_target(name)
    ticket_of(name, inputs).save(tmp_path / "t.ticket")
    found = verify(load(tmp_path / "t.ticket"), target=net, inputs=images(shape, inputs))
    assert found.ok
    assert 0 < found.attack_error <= found.certified_bound


@pytest.mark.parametrize("name", GRAPHS)
def test_another_target_of_the_same_shape_is_noticed(name):
    net, _ = graph_target(name)
    with torch.no_grad():
        next(net.parameters()).mul_(1.5)
    assert "target" in verify(ticket_of(name, "box"), target=net).failed


def test_borders_are_as_exact_as_the_interior():
    net = nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1))
    x = images((1, 12, 12), "box", 50)
    error = (construct(net, x[:1], inputs=Box(0.0, 1.0)).module()(x) - net(x)).abs().amax(dim=(0, 1)).detach()
    border = torch.ones(12, 12, dtype=torch.bool)
    border[1:-1, 1:-1] = False
    assert error[border].max() <= 1.5 * error[~border].max()


def test_a_bias_that_padding_would_reach_is_refused():
    net = nn.Sequential(nn.Conv2d(1, 2, 2, padding=2), nn.ReLU())
    with pytest.raises(
        UnsupportedModuleError, match="0: found a convolution with a bias whose every tap reads padding"
    ):
        construct(net, torch.zeros(1, 1, 4, 4))
    net[0].bias = None
    assert construct(net, torch.zeros(1, 1, 4, 4)).record["report"]["failures"] == 0


def test_batch_norm_is_folded_before_construction():
    net, shape = graph_target("residual")
    (stem, *_), x = read_graph(net, torch.zeros(1, *shape)).layers, images(shape, "box")
    folded = torch.nn.functional.conv2d(x, stem.weight, stem.bias, padding=1)
    torch.testing.assert_close(folded, net.norm(net.stem(x)).detach(), rtol=1e-5, atol=1e-5)


def test_a_grouped_convolution_counts_its_own_weights_only():
    report = ticket_of("grouped", "box").record["report"]
    assert report["target_parameters"] == sum(p.numel() for p in graph_target("grouped")[0].parameters())
    assert [row["target_parameters"] for row in report["per_layer"]] == [36, 36, 12]


def test_rows_of_layers_add_up():
    ticket = ticket_of("residual", "box")
    report = ticket.record["report"]
    assert sum(row["kept"] for row in report["per_layer"]) == ticket.kept
    assert sum(row["source_parameters"] for row in report["per_layer"]) == ticket.source_parameters
    assert [row["layer"] for row in report["per_layer"]][:2] == ["stem", "conv1"]
    assert max(row["max_weight_error"] for row in report["per_layer"]) == pytest.approx(report["max_weight_error"])


def test_tampering_with_a_constant_channel_is_noticed():
    from tests.problems.tickets import with_mask

    ticket = ticket_of("plain", "box")
    constant = np.flatnonzero(unpack(ticket.tensors["0.in.bias"].mask)[:, 0])

    def through_a_corner(bits):
        bits[constant[0], 0] = True  # tap 0 of output 0 reads padding

    assert "masks" in verify(with_mask(ticket, "0.out", through_a_corner)).failed


@pytest.mark.parametrize(
    ("outputs", "inputs", "size", "stride", "padding", "dilation", "pixels"),
    [(4, 3, 3, 1, 1, 1, 7), (3, 4, 3, 2, 1, 1, 8), (2, 2, 5, 1, 0, 1, 9), (2, 2, 3, 1, 2, 2, 7), (3, 2, 2, 3, 1, 1, 8)],
)
def test_norms_of_convolutions_bound_the_matrix_norm_closely(outputs, inputs, size, stride, padding, dilation, pixels):
    generator = torch.Generator().manual_seed(0)
    weight = torch.randn(outputs, inputs, size, size, dtype=torch.float64, generator=generator)
    eye = torch.eye(inputs * pixels**2, dtype=torch.float64).reshape(-1, inputs, pixels, pixels)
    matrix = nn.functional.conv2d(eye, weight, None, stride, padding, dilation).flatten(1)
    exact = float(torch.linalg.matrix_norm(matrix, 2))
    window = Window(*((one, one) for one in (size, stride, padding, dilation)))
    assert exact <= operator_norm_bound(weight, window, (inputs, pixels, pixels)) <= 1.5 * exact


@pytest.mark.parametrize("name", GRAPHS)
def test_certificates_hold_for_attacks_of_any_effort(name):
    net, shape = graph_target(name)
    graph = read_graph(net, torch.zeros(1, *shape))
    from tombola.effective import effective_maps

    ticket = ticket_of(name, "box")
    layers = targets(graph, Tolerance(), SETS["box"])
    compared = compare(ticket, graph, layers, effective_maps(ticket))
    errors = [
        worst_input(compared, SETS["box"], steps=steps, generator=torch.Generator().manual_seed(0)).error
        for steps in (0, 40)
    ]
    assert 0 < errors[0] <= errors[1] <= ticket.certificate.bound


def test_a_convolution_as_a_matrix_has_a_row_for_each_tap():
    weight = np.arange(2 * 3 * 2 * 2, dtype=np.float32).reshape(2, 3, 2, 2)
    matrix = as_matrix(weight)
    assert matrix.shape == (8, 3)
    np.testing.assert_array_equal(matrix[4 + 1], weight[1, :, 0, 1])
