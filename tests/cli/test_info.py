import pytest
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


@pytest.mark.parametrize(("data", "model"), [("digits", "mlp:64-20-10"), ("digits", "conv-2x0.25")])
def test_what_pruning_saves_is_said_as_prune_says_it(tombola, data, model):
    words = ("prune", data, model, "--score", "magnitude", "--density", 0.2, "-o", "p.ticket")
    made, record = tombola(*words, "--json").record, tombola("info", "p.ticket", "--json").record
    keys = ("parameters", "multiply_adds", "bytes", "not_counted")
    assert {key: record[key] for key in keys} == {key: made[key] for key in keys}
    assert record["uses_known"] is True
    lines = tombola(*words).out.splitlines()[1:3]
    assert [line.partition(":")[0] for line in lines] == ["multiply-adds", "parameters"]
    assert tombola("info", "p.ticket").out.splitlines()[1:3] == lines


def test_a_ticket_that_does_not_say_how_often_weights_are_used(tombola, tmp_path):
    chain = torch.nn.Sequential(torch.nn.Linear(4, 3), torch.nn.Linear(3, 2))
    Ticket.from_masks(chain, {"0.weight": torch.eye(3, 4).bool()}).save(tmp_path / "chain.ticket")
    lines = tombola("info", "chain.ticket").out.splitlines()
    assert lines[1] == "multiply-adds: 9 of 18 dense, if each weight is used once"
    assert lines[2] == "parameters: 14 of 23 dense, 58 B of 92 B"
    assert tombola("info", "chain.ticket", "--json").record["uses_known"] is False
    Ticket.from_masks(torch.nn.Conv2d(1, 2, 3), {}).save(tmp_path / "conv.ticket")
    record = tombola("info", "conv.ticket", "--json").record
    assert (record["multiply_adds"], record["not_counted"]) == (None, ["weight"])
    assert record["bytes"] == {"dense": 80, "kept": 80}
    lines = tombola("info", "conv.ticket").out.splitlines()
    assert lines[1:3] == ["parameters: 20 of 20 dense, 80 B of 80 B", "multiply-adds not counted: weight"]


def test_a_strong_ticket_saves_nothing_that_is_stored(made):
    assert not {"multiply_adds", "bytes", "parameters"} & made("info", "two.ticket", "--json").record.keys()


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
