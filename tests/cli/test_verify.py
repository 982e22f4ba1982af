from dataclasses import replace

import pytest
import torch
from safetensors.torch import save_file
from tests.cli.conftest import TINY, tiny_state

from tombola.ticket import Ticket
from tombola.universal import Function, build, named_family, univariate

OF_FEATURES = ["source", "masks", "effective_weights", "family", "steps", "certificate", "sampled"]
NAMES = {"source", "masks", "effective_weights", "target", "tolerance", "certificate", "attack", "inputs"}


@pytest.mark.parametrize("ticket", ["two.ticket", "one.ticket"])
def test_json_says_which_checks_hold_and_how_good_both_are(made, ticket):
    result = made("verify", ticket, "--target", "net.safetensors", "--json")
    assert (result.code, result.err) == (0, "")
    record = result.record
    assert record["ok"]
    assert record["checks"] == dict.fromkeys(NAMES, True)
    assert 0 < record["attack_error"] <= record["max_output_error"] <= record["certified_bound"]
    assert record["agreement"] > 0.9
    assert record["accuracy_target"] > 0.5
    assert record["accuracy_ticket"] == pytest.approx(record["accuracy_target"], abs=0.1)


def test_the_table_has_a_line_for_every_check(made):
    out = made("verify", "two.ticket", "--target", "net.safetensors").out
    assert out.startswith("two.ticket: every check holds\n")
    assert out.count("  holds\n") == len(NAMES)
    assert max(map(len, out.splitlines())) <= 80
    assert out.endswith("next: tombola info two.ticket\n")


def test_a_ticket_alone_is_checked_as_far_as_it_goes(made):
    record = made("verify", "two.ticket", "--json").record
    assert record["checks"] == {"source": True, "masks": True, "effective_weights": True}
    assert record["agreement"] is None
    assert "note: most checks need --target\n" in made("verify", "two.ticket").out


def test_another_target_of_the_same_shape_is_a_failed_check(made):
    made("train", "digits", "mlp:64-6-10", "--epochs", 1, "--seed", 5, "-o", "other.safetensors")
    result = made("verify", "two.ticket", "--target", "other.safetensors", "--json")
    assert result.code == 1
    assert not result.record["ok"]
    assert {name for name, holds in result.record["checks"].items() if not holds} >= {"target", "tolerance"}
    shown = made("verify", "two.ticket", "--target", "other.safetensors")
    assert shown.code == 1
    assert "checks FAIL\n" in shown.out
    assert "FAILS" in shown.out
    assert "next:" not in shown.out


def test_a_target_of_another_shape_is_a_failed_check(made, tmp_path):
    save_file(tiny_state(), tmp_path / "tiny.safetensors")
    result = made("verify", "two.ticket", "--target", "tiny.safetensors", "--model", TINY)
    assert (result.code, result.err) == (1, "")
    assert "1 of 4 checks FAIL" in result.out
    assert "note: " in result.out


def test_other_data_can_be_named(made):
    record = made("verify", "two.ticket", "--target", "net.safetensors", "--data", "digits", "--json").record
    assert record["ok"]
    assert record["notes"] == {}


def test_data_that_are_missing_are_a_note_unless_they_were_asked_for(made, monkeypatch, tmp_path):
    monkeypatch.setenv("TOMBOLA_DATA", str(tmp_path / "nowhere"))
    result = made("verify", "two.ticket", "--target", "net.safetensors", "--data", "mnist")
    assert (result.code, result.out) == (2, "")
    assert str(tmp_path / "nowhere" / "mnist.npz") in result.complaint
    save_file(tiny_state(), tmp_path / "tiny.safetensors")
    made("construct", "tiny.safetensors", "--model", TINY, "-o", "tiny.ticket")
    shown = made("verify", "tiny.ticket", "--target", "tiny.safetensors", "--model", TINY)
    assert shown.code == 0
    assert "note: the target's file names no data set" in shown.out


def test_data_of_another_shape_are_bad_input(made, tmp_path):
    save_file(tiny_state(), tmp_path / "tiny.safetensors")
    options = ("--model", TINY)
    made("construct", "tiny.safetensors", *options, "-o", "tiny.ticket")
    result = made("verify", "tiny.ticket", "--target", "tiny.safetensors", *options, "--data", "digits")
    assert result.code == 2
    assert "1 x 8 x 8, the target takes 3 numbers" in result.complaint


@pytest.mark.parametrize("words", [("--data", "digits"), ("--model", TINY)])
def test_what_to_compare_with_is_needed(made, words):
    result = made("verify", "two.ticket", *words)
    assert result.code == 2
    assert "--target" in result.complaint


def test_a_masked_ticket_is_checked_but_has_no_target(made, tmp_path):
    Ticket.from_masks(torch.nn.Linear(3, 2), {}).save(tmp_path / "masked.ticket")
    assert made("verify", "masked.ticket", "--json").record["ok"]
    result = made("verify", "masked.ticket", "--target", "net.safetensors")
    assert result.code == 2
    assert "takes a strong one" in result.complaint


def test_a_universal_ticket_needs_no_target(tombola, tmp_path):
    build(named_family("hat", 2, knots=3)).save(tmp_path / "hat.ticket")
    result = tombola("verify", "hat.ticket", "--json")
    assert result.code == 0
    assert result.record["checks"] == dict.fromkeys(OF_FEATURES, True)
    assert 0 < result.record["max_output_error"] <= result.record["certified_bound"]
    shown = tombola("verify", "hat.ticket").out
    assert shown.startswith("hat.ticket: every check holds\n")
    assert shown.count("  holds\n") == 7
    assert "error of any feature, proved at most" in shown
    assert "--target" not in shown
    assert max(map(len, shown.splitlines())) <= 80


def test_a_universal_ticket_that_was_changed_fails(tombola, tmp_path):
    ticket = build(named_family("hat", 2, knots=3))
    lowered = {"guarantee": "exact", "errors": [error / 2 for error in ticket.record["certificate"]["errors"]]}
    replace(ticket, record=ticket.record | {"certificate": lowered}).save(tmp_path / "hat.ticket")
    result = tombola("verify", "hat.ticket")
    assert result.code == 1
    assert "2 of 7 checks FAIL" in result.out


@pytest.mark.parametrize(
    "words", [["verify", "h.ticket", "--target", "x"], ["explain", "h.ticket", "--weight", "a[0,0]"]]
)
def test_a_universal_ticket_stands_for_no_target(tombola, tmp_path, words):
    build(named_family("hat", 1, knots=2)).save(tmp_path / "h.ticket")
    result = tombola(*words)
    assert result.code == 2
    assert "is a universal ticket and stands for no target network; " in result.complaint
    assert "takes a strong one, of `tombola construct`" in result.complaint


def test_a_family_that_no_file_holds_is_a_note(tombola, tmp_path):
    build(univariate([Function("x^2", lambda x: x**2, 0.0, 1.0)])).save(tmp_path / "own.ticket")
    result = tombola("verify", "own.ticket")
    assert result.code == 0
    assert "note: a 'custom' family cannot be made again from its record: not checked\n" in result.out
