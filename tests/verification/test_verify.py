"""Honest tickets pass every check; a ticket that was tampered with fails those that name what was touched."""

import copy
import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch
from tests.problems.targets import relu_network
from tests.problems.tickets import MASKED, STRONG, target_of, ticket_of, with_mask, with_record
from torch import nn

from tombola import Ball, Source, Tolerance, construct, models, verify
from tombola.effective import effective_maps
from tombola.graph import read_graph
from tombola.random_source import Uniform
from tombola.strong import worst_input
from tombola.ticket import MaskedTensor, unpack
from tombola.verification import _behaviour, _verify

ALONE = ["source", "masks", "effective_weights"]
WITH_TARGET = [*ALONE, "target", "tolerance", "certificate", "attack"]
PLAIN = "two-layer, biases"


@pytest.fixture(autouse=True)
def short_attack(monkeypatch):
    """The attack is tested elsewhere; here a few steps are enough."""
    monkeypatch.setattr(_verify, "worst_input", lambda *args, **options: worst_input(*args, steps=20, **options))


def inputs_of(name, count=50):
    points = STRONG[name][1]["inputs"].sample(count, STRONG[name][0][0], generator=torch.Generator().manual_seed(1))
    return torch.from_numpy(points).float()


@pytest.mark.parametrize("name", STRONG)
def test_an_honest_strong_ticket_passes_every_check(name, reloaded):
    ticket, target, inputs = reloaded(ticket_of(name)), target_of(name), inputs_of(name)
    with torch.no_grad():
        labels = target(inputs).argmax(dim=1)
    found = verify(ticket, target=target, inputs=inputs, labels=labels)
    assert found.checks == dict.fromkeys([*WITH_TARGET, "inputs"], True)
    assert bool(found.notes) == (found.certified_bound > found.output_range)
    assert 0 < found.attack_error <= found.max_output_error <= ticket.certificate.bound
    assert found.certified_bound == pytest.approx(ticket.certificate.bound, rel=1e-6)
    assert found.accuracy_target == 1.0
    assert found.agreement == found.accuracy_ticket


@pytest.mark.parametrize("name", MASKED)
def test_an_honest_masked_ticket_passes_every_check(name, reloaded):
    assert verify(reloaded(ticket_of(name))).checks == dict.fromkeys(ALONE, True)


def test_what_comes_out_is_plain_data():
    found = verify(ticket_of(PLAIN), target=target_of(PLAIN), inputs=inputs_of(PLAIN), labels=torch.zeros(50).long())
    assert {type(holds) for holds in found.checks.values()} == {bool}
    numbers = {name: value for name, value in found.to_json().items() if name not in ("ok", "checks", "notes")}
    assert {type(value) for value in numbers.values()} == {float}
    assert found.to_json()["ok"] is True


def test_it_does_not_ask_the_generator_that_built_the_ticket(monkeypatch):
    ticket = ticket_of(PLAIN)

    def used(*_, **__):
        raise AssertionError("the builder's own generator was asked")

    monkeypatch.setattr(Source, "block", used)
    assert verify(ticket, target=target_of(PLAIN)).ok


