"""One source layer more than the target, for convolutions and residual blocks."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from tests.problems.graphs import GRAPHS, graph_target
from tests.problems.tickets import with_mask
from torch import nn

from tombola import Ball, Box, Source, Tolerance, construct, load, one_extra, sparsest, two_layer, verify
from tombola.effective import effective_maps, target_layers
from tombola.errors import UnsupportedModuleError
from tombola.explanation import explain
from tombola.graph import Node, Streams, Units, read_graph
from tombola.strong import estimate, targets, worst_input
from tombola.strong._adaptive import Pool, solve_problem
from tombola.strong._compared_graph import ComparedGraph
from tombola.strong._comparison import compare
from tombola.strong._graph_interval import graph_interval_bound
from tombola.strong._graph_spectral import graph_spectral_bound, wide_norm
from tombola.strong._layer import TargetLayer
from tombola.strong._one_extra_graph import wide_problem
from tombola.strong._stream_copies import StreamCopies
from tombola.ticket import MaskedTensor, pack, unpack

SETS = {"box": Box(0.0, 1.0), "both signs": Ball(1.0)}
FORMS = ("masked", "sparse", "collapsed")
cases = pytest.mark.parametrize(("name", "inputs"), [(n, s) for n in ("chain", *GRAPHS) for s in SETS])


def normal(net, seed=0):
    """Weights that keep the size of activations, and biases that matter."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.Linear | nn.Conv2d):
                module.weight.normal_(0, module.weight[0].numel() ** -0.5, generator=generator)
                if module.bias is not None:
                    module.bias.normal_(0, 0.3, generator=generator)
    return net.eval()


def chain():
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 6, 3, padding=1), nn.ReLU(), nn.Flatten(),
        nn.Linear(216, 4),
    )  # fmt: skip


class Block(nn.Module):
    """A stem, one residual block and a read-out; the skip may be the identity, a projection, or missing."""

    def __init__(self, skip="identity", *, bias=False, stride=1):
        super().__init__()
        self.stem = nn.Conv2d(1, 4, 3, padding=1, bias=bias)
        self.conv1 = nn.Conv2d(4, 4, 3, padding=1, bias=bias)
        self.conv2 = nn.Conv2d(4, 4, 3, padding=1, stride=stride, bias=bias)
        self.skip = nn.Conv2d(4, 4, 1, stride=stride, bias=bias) if skip == "projection" else nn.Identity()
        self.fc = nn.Linear(4, 3, bias=bias)
        self.skipping = skip is not None

    def forward(self, x):
        x = torch.relu(self.stem(x))
        y = self.conv2(torch.relu(self.conv1(x)))
        return self.fc(torch.relu(y + self.skip(x) if self.skipping else y).mean((2, 3)))


@cache
def case(name, inputs):
    net, shape = (normal(chain()), (1, 6, 6)) if name == "chain" else graph_target(name)
    ticket = construct(net, torch.zeros(1, *shape), seed=3, construction=one_extra, inputs=SETS[inputs])
    return net, shape, ticket


def images(shape, inputs, count=20):
    x = torch.rand(count, *shape, generator=torch.Generator().manual_seed(1))
    if inputs == "box":
        return x
    x = x - 0.5
    return x / x.flatten(1).norm(dim=1).amax()


def compared_of(net, shape, ticket, inputs):
    graph = read_graph(net, torch.zeros(1, *shape))
    return compare(ticket, graph, targets(graph, Tolerance(), inputs), effective_maps(ticket))


def summed(ticket, layer, below, *, taps):
    """`(units, taps, channels)`: the kept source values of a single stage, added up over copies of each channel."""
    tensor = ticket.tensors[layer]
    values = Source(3).block(layer, tensor.law, *map(range, tensor.mask.shape)).astype(np.float64)
    kept = np.where(unpack(tensor.mask), values, 0.0)
    sums = np.stack([kept[below == channel].sum(axis=0) for channel in range(below.max() + 1)], axis=1)
    return sums.reshape(-1, taps, sums.shape[1])


