"""A ticket that was changed after it was made: the check that names what was touched fails, and no other."""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from tests.problems.targets import relu_network
from torch import nn

from tombola import Ball, Source, Ticket, construct, initialise, load, one_extra, two_layer, verify
from tombola.random_source import Uniform, he
from tombola.ticket import BitMask

INPUTS = Ball(1.0, nonnegative=True)


@pytest.fixture(scope="module")
def target():
    return relu_network(6, 8, 3)


@pytest.fixture(scope="module", params=[two_layer, one_extra], ids=["two-layer", "one-extra"])
def ticket(request, target):
    return construct(target, torch.zeros(1, 6), seed=5, construction=request.param, inputs=INPUTS)


def failing(ticket, target, tmp_path):
    """The names of the checks that fail on what a file holds after a round trip."""
    path = tmp_path / "changed.ticket"
    ticket.save(path)
    return {name for name, holds in verify(load(path), target=target).checks.items() if not holds}


def changed_record(ticket, **changes):
    record = copy.deepcopy(ticket.record)
    for key, change in changes.items():
        change(record[key])
    return replace(ticket, record=record)


def with_bit(ticket, name, *, keep):
    """The ticket with the first kept bit of a tensor cleared, or its first pruned one set."""
    tensor = ticket.tensors[name]
    dense = np.unpackbits(tensor.mask.packed, axis=1, count=tensor.mask.columns, bitorder="little")
    owned = dense.any(axis=1)
    row = int(np.flatnonzero(owned & ~dense.all(axis=1) if keep else owned)[0])
    column = int(np.flatnonzero(dense[row] == (0 if keep else 1))[0])
    dense[row, column] = keep
    mask = BitMask(np.packbits(dense, axis=1, bitorder="little"), tensor.mask.columns)
    return replace(ticket, tensors={**ticket.tensors, name: replace(tensor, mask=mask)})


def test_an_honest_ticket_passes_every_check(ticket, target, tmp_path):
    assert failing(ticket, target, tmp_path) == set()
    found = verify(ticket, target=target)
    assert set(found.checks) >= {"source", "masks", "effective_weights", "target", "tolerance", "certificate", "attack"}


def test_another_seed_is_found(ticket, target, tmp_path):
    assert "source" in failing(replace(ticket, source=Source(6)), target, tmp_path)


def test_another_law_is_found(ticket, target, tmp_path):
    tensor = replace(ticket.tensors["fc1.out"], law=Uniform(ticket.tensors["fc1.out"].law.half_width * 2))
    changed = replace(ticket, tensors={**ticket.tensors, "fc1.out": tensor})
    assert "source" in failing(changed, target, tmp_path)


@pytest.mark.parametrize("keep", [True, False])
def test_one_mask_bit_is_found(ticket, target, tmp_path, keep):
    found = failing(with_bit(ticket, "fc1.out", keep=keep), target, tmp_path)
    assert "effective_weights" in found
    assert "source" not in found
    assert "target" not in found


def test_a_lowered_certificate_is_found(ticket, target, tmp_path):
    changed = changed_record(ticket, certificate=lambda proof: proof.update(bound=proof["bound"] / 2))
    found = failing(changed, target, tmp_path)
    assert "certificate" in found
    assert found <= {"certificate", "attack"}


def test_a_flattering_report_is_found(ticket, target, tmp_path):
    for change in ({"failures": 1}, {"max_weight_error": 0.001}):
        changed = changed_record(ticket, report=lambda report, change=change: report.update(change))
        assert failing(changed, target, tmp_path) == {"tolerance"}


def test_another_target_is_found(ticket, target, tmp_path):
    other = copy.deepcopy(target)
    with torch.no_grad():
        other.fc2.weight[0, 0] += 0.5
    found = failing(ticket, other, tmp_path)
    assert {"target", "tolerance"} <= found
    assert not found & {"source", "masks", "effective_weights"}


def test_a_unit_on_the_wrong_side_of_zero_is_found(target, tmp_path):
    ticket = construct(target, torch.zeros(1, 6), seed=5, inputs=INPUTS)
    tensor = ticket.tensors["fc1.in"]
    values = ticket.block("fc1.in", 0, tensor.mask.shape[0])
    unit = int(np.flatnonzero((tensor.mask.owner >= 0) & (values < 0).any(axis=1))[0])
    owner = tensor.mask.owner.copy()
    owner[unit] = int(np.flatnonzero(values[unit] < 0)[0])
    changed = replace(
        ticket, tensors={**ticket.tensors, "fc1.in": replace(tensor, mask=replace(tensor.mask, owner=owner))}
    )
    assert "masks" in failing(changed, target, tmp_path)


def masked(source=None):
    net = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 2))
    if source is not None:
        net.load_state_dict(initialise(net, source))
    masks = {"0.weight": torch.rand(4, 5, generator=torch.Generator().manual_seed(0)) > 0.5}
    return Ticket.from_masks(net, masks, source=source, scheme=None if source is None else he)


def test_one_saved_value_is_found(tmp_path):
    ticket = masked()
    row, column = (int(part[0]) for part in ticket.tensors["0.weight"].mask.edges(0, 4))
    values = {name: value.copy() for name, value in ticket.values.items()}
    values["0.weight"][row, column] += 0.25
    assert failing(ticket, None, tmp_path) == set()
    assert "effective_weights" in failing(replace(ticket, values=values), None, tmp_path)


def test_a_masked_ticket_by_address_notices_its_seed(tmp_path):
    ticket = masked(Source(3))
    assert failing(ticket, None, tmp_path) == set()
    assert "source" in failing(replace(ticket, source=Source(4)), None, tmp_path)
