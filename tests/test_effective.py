import hashlib

import numpy as np
import pytest
import torch
from tests.problems.tickets import MASKED, STRONG, target_of, ticket_of

from tombola import Source, Ticket
from tombola._reference import reference_edges
from tombola.effective import effective_maps, effective_sha256, kept_edges, maps_sha256, target_layers
from tombola.graph import read_graph
from tombola.random_source import Uniform
from tombola.ticket import MaskedTensor, OwnerMask, Stage, pack, unpack

INNER, OUTER = Uniform(1.0), Uniform(0.5)


def two_units(*, signed=False, bias=False, by_output=False):
    """A pair of stages between two inputs and two outputs by hand: all units and edges are known."""
    source = Source(1)
    if by_output:
        inner, outer = pack(np.array([[1, 1], [0, 1]], np.bool_)), OwnerMask(np.array([1, 0], np.int32), 2)
    else:
        inner, outer = OwnerMask(np.array([1, 0], np.int32), 2), pack(np.array([[1, 0], [1, 1]], np.bool_))
    tensors = {"a.in": MaskedTensor(inner, INNER), "a.out": MaskedTensor(outer, OUTER, transposed=True)}
    if bias:
        constant = [[0], [1]] if by_output else [[0], [0], [1]]
        tensors["a.in.bias"] = MaskedTensor(pack(np.array(constant, np.bool_)), INNER)
        if not by_output:
            owner, outer_bits = np.array([1, 0, -1], np.int32), np.array([[1, 0], [1, 1], [0, 1]], np.bool_)
            tensors["a.in"] = MaskedTensor(OwnerMask(owner, 2), INNER)
            tensors["a.out"] = MaskedTensor(pack(outer_bits), OUTER, transposed=True)
    stages = (Stage("a", "a.in", "a.in.bias" if bias else None, relu=True), Stage("a", "a.out", None, relu=False))
    return Ticket("strong", source, tensors, stages, record={"signed_layers": {"a": signed}})


def values(name, law, rows, columns):
    return Source(1).block(name, law, range(rows), range(columns)).astype(np.float64)


def test_a_pair_owned_by_inputs_by_hand():
    """Unit 0 reads input 1 and feeds output 0; unit 1 reads input 0 and feeds both outputs."""
    a, v = values("a.in", INNER, 2, 2), values("a.out", OUTER, 2, 2)
    (maps,) = effective_maps(two_units())
    np.testing.assert_array_equal(maps.positive, [[a[1, 0] * v[1, 0], a[0, 1] * v[0, 0]], [a[1, 0] * v[1, 1], 0.0]])
    assert maps.negative is None
    assert maps.bias is None


def test_a_signed_pair_by_hand():
    """An edge of a negative factor is seen by negative inputs alone."""
    a, v = values("a.in", INNER, 2, 2), values("a.out", OUTER, 2, 2)
    (maps,) = effective_maps(two_units(signed=True))
    whole = np.array([[a[1, 0] * v[1, 0], a[0, 1] * v[0, 0]], [a[1, 0] * v[1, 1], 0.0]])
    positive = np.array([a[1, 0] > 0, a[0, 1] > 0])
    assert positive.any() != positive.all()  # this seed has one factor of each sign
    np.testing.assert_array_equal(maps.positive, whole * positive)
    np.testing.assert_array_equal(maps.negative, whole * ~positive)


def test_a_pair_owned_by_inputs_with_a_constant_unit_by_hand():
    b, v = values("a.in.bias", INNER, 3, 1), values("a.out", OUTER, 3, 2)
    (maps,) = effective_maps(two_units(bias=True))
    np.testing.assert_array_equal(maps.bias, [0.0, b[2, 0] * v[2, 1]])
    (without,) = effective_maps(two_units())
    np.testing.assert_array_equal(maps.positive, without.positive)


def test_a_pair_owned_by_outputs_by_hand():
    """Unit 0 reads both inputs and feeds output 1; unit 1 reads input 1 and its bias and feeds output 0."""
    a, v = values("a.in", INNER, 2, 2), values("a.out", OUTER, 2, 2)
    b = values("a.in.bias", INNER, 2, 1)
    (maps,) = effective_maps(two_units(by_output=True, bias=True))
    np.testing.assert_array_equal(maps.positive, [[0.0, a[1, 1] * v[1, 0]], [a[0, 0] * v[0, 1], a[0, 1] * v[0, 1]]])
    np.testing.assert_array_equal(maps.bias, [b[1, 0] * v[1, 0], 0.0])


def test_a_single_stage_is_its_kept_values():
    mask = pack(np.array([[1, 0, 1], [0, 0, 1]], np.bool_))
    ticket = Ticket(
        "strong", Source(1), {"b": MaskedTensor(mask, OUTER, transposed=True)}, (Stage("b", "b", None, relu=False),)
    )
    (maps,) = effective_maps(ticket)
    np.testing.assert_array_equal(maps.positive, (values("b", OUTER, 2, 3) * unpack(mask)).T)


def test_a_stage_without_units_is_zero():
    mask = pack(np.zeros((0, 3), np.bool_))
    ticket = Ticket(
        "strong", Source(1), {"b": MaskedTensor(mask, OUTER, transposed=True)}, (Stage("b", "b", None, relu=False),)
    )
    (maps,) = effective_maps(ticket)
    assert maps.positive.shape == (3, 0)


def test_target_layers_group_stages_in_order():
    names = [[stage.weight for stage in stages] for stages in target_layers(ticket_of("one-extra, biases"))]
    assert names == [["fc1.in", "fc1.out"], ["fc2"], ["fc3"]]


@pytest.mark.parametrize("name", [name for name in STRONG if "one-extra" not in name])
def test_effective_weights_are_the_targets_within_the_tolerance(name):
    ticket, example = ticket_of(name), torch.zeros(1, STRONG[name][0][0])
    for layer, maps in zip(read_graph(target_of(name), example).layers, effective_maps(ticket), strict=True):
        weight = layer.weight.numpy().astype(np.float64)
        for path in (maps.positive, maps.negative):
            assert path is None or np.abs(path - weight).max() <= 0.05 * np.abs(weight).max()
        if layer.bias is not None:
            assert np.abs(maps.bias - layer.bias.numpy()).max() <= 0.05 * np.abs(weight).max()


@pytest.mark.parametrize("name", [*STRONG, *MASKED])
def test_the_second_generator_gives_the_same_edges(name):
    ticket = ticket_of(name)
    for tensor, masked in ticket.tensors.items():
        height = masked.mask.shape[0]
        for start, stop in ((0, height), (height // 3, 2 * height // 3)):
            for ours, theirs in zip(
                kept_edges(ticket, tensor, start, stop), reference_edges(ticket, tensor, start, stop), strict=True
            ):
                np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("name", [*STRONG, *MASKED])
@pytest.mark.parametrize("rows", [1, 7, 1024])
def test_the_hash_does_not_depend_on_the_block_size(name, rows, monkeypatch):
    monkeypatch.setattr("tombola.effective.ROWS", rows)
    ticket = ticket_of(name)
    assert (
        effective_sha256(ticket) == effective_sha256(ticket, edges=reference_edges) == ticket.record["effective_sha256"]
    )


def test_the_hash_by_hand():
    ticket = two_units()
    (maps,) = effective_maps(ticket)
    assert maps_sha256([maps]) == effective_sha256(ticket) == hashlib.sha256(maps.positive.tobytes()).hexdigest()