def test_terms_of_a_weight_add_up_to_it():
    net, _, ticket = case("chain", "box")
    weights = [
        ("0", 3, 0, (2, 1), net[0].weight[3, 0, 2, 1]),
        ("2", 5, 4, (0, 2), net[2].weight[5, 4, 0, 2]),
        ("2", 5, None, (), net[2].bias[5]),
        ("5", 2, 36 * 3 + 30, (), net[5].weight[2, 36 * 3 + 30]),
        ("5", 1, None, (), net[5].bias[1]),
    ]
    tolerances = {row["layer"]: row["tolerance"] for row in ticket.record["report"]["per_layer"]}
    for layer, output, column, tap, weight in weights:
        terms = explain(ticket, layer, output, column, tap=tap)
        assert terms
        assert abs(sum(term["product"] for term in terms) - weight.item()) <= tolerances[layer] * (1 + 1e-6)
    with pytest.raises(ValueError, match="outputs go from 0 to 3"):
        explain(ticket, "5", 4, 0)


def test_a_tap_of_two_layers_by_hand():
    net = nn.Sequential(nn.Conv1d(1, 1, 1, bias=False), nn.ReLU(), nn.Conv1d(1, 1, 2, bias=False))
    net[0].weight.data.fill_(1.0)
    net[2].weight.data[:] = torch.tensor([[[0.5, -0.25]]])
    ticket = construct(net, torch.zeros(1, 1, 3), construction=one_extra, inputs=Box(0.0, 1.0), seed=3)
    found = ticket.module()(torch.tensor([[[1.0, 0.0, 0.5]]]))
    torch.testing.assert_close(found, torch.tensor([[[0.5, -0.125]]]), rtol=0, atol=0.03)
    assert [stage.weight for stage in ticket.stages] == ["0.in", "0.out", "2"]
    copies = ticket.stages[1].copies
    np.testing.assert_allclose(summed(ticket, "2", copies, taps=2)[0, :, 0], [0.5, -0.25], rtol=0, atol=0.005)


@cases
def test_every_kept_weight_is_the_sources_own(name, inputs):
    _, _, ticket = case(name, inputs)
    random = {key: Source(3).block(key, one.law, *map(range, one.mask.shape)) for key, one in ticket.tensors.items()}
    kept = {key: np.where(unpack(one.mask), random[key], 0) for key, one in ticket.tensors.items()}
    values = np.sort(np.concatenate([value[value != 0] for value in kept.values()]))
    found = np.concatenate([p.detach().numpy().ravel() for p in ticket.module(form="masked").parameters()])
    np.testing.assert_array_equal(np.sort(found[found != 0]), values)
    assert values.size == ticket.kept


@cases
def test_depth_is_one_more_than_the_targets(name, inputs):
    net, _, ticket = case(name, inputs)
    layers = [module for module in net.modules() if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d)]
    assert len(ticket.stages) == len(layers) + 1


@cases
def test_all_forms_compute_what_the_target_computes(name, inputs):
    net, shape, ticket = case(name, inputs)
    x = images(shape, inputs)
    assert ticket.record["report"]["failures"] == 0
    wanted = net(x).detach()
    outputs = [ticket.module(form=form)(x).detach() for form in FORMS]
    for output in outputs:
        assert 0 < float((output - wanted).norm(dim=1).max()) <= ticket.certificate.bound
        torch.testing.assert_close(output, outputs[0], rtol=1e-4, atol=1e-4)


@cases
def test_a_saved_ticket_is_verified_with_its_target_and_inputs(name, inputs, tmp_path):
    net, shape, ticket = case(name, inputs)
    ticket.save(tmp_path / "t.ticket")
    found = verify(load(tmp_path / "t.ticket"), target=net, inputs=images(shape, inputs))
    assert found.ok
    assert 0 < found.attack_error <= found.certified_bound


def test_every_copy_of_every_channel_comes_close():
    net, _, ticket = case("chain", "box")
    first, second, last = (ticket.stages[k].copies for k in (1, 2, 3))
    tap = net[2].weight.detach().numpy().reshape(6, 6, 9).transpose(0, 2, 1)
    used = second >= 0
    assert np.bincount(second[used]).min() > 1
    epsilon = 0.01 * np.abs(tap).max()
    found = summed(ticket, "2", first, taps=9)[used]
    np.testing.assert_allclose(found, tap[second[used]], rtol=0, atol=epsilon * (1 + 1e-6))
    pixels = net[5].weight.detach().numpy().reshape(4, 6, 36).transpose(0, 2, 1)
    np.testing.assert_array_equal(last, np.arange(4))
    epsilon = 0.01 * np.abs(pixels).max()
    np.testing.assert_allclose(summed(ticket, "5", second, taps=36), pixels, rtol=0, atol=epsilon * (1 + 1e-6))


