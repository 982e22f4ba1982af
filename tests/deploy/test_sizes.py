import math
import time

import numpy as np
import pytest
import torch
from tests.problems.tickets import ticket_of
from torch import nn

from tombola import Source, initialise, load, models
from tombola.deploy import mask_entropy, sizes
from tombola.random_source import he
from tombola.ticket import Ticket, half, kept_only


@pytest.fixture(scope="module")
def lenet():
    """LeNet-300-100 without biases, from a seed, and masks of density 0.05."""
    net, generator = models.build("lenet-300-100", bias=False, generator=torch.Generator()), torch.Generator()
    net.load_state_dict(initialise(net, Source(7)))
    masks = {name: torch.rand(value.shape, generator=generator) < 0.05 for name, value in net.named_parameters()}
    return net, masks


def float32(net):
    return 4 * sum(value.numel() for value in net.parameters())


def test_a_layer_by_hand():
    layer = nn.Linear(4, 2, bias=False)
    found = sizes(Ticket.from_masks(layer, {"weight": torch.eye(2, 4).bool()}))
    (one,) = found.layers
    assert (one.numbers, one.kept, one.mask, one.values) == (8, 2, 2, 32)  # a byte of bits for each row
    assert [one.dense(form) for form in ("float32", "float16", "int8")] == [32, 16, 12]
    assert one.csr == 2 * (4 + 4) + 4 * 3
    entropy = -(2 * math.log2(2 / 8) + 6 * math.log2(6 / 8))
    assert one.bound == pytest.approx(entropy / 8 + 2 * 4)
    assert mask_entropy({"weight": torch.eye(2, 4).bool()}) == pytest.approx(entropy)


def test_what_is_kept_whole_has_no_entropy_and_no_compressed_rows():
    (one,) = sizes(Ticket.from_masks(nn.Linear(4, 2, bias=False), {})).layers
    assert (one.csr, one.bound) == (32, 32)


def test_forms_are_the_files_that_they_stand_for(tmp_path):
    net = nn.Linear(40, 30)
    ticket = Ticket.from_masks(net, {"weight": torch.eye(30, 40).bool()})
    found = sizes(ticket)
    assert found.ticket == ticket.save(tmp_path / "a")
    assert found.kept_float32 == kept_only(ticket).save(tmp_path / "b")
    assert found.kept_float16 == half(kept_only(ticket)).save(tmp_path / "c")
    assert found.ticket > found.kept_float32 > found.kept_float16


def test_values_too_large_for_float16_have_no_such_form():
    net = nn.Linear(2, 1)
    with torch.no_grad():
        net.weight.fill_(1e6)
    found = sizes(Ticket.from_masks(net, {}))
    assert (found.kept_float16, found.kept_float32 is None) == (None, False)


def test_a_ticket_of_addresses_is_ninety_times_smaller_than_its_checkpoint(lenet):
    net, masks = lenet
    found = sizes(Ticket.from_masks(net, masks, source=Source(7), scheme=he))
    assert found.dense("float32") == float32(net) >= 90 * found.ticket
    assert (found.kept_float32, found.kept_float16) == (None, None)


def test_a_ticket_of_values_is_sixteen_times_smaller_and_with_float16_twenty_five_times(lenet):
    net, masks = lenet
    found = sizes(Ticket.from_masks(net, masks))
    assert found.kept_float32 * 16 <= float32(net)
    assert found.kept_float16 * 25 <= float32(net)


@pytest.mark.parametrize("density", [0.02, 0.05, 0.1, 0.3])
def test_large_masks_take_the_space_of_their_entropy(density):
    mask = torch.rand(300, 784, generator=torch.Generator().manual_seed(0)) < density
    layer = nn.Linear(784, 300, bias=False)
    layer.load_state_dict(initialise(layer, Source(7)))
    (one,) = sizes(Ticket.from_masks(layer, {"weight": mask}, source=Source(7), scheme=he)).layers
    assert one.bound == pytest.approx(mask_entropy({"weight": mask}) / 8)
    assert one.bound <= one.mask <= 1.05 * one.bound


def test_loading_takes_less_than_fifty_milliseconds(lenet, tmp_path):
    net, masks = lenet
    Ticket.from_masks(net, masks, source=Source(7), scheme=he).save(tmp_path / "t")
    spent = []
    for _ in range(3):
        before = time.process_time()
        load(tmp_path / "t")
        spent.append(time.process_time() - before)
    assert min(spent) < 0.05


def test_bits_for_each_weight_of_a_target():
    ticket = ticket_of("two-layer, biases")
    found = sizes(ticket)
    report = ticket.record["report"]
    assert found.rate.weights == report["target_parameters"]
    assert found.rate.ticket == pytest.approx(8 * sum(layer.mask for layer in found.layers) / found.rate.weights)
    assert found.rate.bound == pytest.approx(-np.log2(report["weight_epsilon"]))
    assert found.rate.bound <= found.rate.uniform < found.rate.bound + 1
    assert found.to_json()["rate"]["weights"] == found.rate.weights
