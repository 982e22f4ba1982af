import torch
from torch import nn

from tombola.deploy import sizes
from tombola.ticket import Ticket, load_ticket


def test_json_has_the_bytes_of_each_form_and_the_bound(made, tmp_path):
    record = made("size", "two.ticket", "--json").record
    found = sizes(load_ticket(tmp_path / "two.ticket"))
    assert record == {"kind": "strong", **found.to_json()}
    assert record["bytes"]["ticket"] == (tmp_path / "two.ticket").stat().st_size
    assert record["bytes"]["kept_float32"] is None
    assert sum(layer["bound"] for layer in record["layers"]) == record["bound"]


def test_the_table_of_a_constructed_ticket(made):
    out = made("size", "two.ticket").out
    assert out.startswith("two.ticket: strong ticket, ")
    assert "target: 460 weights, 1.8 kB in float32; " in out
    assert " if rounded as closely, bound 6.644\n" in out
    assert "kept values alone in float16" not in out


def test_the_table_of_a_ticket_with_values(tombola, tmp_path):
    Ticket.from_masks(nn.Linear(30, 20), {"weight": torch.eye(20, 30).bool()}).save(tmp_path / "m.ticket")
    lines = tombola("size", "m.ticket").out.splitlines()
    assert lines[0].startswith("m.ticket: masked ticket, ")
    assert not any(line.startswith("target:") for line in lines)
    assert any("the same, kept values alone in float16" in line for line in lines)
    assert any(line.split()[:4] == ["weight", "600", "20", "2,400"] for line in lines)


def test_what_is_no_ticket_is_bad_input(tombola, tmp_path):
    (tmp_path / "x.ticket").write_bytes(b"no")
    result = tombola("size", "x.ticket")
    assert (result.code, result.out) == (2, "")
    assert "not a readable ticket" in result.complaint
