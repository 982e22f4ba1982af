import torch

from tombola.cli._output import shown
from tombola.ticket import Ticket, load_ticket
from tombola.universal import Function, build, named_family, univariate


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


def test_a_universal_ticket_says_what_its_features_are(tombola, tmp_path):
    ticket = build(named_family("polynomial", 2, degree=2, tolerance=1e-2))
    ticket.save(tmp_path / "poly.ticket")
    out = tombola("info", "poly.ticket").out
    assert out.startswith("poly.ticket: universal ticket, seed 0, ")
    assert "family: polynomial of 2 inputs, degree 2, within 0.01\n" in out
    counts = [step["knots"][0] for step in ticket.record["steps"] if step["kind"] == "block"]
    assert f"steps: log ({counts[0]} knots), exponents (5 outputs), exp ({counts[1]} knots)\n" in out
    assert "construction: paths\n" in out
    bound = shown(ticket.certificate.bound)
    assert f"features: 5, each off by at most {bound} (proved) for every input in [0, 1]^2\n" in out
    assert out.endswith("next: tombola verify poly.ticket\n")
    record = tombola("info", "poly.ticket", "--json").record
    assert record["family"] == ticket.record["family"]
    assert record["certificate"] == ticket.record["certificate"]


def test_a_universal_ticket_without_a_proof_says_so(tombola, tmp_path):
    square = Function("x^2", lambda x: x**2, 0.0, 1.0)
    build(univariate([square], dimension=1)).save(tmp_path / "own.ticket")
    out = tombola("info", "own.ticket").out
    assert "family: custom of 1 input, functions x^2, within 0.01\n" in out
    assert "features: 1, nothing is proved of their errors\n" in out
