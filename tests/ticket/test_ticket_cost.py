import json

import pytest
import torch
from torch import nn

from tombola.cost import cost
from tombola.errors import TicketFileError
from tombola.models import build
from tombola.ticket import Ticket, load_ticket, read_container, ticket_cost, write_container
from tombola.ticket import content_sha256 as sha256


def pruned(name, shape, generator):
    """A network, its example, and masks of its first two weights."""
    net = build(name, input_shape=shape, classes=10, generator=generator)
    weights = [name for name, value in net.named_parameters() if value.ndim > 1][:2]
    masks = {name: torch.rand(net.get_parameter(name).shape, generator=generator) < 0.3 for name in weights}
    return net, torch.zeros(2, *shape), masks


@pytest.mark.parametrize(("name", "shape"), [("lenet-5", (1, 28, 28)), ("resnet-20x0.25", (3, 32, 32))])
def test_the_cost_of_a_ticket_is_that_of_its_network(name, shape, generator, tmp_path):
    net, example, masks = pruned(name, shape, generator)
    Ticket.from_masks(net, masks, example=example).save(tmp_path / "t")
    assert ticket_cost(load_ticket(tmp_path / "t")) == cost(net, example, masks)


def test_a_chain_of_matrices_needs_no_example(generator):
    net, example, masks = pruned("lenet-300-100", (1, 8, 8), generator)
    assert ticket_cost(Ticket.from_masks(net, masks)) == cost(net, example, masks)


@pytest.mark.parametrize("net", [nn.Conv1d(2, 3, 3), nn.Bilinear(2, 3, 4), nn.MultiheadAttention(4, 2)])
def test_of_other_networks_nothing_is_made_up(net):
    found = ticket_cost(Ticket.from_masks(net, {}))
    assert found.layers == ()
    assert set(found.not_counted) == {name for name, value in net.named_parameters() if value.ndim > 1}
    assert found.parameters == found.kept_parameters == sum(value.numel() for value in net.parameters())


def test_a_mask_that_keeps_everything_costs_nothing():
    net, example = nn.Linear(10, 3), torch.zeros(1, 10)
    found = cost(net, example, {"weight": torch.ones(3, 10).bool()})
    assert found.bytes == found.kept_bytes == 4 * 33
    assert ticket_cost(Ticket.from_masks(net, {}, example=example)) == found


@pytest.mark.parametrize("uses", [{"weight": -1}, {"other": 1}, {"weight": 1.0}, {"weight": True}, [1], None])
def test_uses_that_make_no_sense_are_refused(uses, tmp_path):
    Ticket.from_masks(nn.Linear(3, 2), {}, example=torch.zeros(1, 3)).save(tmp_path / "t")
    metadata, arrays = read_container(tmp_path / "t")
    content = json.loads(metadata["ticket"])
    assert content["record"]["uses"] == {"weight": 1}
    content["record"]["uses"] = uses
    text = json.dumps(content)
    with open(tmp_path / "t", "wb") as file:
        write_container(file, arrays, {**metadata, "ticket": text, "sha256": sha256(text, arrays)})
    with pytest.raises(TicketFileError, match=r"record\.uses|used .* times: no tensor, or no count"):
        load_ticket(tmp_path / "t")


def test_a_ticket_of_another_kind_has_no_network_of_its_own():
    with pytest.raises(ValueError, match="a strong ticket has no network of its own"):
        ticket_cost(Ticket("strong", None, {}))