def test_borders_are_as_exact_as_the_interior():
    net = normal(nn.Sequential(nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1)))
    x = images((1, 12, 12), "box", 50)
    ticket = construct(net, x[:1], construction=one_extra, inputs=Box(0.0, 1.0))
    assert "0.out.bias" in ticket.tensors
    error = (ticket.module()(x) - net(x)).abs().amax(dim=(0, 1)).detach()
    border = torch.ones(12, 12, dtype=torch.bool)
    border[1:-1, 1:-1] = False
    assert error[border].max() <= 1.5 * error[~border].max()


def test_an_identity_skip_costs_nothing():
    tickets = [
        construct(normal(Block(skip)), torch.zeros(1, 1, 6, 6), construction=one_extra, inputs=Box(0.0, 1.0))
        for skip in ("identity", None)
    ]
    names = [list(ticket.tensors) for ticket in tickets]
    assert names[0] == names[1] == ["stem.in", "stem.out", "conv1", "conv2", "fc"]
    for name in ("conv2", "fc"):  # the branch that the skip joins, and what reads the sum
        masks = [unpack(ticket.tensors[name].mask) for ticket in tickets]
        assert masks[0].sum() == masks[1].sum()
    kept = [ticket.kept for ticket in tickets]
    assert kept[0] <= 1.1 * kept[1]
    assert all(ticket.record["report"]["failures"] == 0 for ticket in tickets)


def test_copies_keep_their_numbers_along_a_skip():
    net = normal(Block(bias=True))
    ticket = construct(net, torch.zeros(1, 1, 6, 6), construction=one_extra, inputs=Box(0.0, 1.0))
    stem, conv2 = (next(s.copies for s in ticket.stages if s.weight == name) for name in ("stem.out", "conv2"))
    used = conv2 >= 0
    np.testing.assert_array_equal(conv2[used], stem[used])
    assert (stem[~used] >= 0).any()  # units that conv1 alone reads need no main branch
    assert "conv2.bias" not in ticket.tensors  # the skip carries the stem's constants
    x = images((1, 6, 6), "box")
    compared = compared_of(net, (1, 6, 6), ticket, Box(0.0, 1.0))
    error = (compared.run("ticket", x) - compared.run("target", x)).norm(dim=1)
    assert 0 < float(error.max()) <= ticket.certificate.bound


def test_a_strided_projection_is_made_of_subset_sums():
    net = normal(Block("projection", bias=True, stride=2))
    ticket = construct(net, torch.zeros(1, 1, 6, 6), seed=3, construction=one_extra, inputs=Box(0.0, 1.0))
    copies = {stage.weight: stage.copies for stage in ticket.stages}
    np.testing.assert_array_equal(copies["skip"], copies["conv2"])
    used = copies["skip"] >= 0
    wanted = net.skip.weight.detach().numpy()[:, :, 0, 0]
    found = summed(ticket, "skip", copies["stem.out"], taps=1)[:, 0][used]
    epsilon = 0.01 * np.abs(wanted).max()
    np.testing.assert_allclose(found, wanted[copies["skip"][used]], rtol=0, atol=epsilon * (1 + 1e-6))
    found = verify(ticket, target=net, inputs=images((1, 6, 6), "box"))
    assert found.ok


@pytest.mark.parametrize("name", ["chain", "residual", "grouped"])
def test_certificates_hold_for_attacks_of_any_effort(name):
    net, shape, ticket = case(name, "box")
    compared = compared_of(net, shape, ticket, SETS["box"])
    errors = [
        worst_input(compared, SETS["box"], steps=steps, generator=torch.Generator().manual_seed(0)).error
        for steps in (0, 40)
    ]
    assert 0 < errors[0] <= errors[1] <= ticket.certificate.bound


