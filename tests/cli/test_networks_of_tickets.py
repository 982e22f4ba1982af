"""Tickets of networks that were pruned or searched say enough to build the network again."""

import pytest
import torch

from tombola.models import build
from tombola.ticket import load_ticket

NET = "mlp:64-20-10"
COMMANDS = {
    "prune": ["prune", "digits", NET, "-o", "t.ticket"],
    "search": ["search", "digits", NET, "--steps", 2, "-o", "t.ticket"],
    "search with biases": ["search", "digits", NET, "--steps", 2, "--biases", 0.1, "-o", "t.ticket"],
    "imp": ["imp", "digits", NET, "--levels", 1, "--steps", 2, "-o", "run"],
}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_record_builds_a_network_of_the_same_parameters(tombola, tmp_path, name):
    assert tombola(*COMMANDS[name]).code == 0
    ticket = load_ticket(tmp_path / ("run/levels/01/level.ticket" if name == "imp" else "t.ticket"))
    said = ticket.record["network"]
    assert (said["model"], said["input_shape"], said["classes"]) == (NET, [1, 8, 8], 10)
    made = build(
        said["model"],
        input_shape=said["input_shape"],
        classes=said["classes"],
        bias=said.get("bias", True),
        generator=torch.Generator(),
    )
    assert {key: mask.shape for key, mask in ticket.masks().items()} == {
        key: value.shape for key, value in made.named_parameters()
    }
    assert (name == "search") == ("fc1.bias" not in ticket.tensors)
