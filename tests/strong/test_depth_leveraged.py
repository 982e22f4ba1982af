"""Depth for width: narrow stages, the same weights, and hidden units that are never negative."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from tests.problems.targets import relu_network
from tests.problems.tickets import with_mask
from torch import nn

from tombola import Ball, Box, Source, Ticket, construct, load, two_layer, verify
from tombola._reference import reference_edges
from tombola.effective import effective_maps, kept_edges, stage_maps, target_layers
from tombola.engines import Workers
from tombola.errors import UnsupportedModuleError
from tombola.random_source import Uniform
from tombola.strong import Parent, TargetLayer, depth_leveraged, on_parent
from tombola.strong._depth_leveraged import group_sizes, input_groups, is_deep, stage_widths, untaken
from tombola.strong._relays import MIDDLE_LAW, Plan, choose, choose_accumulators, choose_carriers
from tombola.ticket import MaskedTensor, OwnerMask, Stage, check_ticket, pack, unpack
from tombola.verification._masks import masks_fit

POSITIVE = Box(0.0, 1.0)


@cache
def network() -> nn.Sequential:
    return relu_network(64, 32, 10, bias=True)


@cache
def ticket_of(k: int) -> Ticket:
    return construct(network(), torch.zeros(1, 64), seed=3, construction=depth_leveraged(k), inputs=POSITIVE)


def widths(ticket: Ticket) -> list[int]:
    """The widths of all hidden stages of a ticket for one layer."""
    return [ticket.tensors[stage.weight].mask.shape[0] for stage in ticket.stages[1:]]


def three_stages() -> tuple[Ticket, list[np.ndarray]]:
    """Two inputs, a bias and one output by hand, and the kept values of its matrices, `(outputs, inputs)`.

    The first stage has a copy of input 0, a carrier of input 1 and a constant; the second one a copy of input 1, an
    accumulator of the copy and the constant, and a unit that is not used.
    """
    source, law = Source(5), Uniform(1.0)
    first = MaskedTensor(OwnerMask(np.array([0, 1, -1], np.int32), 2), law)
    bias = MaskedTensor(pack(np.array([[False], [False], [True]])), law)
    second = MaskedTensor(pack(np.array([[0, 1, 0], [1, 0, 0], [0, 1, 0]], np.bool_)), law, transposed=True)
    last = MaskedTensor(pack(np.array([[1], [1], [0]], np.bool_)), law, transposed=True)
    tensors = {"fc.in": first, "fc.in.bias": bias, "fc.2": second, "fc.out": last}
    stages = (
        Stage("fc", "fc.in", "fc.in.bias", relu=True),
        Stage("fc", "fc.2", None, relu=True),
        Stage("fc", "fc.out", None, relu=False),
    )
    record = {
        "target": {
            "input_shape": [2],
            "nodes": [{"name": "fc", "op": "layer", "inputs": [""], "shape": [1], "settings": {}}],
            "layers": [{"name": "fc", "shape": [1, 2], "bias": True, "relu": False, "window": None}],
        },
    }
    blocks = {name: source.block(name, law, *map(range, tensor.mask.shape)) for name, tensor in tensors.items()}
    values = {name: np.where(unpack(tensors[name].mask), block, 0).astype(float) for name, block in blocks.items()}
    matrices = [np.concatenate([values["fc.in"], values["fc.in.bias"]], axis=1), values["fc.2"].T, values["fc.out"].T]
    return Ticket("strong", source, tensors, stages, record=record), matrices


def test_three_stages_by_hand():
    ticket, (first, second, last) = three_stages()
    (maps,) = effective_maps(ticket)
    copy, carried, constant = first[0, 0], first[1, 1], first[2, 2]
    expected = [last[0, 1] * second[1, 0] * copy, last[0, 0] * second[0, 1] * carried]
    np.testing.assert_allclose(maps.positive, [expected], rtol=1e-15)
    assert maps.bias is not None
    np.testing.assert_allclose(maps.bias, [last[0, 1] * second[1, 2] * constant], rtol=1e-15)
    found = list(stage_maps(ticket, list(ticket.stages), kept_edges))
    for made, wanted in zip(found, [first, second @ first, last @ second @ first], strict=True):
        np.testing.assert_allclose(made, wanted, rtol=1e-15)


def test_choices_by_hand():
    table = np.array([[0.9, 0.8, 0.1, 0.7], [0.95, 0.6, 1.2, -1.0]])
    chosen = choose(np.array([0, 1]), np.arange(2), lambda job, units: table[job, units], beyond=4)
    np.testing.assert_array_equal(chosen.units, [0, 1])
    np.testing.assert_array_equal(chosen.scales, [0.9, 0.6])
    chosen = choose(np.array([1, 0]), np.arange(4), lambda job, units: table[job, units], beyond=4)
    np.testing.assert_array_equal(chosen.units, [1, 0])
    far = np.full(20, 0.2)
    far[10] = 1.5
    chosen = choose(np.array([0]), np.arange(2), lambda job, units: far[units], beyond=3)
    assert chosen.units.tolist() == [10]  # eight units more than 3 are looked at
    np.testing.assert_array_equal(untaken(np.array([0, 3, 4]), np.array([0, 2, 6])), [1, 5, 7])


def test_relays_are_what_the_source_holds():
    weight = np.random.default_rng(0).normal(size=(5, 12)).astype(np.float32)
    layer = TargetLayer("fc", weight, weight[:, 0], True, False, 0.01)
    plan = Plan(layer, np.split(np.roll(np.arange(13), 1), [4, 8]), Source(2))
    first, second, third = choose_carriers(plan)
    block = Source(2).block("fc.in", Uniform(1.0), range(200), range(12)).astype(np.float64)
    np.testing.assert_array_equal(first.scales, block[first.units, np.arange(3, 12)])
    block = Source(2).block("fc.2", MIDDLE_LAW, range(200), range(200)).astype(np.float64)
    np.testing.assert_array_equal(second.scales, first.scales[4:] * block[first.units[4:], second.units])
    assert third.units.size == 0
    assert min(first.scales.min(), second.scales.min()) > 0.25
    taken = np.array([1, 3, 40])
    last = choose_accumulators(plan, 2, taken, None)
    assert not np.isin(last.units, taken).any()
    assert np.unique(last.units).size == 10
    block = Source(2).block("fc.out", plan.laws[-1], range(200), range(5)).astype(np.float64)
    edges = block[last.units, np.tile(np.arange(5), 2)]
    np.testing.assert_allclose(last.scales, edges * np.repeat([1, -1], 5), rtol=1e-15)
    assert last.scales.min() > 0
    before = choose_accumulators(plan, 1, second.units, last)
    block = Source(2).block("fc.3", MIDDLE_LAW, range(200), range(200)).astype(np.float64)
    np.testing.assert_allclose(before.scales, last.scales * block[before.units, last.units], rtol=1e-15)
    assert not np.isin(before.units, second.units).any()


def test_widths_of_even_groups_are_those_of_the_formula():
    # 16 blind units for each of 32 inputs and the constant one, 16 outputs, k = 1, 2, 4, 8, 16.
    even = [np.array([group.size for group in np.array_split(np.arange(33), k)]) for k in (1, 2, 4, 8, 16)]
    assert [int(stage_widths(sizes, 16, units=16).max()) for sizes in even] == [528, 288, 176, 120, 92]


@pytest.mark.parametrize(("columns", "outputs"), [(1, 1), (3, 2), (33, 16), (257, 64), (20, 300)])
def test_groups_hold_every_input_once_and_stages_are_about_as_wide(columns, outputs):
    for k in (1, 2, 3, 8, 32):
        sizes = group_sizes(columns, outputs, k)
        assert sizes.size == min(k, columns)
        assert sizes.sum() == columns
        assert sizes.min() >= 1
    found = stage_widths(group_sizes(257, 64, 4), 64)
    assert found.max() - found.min() <= 48
    layer = TargetLayer("fc", np.ones((4, 6), np.float32), np.ones(4, np.float32), True, False, 0.01)
    groups = input_groups(layer, 3)
    assert groups[0][0] == 6  # the constant input is in the first group
    assert sorted(np.concatenate(groups).tolist()) == list(range(7))


def test_one_stage_is_the_two_layer_construction():
    plain = construct(network(), torch.zeros(1, 64), seed=3, construction=two_layer, inputs=POSITIVE)
    found = ticket_of(1)
    assert list(found.tensors) == list(plain.tensors)
    for name, tensor in plain.tensors.items():
        np.testing.assert_array_equal(unpack(found.tensors[name].mask), unpack(tensor.mask))
    assert found.record["effective_sha256"] == plain.record["effective_sha256"]


@pytest.mark.parametrize("k", [2, 3, 4, 8])
def test_all_weights_meet_the_tolerance_and_everything_is_verified(k):
    ticket = ticket_of(k)
    report = ticket.record["report"]
    assert [len(stages) for stages in target_layers(ticket)] == [k + 1, k + 1]
    assert report["failures"] == 0
    assert 0.005 < report["max_weight_error"] <= 0.01
    x = POSITIVE.sample(300, 64, generator=torch.Generator().manual_seed(0))
    found = verify(ticket, target=network(), inputs=torch.from_numpy(x).float())
    assert found.ok, found.failed
    assert found.checks["inputs"]


@pytest.mark.parametrize("k", [2, 4])
def test_ticket_is_mask_times_source_bit_for_bit(k):
    ticket = ticket_of(k)
    parameters = dict(ticket.module(form="masked").named_parameters())
    for name, tensor in ticket.tensors.items():
        parent = Source(3).block(name, tensor.law, *map(range, tensor.mask.shape))
        expected = np.where(unpack(tensor.mask), parent, np.float32(0))
        stage = next(stage for stage in ticket.stages if name in (stage.weight, stage.bias))
        key = f"{stage.weight.replace('.', '_')}.{'weight' if name == stage.weight else 'bias'}"
        found = parameters[key].detach().numpy()
        np.testing.assert_array_equal(
            found if found.ndim == 2 else found[:, None], expected.T if tensor.transposed else expected
        )


def test_three_forms_are_one_function_and_no_hidden_unit_is_ever_cut_off():
    ticket = ticket_of(4)
    x = torch.rand(300, 64, generator=torch.Generator().manual_seed(1))
    outputs = {form: ticket.module(form=form)(x).detach() for form in ("masked", "sparse", "collapsed")}
    for form in ("masked", "sparse"):
        torch.testing.assert_close(outputs[form], outputs["collapsed"], rtol=0, atol=2e-5)
    value, ends = x.double(), {stages[-1].weight.replace(".", "_") for stages in target_layers(ticket)}
    for name, module in ticket.module(form="masked").double().named_children():
        value = module(value).detach()
        if isinstance(module, nn.Linear) and name not in ends:
            assert float(value.min()) >= 0


def test_four_stages_are_two_fifths_as_wide_at_the_same_error():
    net = relu_network(128, 36, bias=True)
    x = torch.rand(2000, 128, generator=torch.Generator().manual_seed(2))
    tickets = {
        k: construct(net, torch.zeros(1, 128), construction=depth_leveraged(k), inputs=POSITIVE) for k in (1, 2, 4, 8)
    }
    widest = {k: max(widths(ticket)) for k, ticket in tickets.items()}
    errors = {k: float((ticket.module()(x) - net(x)).detach().abs().max()) for k, ticket in tickets.items()}
    assert widest[4] <= 0.4 * widest[1]
    assert widest[1] > widest[2] > widest[4] > widest[8]
    for k in (2, 4, 8):
        assert tickets[k].record["report"]["failures"] == 0
        assert errors[k] <= 1.5 * errors[1]
        assert tickets[k].kept <= 1.3 * tickets[1].kept


def test_first_layers_of_both_signs_and_layers_of_few_outputs_are_pairs():
    net = relu_network(40, 40, 40, 2)
    ticket = construct(net, torch.zeros(1, 40), construction=depth_leveraged(4), inputs=Ball(1.0))
    assert [len(stages) for stages in target_layers(ticket)] == [2, 5, 2]
    assert ticket.record["signed_layers"] == {"fc1": True, "fc2": False, "fc3": False}
    assert verify(ticket, target=net).ok
    few = TargetLayer("fc", np.ones((2, 400), np.float32), None, True, False, 0.01)
    assert not is_deep(few, 4)
    assert is_deep(replace(few, weight=np.ones((200, 400), np.float32)), 4)


def one_sided() -> nn.Sequential:
    net = relu_network(30, 20, bias=True)
    with torch.no_grad():
        net.fc1.weight.abs_()
    return net


def with_unused_inputs() -> nn.Sequential:
    net = relu_network(30, 20, bias=True)
    with torch.no_grad():
        net.fc1.weight[:, ::2] = 0
        net.fc1.weight[3] = 0
        net.fc1.bias.zero_()
    return net


def all_zero() -> nn.Sequential:
    net = relu_network(30, 20, bias=True)
    with torch.no_grad():
        net.fc1.weight.zero_()
        net.fc1.bias.zero_()
    return net


@pytest.mark.parametrize("make", [one_sided, with_unused_inputs, all_zero, lambda: relu_network(30, 20, gain=1e-20)])
@pytest.mark.parametrize("k", [2, 5])
def test_no_edge_leads_nowhere(make, k):
    net = make()
    ticket = construct(net, torch.zeros(1, 30), construction=depth_leveraged(k), inputs=POSITIVE)
    assert len(ticket.stages) == k + 1
    assert ticket.record["report"]["failures"] == 0
    found = verify(ticket, target=net)
    assert found.ok, found.failed


def test_answer_does_not_depend_on_threads_and_survives_a_file(tmp_path):
    ticket = ticket_of(4)
    other = construct(
        network(), torch.zeros(1, 64), seed=3, construction=depth_leveraged(4), inputs=POSITIVE, workers=Workers(2)
    )
    for name, tensor in ticket.tensors.items():
        np.testing.assert_array_equal(unpack(other.tensors[name].mask), unpack(tensor.mask))
    ticket.save(tmp_path / "deep.tombola")
    again = load(tmp_path / "deep.tombola")
    assert again.record["effective_sha256"] == ticket.record["effective_sha256"]
    assert verify(again, target=network()).ok


def test_masks_that_make_a_hidden_unit_negative_are_noticed():
    ticket = ticket_of(4)
    stages = target_layers(ticket)[0]
    assert masks_fit(ticket)
    before, *_ = stage_maps(ticket, stages, reference_edges)
    values = ticket.block("fc1.2", 0, len(before))
    copies, goals = (np.flatnonzero(kept(ticket.tensors["fc1.2"].mask)) for kept in (rows_of, columns_of))
    unit, goal = next((u, g) for u in copies for g in goals if values[u, g] < -0.5 and before[u].any())
    changed = with_mask(ticket, "fc1.2", lambda mask: (mask[:, goal].fill(False), mask.__setitem__((unit, goal), True)))
    assert not masks_fit(changed)
    assert "masks" in verify(changed, target=network()).failed


def test_nothing_fades_on_the_way_through_many_stages():
    net = relu_network(33, 17, bias=True)
    ticket = construct(net, torch.zeros(1, 33), construction=depth_leveraged(16), inputs=POSITIVE)
    assert len(ticket.stages) == 17
    assert ticket.record["report"]["failures"] == 0
    assert max(widths(ticket)) < 5 * 34


def test_edges_that_lead_nowhere_are_noticed():
    ticket = ticket_of(4)
    unit = int(np.flatnonzero(rows_of(ticket.tensors["fc1.3"].mask))[0])
    assert not masks_fit(with_mask(ticket, "fc1.3", lambda mask: mask[unit].fill(False)))


def rows_of(mask) -> np.ndarray:
    return mask.rows_kept()


def columns_of(mask) -> np.ndarray:
    return mask.columns_kept()


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("fc1.3", {"transposed": False}, "all but the first must have transposed weights"),
        ("fc1.in.bias", {"transposed": True}, "does not fit its weight"),
    ],
)
def test_stages_that_do_not_fit_are_refused(name, change, message):
    ticket = ticket_of(4)
    tensors = {**ticket.tensors, name: replace(ticket.tensors[name], **change)}
    with pytest.raises(ValueError, match=message):
        check_ticket(replace(ticket, tensors=tensors))


def test_biases_of_later_stages_are_refused():
    ticket = ticket_of(4)
    first, second, *others = ticket.stages
    moved = (replace(first, bias=None), replace(second, bias=first.bias), *others)
    with pytest.raises(ValueError, match="only the first has biases"):
        check_ticket(replace(ticket, stages=moved))


@pytest.mark.parametrize("k", [0, -1, 33])
def test_a_k_out_of_range_is_refused(k):
    with pytest.raises(ValueError, match=r"k must be from 1 to 32 hidden layers"):
        depth_leveraged(k)


def test_other_targets_than_dense_chains_are_refused():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2))
    with pytest.raises(UnsupportedModuleError, match="takes dense layers with ReLU"):
        construct(net, torch.zeros(1, 1, 4, 4), construction=depth_leveraged(2))


def test_other_parents_are_refused():
    other = on_parent(depth_leveraged(2), Parent(law="normal"))
    with pytest.raises(ValueError, match="a parent with ReLU units"):
        construct(relu_network(30, 20), torch.zeros(1, 30), construction=other, inputs=POSITIVE)