@pytest.mark.parametrize("name", ["chain", "residual"])
def test_every_copy_stays_within_the_bound_of_its_result(name):
    net, shape, ticket = case(name, "box")
    whole, x = compared_of(net, shape, ticket, SETS["box"]), images(shape, "box")
    streams = Streams(whole.nodes, shape)
    made = {stages[0].layer: stages[-1].copies.astype(np.int64) for stages in target_layers(ticket)}
    units = streams.units({key: Units(one, np.zeros(one.size)) for key, one in made.items()}, set())
    for number, node in enumerate(whole.nodes):
        part = ComparedGraph(whole.nodes[: number + 1], whole.layers, shape)
        target, found = part.run("target", x), part.run("ticket", x)
        copies, grain = units[node.name].copies, streams.grains[node.name]
        assert grain == 1 or node.op == "flatten"
        target, found = (
            one.reshape(len(x), count, -1) for one, count in ((target, max(copies) + 1), (found, copies.size))
        )
        used = np.flatnonzero(copies >= 0)
        errors = (found[:, used] - target[:, copies[used]]).flatten(2).norm(dim=2)
        interval, reaches = graph_interval_bound(part, SETS["box"])
        spectral = graph_spectral_bound(part, SETS["box"], reaches)
        assert 0 < float(errors.max()) <= min(interval, float(spectral.gaps.sum()))


@pytest.mark.parametrize("limit", [0.0, 1e10])
def test_norms_of_layers_on_copies_bound_the_matrix_norm(limit, monkeypatch):
    monkeypatch.setattr("tombola.strong._graph_spectral.LONG", limit)
    net, shape, ticket = case("chain", "box")
    layer = compared_of(net, shape, ticket, SETS["box"]).layers["2"]
    weight = layer.positive
    eye = torch.eye(weight.shape[1] * 9, dtype=torch.float64).reshape(-1, weight.shape[1], 3, 3)
    exact = float(torch.linalg.matrix_norm(nn.functional.conv2d(eye, weight, None, padding=1).flatten(1), 2))
    assert exact <= wide_norm(layer, (3, 3)) <= 4 * exact


def test_a_sparse_convolutional_target():
    # 32 channels of which a tenth of the taps is there, as large as the networks of [BurkholzConv2022]
    net = nn.Sequential(nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.Conv2d(32, 32, 3, padding=1))
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for layer in (net[0], net[2]):
            layer.weight.normal_(0, (0.1 * layer.weight[0].numel()) ** -0.5, generator=generator)
            layer.weight.mul_(torch.rand(layer.weight.shape, generator=generator) < 0.1)
            layer.bias.normal_(0, 0.1, generator=generator)
    tolerance, x = Tolerance(0.01, absolute=True), images((1, 8, 8), "box")
    above = sum(int((p.abs() > 0.01).sum()) for p in net.parameters())
    tickets = [
        construct(net, x[:1], construction=kind, inputs=Box(0.0, 1.0), tolerance=tolerance)
        for kind in (two_layer, one_extra)
    ]
    assert all(ticket.record["report"]["failures"] == 0 for ticket in tickets)
    assert 900 < above < 1100
    assert 2 * above < tickets[0].kept < 2.8 * above
    assert tickets[0].kept < tickets[1].kept < 4 * above  # one copy of each output; 33 000 with fifteen
    with torch.no_grad():
        errors = [float((ticket.module()(x) - net(x)).abs().max()) for ticket in tickets]
    assert 0 < max(errors) < 0.1


def test_tampering_with_a_constant_is_noticed():
    _, _, ticket = case("chain", "box")
    constant = np.flatnonzero(unpack(ticket.tensors["0.out.bias"].mask)[:, 0])
    free = np.flatnonzero(ticket.stages[1].copies < 0)
    assert verify(ticket).checks["masks"]

    def through_a_corner(bits):
        bits[constant[0], 0] = True  # tap 0 of unit 0 reads padding

    def into_a_constant(bits):
        bits[np.flatnonzero(bits.any(axis=1))[0], 9 * constant[0]] = True

    def from_nowhere(bits):
        bits[np.setdiff1d(free, constant)[0], 4] = True

    def without_readers(bits):
        bits[np.setdiff1d(free, constant)[0], 0] = True

    tampered = {"2": (through_a_corner, from_nowhere), "0.out": (into_a_constant,), "0.out.bias": (without_readers,)}
    for name, changes in tampered.items():
        for change in changes:
            assert "masks" in verify(with_mask(ticket, name, change)).failed


