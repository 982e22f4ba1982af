import torch

from tombola.ticket import Ticket, load_ticket


def test_json_says_what_the_ticket_holds_and_claims(made, tmp_path):
    result = made("info", "two.ticket", "--json")
    assert (result.code, result.err) == (0, "")
    record, ticket = result.record, load_ticket(tmp_path / "two.ticket")
    assert (record["kind"], record["seed"]) == ("strong", 7)
    assert record["file_bytes"] == (tmp_path / "two.ticket").stat().st_size
    assert record["certificate"]["bound"] == ticket.certificate.bound
    assert record["report"] == ticket.record["report"]
    assert {entry["name"]: entry["shape"] for entry in record["tensors"]} == {
        name: list(tensor.mask.shape) for name, tensor in ticket.tensors.items()
    }
    assert sum(entry["kept"] for entry in record["tensors"]) == record["kept"] == ticket.kept


def test_the_table_says_it_in_words(made):
    out = made("info", "two.ticket").out
    assert "two.ticket: strong ticket, seed 7, " in out
    assert "target: 64 - 6 - 10, 460 weights\n" in out
    assert "weights: within 0.01 of the largest in its layer; 0 miss that\n" in out
    assert "for every input in [0, 1]^64\n" in out
    assert "uniform(1)" in out
    assert max(map(len, out.splitlines())) <= 100
    assert out.endswith("next: tombola verify two.ticket --target TARGET.safetensors\n")


def test_a_masked_ticket_holds_its_values(tombola, tmp_path):
    Ticket.from_masks(torch.nn.Linear(3, 2), {"weight": torch.eye(2, 3).bool()}).save(tmp_path / "m.ticket")
    record = tombola("info", "m.ticket", "--json").record
    assert (record["kind"], record["seed"], record["kept"], record["source_parameters"]) == ("masked", None, 4, 8)
    shown = tombola("info", "m.ticket")
    assert "saved values" in shown.out
    assert "next:" not in shown.out