def test_a_ticket_from_a_faulty_generator_is_noticed(monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(Source, "key", lambda self, name: (self.seed, 0))
        ticket = construct(target_of("two-layer"), torch.zeros(1, 6), inputs=Ball(1.0, nonnegative=True))
    assert verify(ticket).failed == ALONE


def owned_unit(ticket, *, several=False):
    """A hidden unit of the first layer that keeps an output edge, more than one if `several`, and lacks another."""
    kept = unpack(ticket.tensors["fc1.out"].mask).sum(axis=1)
    wanted = (kept > 1) if several else (kept > 0)
    return int(np.flatnonzero(wanted & (kept < 5))[0])


def set_bit(ticket):
    unit = owned_unit(ticket)

    def change(dense):
        dense[unit, np.flatnonzero(~dense[unit])[0]] = True

    return with_mask(ticket, "fc1.out", change)


def clear_bit(ticket):
    unit = owned_unit(ticket, several=True)

    def change(dense):
        dense[unit, np.flatnonzero(dense[unit])[0]] = False

    return with_mask(ticket, "fc1.out", change)


def feed_a_dead_unit(ticket):
    def change(dense):
        dense[np.flatnonzero(~dense.any(axis=1))[0], 0] = True

    return with_mask(ticket, "fc1.out", change)


def cut_a_unit_off(ticket):
    def change(dense):
        dense[owned_unit(ticket)] = False

    return with_mask(ticket, "fc1.out", change)


def moved_owner(ticket, sign):
    """One unit owned by another input, at which its factor has a sign."""
    mask = ticket.tensors["fc1.in"].mask
    values = ticket.block("fc1.in", 0, mask.shape[0]) * sign
    values[mask.owner < 0] = -1
    values[np.arange(mask.shape[0]), mask.owner] = -1
    unit, column = np.unravel_index(values.argmax(), values.shape)

    def change(owner):
        owner[unit] = column

    return with_mask(ticket, "fc1.in", change)


def bias_on_an_owned_unit(ticket):
    unit = int(
        np.flatnonzero((ticket.tensors["fc1.in"].mask.owner >= 0) & (ticket.block("fc1.in.bias", 0, 59)[:, 0] > 0))[0]
    )

    def change(dense):
        dense[unit] = True

    return with_mask(ticket, "fc1.in.bias", change)


def negative_bias(ticket):
    height = ticket.tensors["fc1.in"].mask.shape[0]
    constant = unpack(ticket.tensors["fc1.in.bias"].mask)[:, 0]
    negative = ticket.block("fc1.in.bias", 0, height)[:, 0] < 0
    swapped = (
        int(np.flatnonzero(constant)[0]),
        int(np.flatnonzero(negative & (ticket.tensors["fc1.in"].mask.owner < 0))[0]),
    )

    def change(dense):
        dense[list(swapped)] = dense[list(swapped[::-1])]

    return with_mask(with_mask(ticket, "fc1.in.bias", change), "fc1.out", change)


def other_law(ticket, name):
    tensor = ticket.tensors[name]
    wider = MaskedTensor(tensor.mask, Uniform(2 * tensor.law.half_width), tensor.transposed)
    return replace(ticket, tensors={**ticket.tensors, name: wider})


TAMPERED = {
    "seed": (lambda t: replace(t, source=Source(4)), ALONE),
    "generation": (lambda t: replace(t, source=Source(3, 1)), ALONE),
    "law of input edges": (lambda t: other_law(t, "fc1.in"), ["source", "effective_weights"]),
    "law of output edges": (lambda t: other_law(t, "fc2.out"), ["source", "effective_weights"]),
    "a bit set": (set_bit, ["effective_weights"]),
    "a bit cleared": (clear_bit, ["effective_weights"]),
    "an edge out of a unit without input": (feed_a_dead_unit, ["masks"]),
    "a unit without output": (cut_a_unit_off, ["masks", "effective_weights"]),
    "a unit moved to a negative factor": (lambda t: moved_owner(t, -1), ["masks", "effective_weights"]),
    "a unit moved to a positive factor": (lambda t: moved_owner(t, 1), ["effective_weights"]),
    "a bias on a unit with an input": (bias_on_an_owned_unit, ["masks", "effective_weights"]),
    "a constant unit of a negative bias": (negative_bias, ["masks", "effective_weights"]),
    "hash of effective weights": (lambda t: with_record(t, "effective_sha256", "0" * 64), ["effective_weights"]),
    "a fingerprint": (lambda t: with_record(t, "fingerprints|fc1.in", "0" * 64), ["source"]),
    "a fingerprint too few": (
        lambda t: with_record(t, "fingerprints", lambda f: dict(list(f.items())[1:])),
        ["source"],
    ),
}


@pytest.mark.parametrize(("tamper", "failed"), TAMPERED.values(), ids=TAMPERED)
def test_what_was_tampered_with_fails_its_own_checks(tamper, failed, reloaded):
    ticket = reloaded(tamper(ticket_of(PLAIN)))
    assert verify(ticket).failed == failed
    with_target = verify(ticket, target=target_of(PLAIN))
    assert with_target.failed[: len(failed)] == failed
    assert with_target.checks["target"]
    assert ("masks" in with_target.notes) == ("masks" in failed)


CLAIMED = {
    "a bound 1 % lower": ("certificate|bound", lambda b: 0.99 * b, ["certificate"]),
    "a bound below what the attack finds": (
        "certificate|bound",
        lambda b: b / 100,
        ["certificate", "attack", "inputs"],
    ),
    "a larger set": ("certificate|input_set|high", 1.5, ["certificate"]),
    "a set of other inputs": ("certificate|input_set|high", [1.0, 1.0], ["certificate"]),
    "a set with negative inputs": ("certificate|input_set|low", -1.0, ["certificate"]),
    "a failure more": ("report|failures", 1, ["tolerance"]),
    "a largest error 1 % lower": ("report|max_weight_error", lambda e: 0.99 * e, ["tolerance"]),
    "a largest error 1 % higher": ("report|max_weight_error", lambda e: 1.01 * e, ["tolerance"]),
    "a finer tolerance": ("report|weight_epsilon", 0.01, ["tolerance"]),
    "another unit of the tolerance": ("report|absolute", True, ["tolerance"]),
    "another target": ("target|sha256", "0" * 64, ["target"]),
}


@pytest.mark.parametrize(("path", "value", "failed"), CLAIMED.values(), ids=CLAIMED)
def test_a_false_claim_fails_its_own_check(path, value, failed, reloaded):
    ticket = reloaded(with_record(ticket_of(PLAIN), path, value))
    assert verify(ticket, target=target_of(PLAIN), inputs=inputs_of(PLAIN, 2000)).failed == failed


def test_a_finer_tolerance_in_report_and_options_is_a_number_of_failures(reloaded):
    ticket = with_record(ticket_of(PLAIN), "report|weight_epsilon", 0.01)
    ticket = reloaded(with_record(ticket, "options|tolerance|weight_epsilon", 0.01))
    assert verify(ticket, target=target_of(PLAIN)).failed == ["tolerance"]


def test_an_error_scaled_to_a_finer_tolerance_than_was_built_is_noticed(reloaded):
    """All figures of the report fit each other, but the weights were held to another tolerance."""
    ticket = with_record(ticket_of(PLAIN), "report|weight_epsilon", 0.01)
    ticket = reloaded(with_record(ticket, "report|max_weight_error", lambda error: error / 5))
    assert verify(ticket, target=target_of(PLAIN)).failed == ["tolerance"]


def test_failures_that_are_reported_are_no_false_claim(reloaded):
    """The same ticket under a tolerance that some of its weights miss, and says so."""
    ticket, target, missed = ticket_of(PLAIN), target_of(PLAIN), 0
    for layer, maps in zip(read_graph(target, torch.zeros(1, 6)).layers, effective_maps(ticket), strict=True):
        allowed = 0.04 * float(layer.weight.abs().max())
        missed += int((np.abs(maps.positive - layer.weight.numpy()) > allowed).sum())
        missed += int((np.abs(maps.bias - layer.bias.numpy()) > allowed).sum())
    assert missed > 1
    for name in ("report|weight_epsilon", "options|tolerance|weight_epsilon"):
        ticket = with_record(ticket, name, 0.04)
    assert verify(reloaded(with_record(ticket, "report|failures", missed)), target=target).ok
    assert verify(reloaded(with_record(ticket, "report|failures", missed - 1)), target=target).failed == ["tolerance"]


@pytest.mark.parametrize("copy_of", [-1, 1])
def test_a_copy_that_is_none_is_noticed(copy_of, reloaded):
    ticket = ticket_of("one-extra, biases")
    copies = ticket.stages[1].copies.copy()
    copies[np.flatnonzero(copies == 0)[0]] = copy_of
    stages = (ticket.stages[0], replace(ticket.stages[1], copies=copies), *ticket.stages[2:])
    found = verify(reloaded(replace(ticket, stages=stages)), target=target_of("one-extra, biases"))
    assert found.failed[0] == ("masks" if copy_of < 0 else "tolerance")
    assert found.checks["effective_weights"]


@pytest.mark.parametrize("side", ["fc1.out", "fc2"])
def test_edges_of_a_copy_that_is_none_are_noticed_on_either_side(side, reloaded):
    """A unit that stands for nothing may have neither edges in nor edges out: the certificate leaves it out."""
    ticket = ticket_of("one-extra")
    feeding = unpack(ticket.tensors["fc1.out"].mask)
    fed_alone = feeding[feeding.sum(axis=1) == 1].any(axis=0)
    copies = ticket.stages[1].copies.copy()
    unit = int(np.flatnonzero(~fed_alone & (copies >= 0))[0])
    copies[unit] = -1
    ticket = replace(ticket, stages=(ticket.stages[0], replace(ticket.stages[1], copies=copies), ticket.stages[2]))
    cut = {
        "fc1.out": with_mask(ticket, "fc1.out", lambda dense: dense.T.__setitem__(unit, False)),
        "fc2": with_mask(ticket, "fc2", lambda dense: dense.__setitem__(unit, False)),
    }
    other = "fc2" if side == "fc1.out" else "fc1.out"
    assert "masks" in verify(reloaded(cut[side])).failed
    clean = with_mask(
        cut[side], other, lambda dense: (dense.T if other == "fc1.out" else dense).__setitem__(unit, False)
    )
    assert "masks" not in verify(reloaded(clean)).failed


def test_two_signs_that_were_not_built_are_noticed(reloaded):
    ticket = reloaded(with_record(ticket_of("two-layer"), "signed_layers|fc1", True))
    assert "tolerance" in verify(ticket, target=target_of("two-layer")).failed
    ticket = reloaded(with_record(ticket_of("two-layer, signed"), "signed_layers|fc1", False))
    assert verify(ticket).failed == ["masks", "effective_weights"]


SAVED, SOURCED = MASKED


def with_value(ticket, *, kept):
    values = ticket.values["3.weight"].copy()
    values[tuple(np.argwhere(unpack(ticket.tensors["3.weight"].mask) == kept)[-1])] += 1e-6
    return replace(ticket, values={**ticket.values, "3.weight": values})


def flipped(ticket):
    def change(dense):
        dense[1, 1] = ~dense[1, 1]

    return with_mask(ticket, "3.weight", change)


MASKED_TAMPERED = {
    "a kept value": (SAVED, lambda t: with_value(t, kept=True), ["source", "effective_weights"]),
    "a pruned value": (SAVED, lambda t: with_value(t, kept=False), ["source"]),
    "a bit over saved values": (SAVED, flipped, ["effective_weights"]),
    "a bit over the source": (SOURCED, flipped, ["effective_weights"]),
    "the seed": (SOURCED, lambda t: replace(t, source=Source(6)), ["source", "effective_weights"]),
}


@pytest.mark.parametrize(("name", "tamper", "failed"), MASKED_TAMPERED.values(), ids=MASKED_TAMPERED)
def test_a_masked_ticket_that_was_tampered_with(name, tamper, failed, reloaded):
    assert verify(reloaded(tamper(ticket_of(name)))).failed == failed


def changed_weight():
    target = copy.deepcopy(target_of(PLAIN))
    target.fc1.weight.data[0, 0] += 1e-6
    return target


class Unreadable(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.tanh()


OTHERS = {
    "a weight changed": (changed_weight, ["target"]),
    "a ReLU more": (lambda: nn.Sequential(*target_of("two-layer"), nn.ReLU()), ["target"]),
    "another seed": (
        lambda: relu_network(6, 5, 3, bias=True, seed=9),
        ["target", "tolerance", "certificate", "attack"],
    ),
    "more inputs": (lambda: relu_network(7, 5, 3, bias=True), ["target"]),
    "more hidden units": (lambda: relu_network(6, 8, 3, bias=True), ["target"]),
    "fewer hidden units": (lambda: relu_network(6, 4, 3, bias=True), ["target"]),
    "more layers": (lambda: relu_network(6, 5, 5, 3, bias=True), ["target"]),
    "other names": (lambda: nn.Sequential(*target_of(PLAIN)), ["target"]),
    "no chain of layers": (Unreadable, ["target"]),
}


@pytest.mark.parametrize(("other", "failed"), OTHERS.values(), ids=OTHERS)
def test_another_target_fails_the_check_of_that_name(other, failed):
    found = verify(ticket_of(PLAIN), target=other())
    assert found.failed == failed
    assert found.checks["effective_weights"]
    assert ("target" in found.notes) == (len(found.checks) == 4)


def test_a_target_without_the_last_relu_of_the_ticket():
    ticket = ticket_of("a last ReLU")
    without = nn.Sequential(*list(target_of("a last ReLU"))[:-1])
    assert verify(ticket, target=without).failed == ["target"]
    stages = (*ticket.stages[:-1], replace(ticket.stages[-1], relu=False))
    with pytest.raises(ValueError, match="'2' ends with a ReLU in the ticket or in its target, not in both"):
        verify(replace(ticket, stages=stages), target=target_of("a last ReLU"))


def test_inputs_outside_the_set_are_not_held_to_the_certificate():
    inside, outside = inputs_of(PLAIN, 20), 1e3 * torch.ones(5, 6)
    found = verify(ticket_of(PLAIN), target=target_of(PLAIN), inputs=torch.cat([inside, outside]))
    assert found.ok
    assert found.notes["inputs"].startswith("20 of 25 lie in the certified set")
    assert found.max_output_error <= ticket_of(PLAIN).certificate.bound
    alone = verify(ticket_of(PLAIN), target=target_of(PLAIN), inputs=outside)
    assert "inputs" not in alone.checks
    assert alone.notes["inputs"].startswith("0 of 5")
    assert alone.agreement is not None


def test_a_module_that_is_not_what_its_effective_weights_say_is_noticed(monkeypatch):
    def spoiled(ticket, *, form):
        module = ticket.module(form=form)
        module.fc1.weight.data *= 1.01
        return module

    monkeypatch.setattr(_behaviour, "realise", spoiled)
    found = verify(ticket_of(PLAIN), target=target_of(PLAIN), inputs=inputs_of(PLAIN))
    assert found.failed == ["inputs"]


def test_dropout_of_a_target_in_training_is_off_and_its_mode_is_put_back():
    net = relu_network(6, 5, 3)
    target = nn.Sequential(net.fc1, net.relu1, nn.Dropout(0.5), net.fc2).train()
    ticket = construct(target, torch.zeros(1, 6), tolerance=Tolerance(0.05), inputs=Ball(1.0, nonnegative=True))
    found = verify(ticket, target=target, inputs=inputs_of("two-layer"))
    assert found.ok
    assert target.training
    assert target[2].training


@pytest.mark.usefixtures("untouched")
def test_the_answer_repeats_and_nothing_global_moves():
    first, again = (verify(ticket_of(PLAIN), target=target_of(PLAIN), seed=5) for _ in range(2))
    assert first == again


BAD = {
    "target of a masked ticket": (SAVED, {"target": relu_network(6, 3)}, "stands for no target"),
    "inputs without target": (PLAIN, {"inputs": torch.zeros(2, 6)}, "together with a target"),
    "no inputs": (PLAIN, {"target": target_of, "inputs": torch.zeros(0, 6)}, "at least one"),
    "float64": (PLAIN, {"target": target_of, "inputs": torch.zeros(2, 6).double()}, "float32"),
    "labels without inputs": (PLAIN, {"target": target_of, "labels": torch.zeros(2).long()}, "one for each input"),
    "too few labels": (
        PLAIN,
        {"target": target_of, "inputs": torch.zeros(2, 6), "labels": torch.zeros(1).long()},
        "one for each input",
    ),
    "inputs of another size": (PLAIN, {"target": target_of, "inputs": torch.zeros(2, 5)}, r"example of shape \(1, 5\)"),
}


@pytest.mark.parametrize(("name", "options", "message"), BAD.values(), ids=BAD)
def test_arguments_that_do_not_fit_are_refused(name, options, message):
    given = {key: target_of(name) if value is target_of else value for key, value in options.items()}
    with pytest.raises(ValueError, match=message):
        verify(ticket_of(name), **given)


def test_a_ticket_in_pieces_is_refused():
    with pytest.raises(ValueError, match="its stages use the tensors"):
        verify(replace(ticket_of(PLAIN), stages=ticket_of(PLAIN).stages[:2]))


def test_the_command_says_what_fails_and_exits_with_one(tmp_path):
    target = models.build("mlp:6-5-3", generator=torch.Generator().manual_seed(0))
    safetensors.torch.save_file(target.state_dict(), tmp_path / "target.safetensors")
    ticket = construct(target, torch.zeros(1, 6), tolerance=Tolerance(0.05))
    with_record(ticket, "certificate|bound", lambda b: 0.99 * b).save(tmp_path / "forged.ticket")
    options = ["--target", "target.safetensors", "--model", "mlp:6-5-3", "--json"]
    command = [sys.executable, "-c", "from tombola.cli import main; main()", "verify", "forged.ticket", *options]
    run = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert run.returncode == 1, run.stderr
    found = json.loads(run.stdout)
    assert not found["ok"]
    assert [name for name, holds in found["checks"].items() if not holds] == ["certificate"]