def with_stages(ticket, **changes):
    """The ticket with other copies or biases of some of its stages."""
    stages = [replace(stage, **changes[stage.weight]) if stage.weight in changes else stage for stage in ticket.stages]
    return replace(ticket, stages=tuple(stages))


def test_tickets_that_are_not_of_one_piece_are_refused():
    _, _, ticket = case("chain", "box")
    copies = ticket.stages[2].copies
    short = MaskedTensor(pack(np.ones((3, 1), np.bool_)), ticket.tensors["2.bias"].law)
    signed = {**ticket.record["signed_layers"], "2": True}
    narrower = replace(ticket.tensors["5"], mask=pack(unpack(ticket.tensors["5"].mask)[:-1]))
    refused = [
        (with_stages(ticket, **{"2": {"copies": copies[1:]}}), "copies of layer '2' are not one of its units"),
        (with_stages(ticket, **{"2": {"copies": copies + 6}}), "copies of layer '2' are not one of its units"),
        (with_stages(ticket, **{"2": {"copies": None}}), "layer '2' has"),
        (with_stages(ticket, **{"5": {"copies": ticket.stages[3].copies[::-1].copy()}}), "each output once, in order"),
        (with_stages(ticket, **{"5": {"bias": "0.out.bias"}, "0.out": {"bias": None}}), "bias '0.out.bias' of shape"),
        (replace(ticket, tensors={**ticket.tensors, "2.bias": short}), "bias '2.bias' of shape"),
        (replace(ticket, record={**ticket.record, "signed_layers": signed}), "layer '2' has two signs"),
        (
            replace(ticket, tensors={**ticket.tensors, "5": narrower}),
            "stages of layer '5' do not fit",
        ),
    ]
    for broken, message in refused:
        with pytest.raises(ValueError, match=message):
            verify(broken)


def test_a_skip_beside_a_main_branch_must_not_be_filled_twice():
    net = normal(Block(bias=True))
    ticket = construct(net, torch.zeros(1, 1, 6, 6), construction=one_extra, inputs=Box(0.0, 1.0))
    below = next(stage.copies for stage in ticket.stages if stage.weight == "stem.out")
    constant = np.flatnonzero(unpack(ticket.tensors["stem.out.bias"].mask)[:, 0])
    feed = np.flatnonzero(unpack(ticket.tensors["conv2"].mask).any(axis=1))[0]
    assert (below[constant] == -1).all()

    def filled(bits):
        bits[feed, 9 * constant[0] + 4] = True

    assert "masks" in verify(with_mask(ticket, "conv2", filled)).failed


