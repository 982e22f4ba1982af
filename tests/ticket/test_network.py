"""A masked ticket may say of which network it is; what it says has to make sense, and nothing is imported for it."""

import pytest
import torch

from tombola.errors import TicketFileError
from tombola.ticket import Ticket, load_ticket
from tombola.ticket._file import ticket_arrays, write_ticket

WHOLE = {"model": "no_such_package.at_all:net", "input_shape": [1, 8, 8], "classes": 10}


def with_network(network):
    ticket = Ticket.from_masks(torch.nn.Linear(2, 1), {})
    ticket.record["network"] = network
    return ticket


@pytest.mark.parametrize("network", [WHOLE, WHOLE | {"bias": False}, WHOLE | {"more": "to come"}])
def test_a_network_comes_back_as_it_was_said(tmp_path, network):
    with_network(network).save(tmp_path / "t.ticket")
    assert load_ticket(tmp_path / "t.ticket").record["network"] == network


@pytest.mark.parametrize(
    ("network", "said"),
    [
        (None, r"record\.network is 'None', wanted an object"),
        ({"model": "lenet-5", "classes": 10}, "with the entry 'input_shape'"),
        (WHOLE | {"model": 5}, r"record\.network\.model is '5', wanted a text"),
        (WHOLE | {"classes": 10.0}, "classes is '10.0', wanted an integer"),
        (WHOLE | {"input_shape": [1, True]}, r"input_shape\[1\] is 'True', wanted an integer"),
        (WHOLE | {"bias": 1}, "bias is '1', wanted true or false"),
        (WHOLE | {"input_shape": []}, r"inputs of shape \[\] and has 10 classes; wanted positive numbers"),
        (WHOLE | {"input_shape": [1, 0, 8]}, r"shape \[1, 0, 8\]"),
        (WHOLE | {"classes": -1}, "has -1 classes"),
    ],
)
def test_a_network_that_makes_no_sense_is_refused(tmp_path, network, said):
    ticket = with_network(network)
    with pytest.raises(ValueError, match=said):
        ticket.save(tmp_path / "t.ticket")
    assert list(tmp_path.iterdir()) == []
    with open(tmp_path / "t.ticket", "wb") as file:
        write_ticket(ticket, ticket_arrays(ticket), file)
    with pytest.raises(TicketFileError, match=said):
        load_ticket(tmp_path / "t.ticket")