def test_what_copies_cannot_stand_for_is_refused():
    class Skip(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(2, 2, 3, padding=1)
            self.last = nn.Conv2d(2, 2, 3, padding=1)

        def forward(self, x):
            return self.last(torch.relu(self.conv(x) + x))

    class Tail(Skip):
        def forward(self, x):
            x = self.conv(x)
            return self.last(torch.relu(x)) + x

    class Average(Skip):
        def forward(self, x):
            return self.last(nn.functional.avg_pool2d(torch.relu(self.conv(x)), 3, 1, 1))

    x = torch.zeros(1, 2, 4, 4)
    for net, found in (
        (Skip(), "an addition of the network's own input"),
        (Tail(), "an output whose channels layers read as well"),
        (Average(), "last: found a bias that no constant channel reaches"),
    ):
        with pytest.raises(UnsupportedModuleError, match=found):
            construct(net, x, construction=one_extra)
    net.last.bias = None
    assert construct(net, x, construction=one_extra).record["report"]["failures"] == 0


def test_layers_of_zeros_keep_no_edges():
    for zeroed in ("conv1", "fc"):
        net = normal(Block())
        getattr(net, zeroed).weight.data.zero_()
        ticket = construct(net, torch.zeros(1, 1, 6, 6), construction=one_extra, inputs=Box(0.0, 1.0))
        assert ticket.tensors[zeroed].mask.kept == 0
        x = images((1, 6, 6), "box")
        torch.testing.assert_close(ticket.module()(x), net(x), rtol=0, atol=0.1)
        assert verify(ticket, target=net).ok


def test_pools_that_are_given_are_extended_by_free_units_alone():
    layer = TargetLayer("fc", np.linspace(-0.9, 1.0, 40, dtype=np.float32).reshape(20, 2), None, True, False, 0.01)
    problem = wide_problem(layer, np.arange(20), Source(0), lambda units: np.zeros(units.size))
    options = {"threads": 1, "progress": lambda _: None}
    alone, _ = solve_problem(problem, sparsest, **options)
    first = Pool(np.arange(3), np.ones(3, np.float32))
    none = Pool(np.empty(0, np.int64), np.empty(0, np.float32))
    pools, solutions = solve_problem(problem, sparsest, **options, pools=[first, none], taken=np.arange(200))
    assert all(not solution.missed.size for solution in solutions)
    np.testing.assert_array_equal(pools[0].units[:3], [0, 1, 2])
    assert pools[0].units[3:].min() >= 200
    assert pools[1].units.min() >= 200
    assert not np.intersect1d(pools[0].units, pools[1].units).size
    enough = [pool.units for pool in alone]
    again, _ = solve_problem(problem, sparsest, **options, pools=alone, taken=np.concatenate(enough))
    for pool, units in zip(again, enough, strict=True):
        assert np.isin(units, pool.units).all()
        assert pool.units.size <= units.size + 2  # the grid may miss what the solver reached


def test_an_estimate_is_of_the_right_size():
    net = normal(chain())
    ticket = construct(net, torch.zeros(1, 1, 6, 6), construction=one_extra, inputs=Box(0.0, 1.0))
    predicted = estimate(net, torch.zeros(1, 1, 6, 6), construction=one_extra, inputs=Box(0.0, 1.0))
    assert 0.7 < predicted.source_parameters / ticket.source_parameters < 1.4
    assert len(predicted.widths) == 3


def test_streams_are_what_channelwise_operations_connect():
    graph = read_graph(Block("projection"), torch.zeros(1, 1, 6, 6))
    streams = Streams(graph.nodes, graph.input_shape)
    groups = {frozenset(name for name, one in streams.of.items() if one == stream) for stream in streams.of.values()}
    layers = {frozenset(group & set(streams.takes)) for group in groups}
    assert layers == {frozenset(one) for one in ((), ("stem",), ("conv1",), ("conv2", "skip"), ("fc",))}
    assert len(streams.of) == len(graph.nodes) + 1


def test_constants_pass_through_operations():
    conv, tanh = Node("conv", "layer", ("input",), (2, 4, 4)), Node("tanh", "tanh", ("conv",), (2, 4, 4))
    settings = {"kernel": [3, 3], "stride": [1, 1], "padding": [1, 1], "ceil": False, "count_padding": True}
    twice = Node("twice", "add", ("tanh", "tanh"), (2, 4, 4))
    pool = Node("pool", "avg_pool", ("twice",), (2, 4, 4), settings)
    made = {"conv": Units(np.array([0, -1, -1]), np.array([np.nan, 0.5, 0.0]))}
    found = Streams((conv, tanh, twice, pool), (1, 4, 4)).units(made, set())
    np.testing.assert_allclose(found["twice"].values, [np.nan, 2 * np.tanh(0.5), 0.0])
    np.testing.assert_array_equal(found["pool"].values, [np.nan, np.nan, 0.0])  # borders see the padding
    np.testing.assert_array_equal(found["pool"].copies, [0, -1, -1])


def test_units_are_needed_wherever_they_come_from():
    copies = StreamCopies(read_graph(Block(), torch.zeros(1, 1, 6, 6)))
    copies.take("fc", np.array([3, -1, 0]), None)
    assert copies.at("conv2").tolist() == copies.at("stem").tolist() == [3, -1, 0]
    copies.take("conv1", np.array([3, 1, -1, 2]), None)
    assert copies.at("stem").tolist() == [3, 1, 0, 2]
    assert copies.at("conv2").tolist() == [3, -1, 0, -1]  # what conv1 alone reads
    assert copies.taken("conv1").tolist() == [0, 1, 2, 3]
