import shlex

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tests.cli.conftest import TINY, temporary_files, tiny_state

from tombola.effective import effective_maps
from tombola.ticket import load_ticket
from tombola.training import load_model

KEYS = {
    "ticket", "construction", "seed", "weight_epsilon", "source_parameters", "target_parameters", "counting_bound",
    "kept", "kept_per_weight", "zeroed_fraction", "failures", "max_weight_error", "weight_error_p9999", "certificate",
    "seconds", "peak_rss_bytes",
}  # fmt: skip


def largest_error(ticket, target):
    """The largest error of a weight or bias of a two-layer ticket, each over the largest weight of its layer."""
    model, worst = load_model(target, TINY).model, 0.0
    for maps in effective_maps(load_ticket(ticket)):
        layer = model.get_submodule(maps.layer)
        largest = float(layer.weight.detach().abs().max())
        weights = [maps.positive] if maps.negative is None else [maps.positive, maps.negative]
        for found, wanted in (*((each, layer.weight) for each in weights), (maps.bias, layer.bias)):
            worst = max(worst, np.abs(found - wanted.detach().double().numpy()).max() / largest)
    return worst


def test_json_says_what_the_ticket_is(tombola, tiny, tmp_path):
    result = tombola("construct", *tiny, "-o", "x.ticket", "--seed", "7", "--json")
    assert (result.code, result.err) == (0, "")
    record, ticket = result.record, load_ticket(tmp_path / "x.ticket")
    assert record.keys() >= KEYS
    assert (record["construction"], record["objective"], record["seed"]) == ("two-layer", "sparsest", 7)
    assert record["ticket_bytes"] == (tmp_path / "x.ticket").stat().st_size
    assert (record["kept"], record["source_parameters"]) == (ticket.kept, ticket.source_parameters)
    assert (record["target_parameters"], record["failures"], record["depth"]) == (14, 0, 4)
    assert record["certificate"] == {"set": "||x|| <= 1", "bound": ticket.certificate.bound}
    error = largest_error(tmp_path / "x.ticket", tmp_path / tiny[0])
    assert error <= 0.01
    assert record["max_weight_error"] == pytest.approx(error, rel=1e-4)
    assert 0 < record["weight_error_p9999"] <= record["max_weight_error"]


def test_the_table_is_narrow_and_its_next_command_works(tombola, tiny):
    result = tombola("construct", *tiny, "-o", "my ticket.ticket")
    assert (result.code, result.err) == (0, "")
    assert max(map(len, result.out.splitlines()[:-1])) <= 80
    command = result.out.splitlines()[-1].removeprefix("next: ")
    assert command == f"tombola verify 'my ticket.ticket' --target tiny.safetensors --model {TINY}"
    assert tombola(*shlex.split(command)[1:]).code == 0


@pytest.mark.parametrize("inputs", ["ball", "positive-box"])
def test_a_prediction_writes_nothing_and_comes_near(made, tmp_path, inputs):
    words = ("construct", "net.safetensors", "-o", "x.ticket", "--inputs", inputs)
    predicted = made(*words, "--dry-run", "--json")
    assert predicted.code == 0
    assert not (tmp_path / "x.ticket").exists()
    assert predicted.record.keys() >= {"widths", "source_parameters", "ticket_bytes", "memory_bytes", "seconds"}
    record = made(*words, "--json").record
    assert 0.5 < predicted.record["source_parameters"] / record["source_parameters"] < 2


def test_a_prediction_is_shown_without_a_next_command(tombola, tiny):
    shown = tombola("construct", *tiny, "--dry-run")
    assert (shown.code, shown.err) == (0, "")
    assert "nothing was written" in shown.out
    assert "next:" not in shown.out


def test_one_extra_layer_prefers_light_sums(tombola, tiny):
    record = tombola("construct", *tiny, "-o", "x.ticket", "--depth", "one-extra", "--json").record
    assert (record["construction"], record["objective"], record["depth"]) == ("one-extra", "lightest", 3)
    assert record["failures"] == 0


def test_the_sparsest_sums_are_sparser_than_the_nearest(made):
    sparsest, nearest = (
        made("construct", "net.safetensors", "-o", "x.ticket", "--objective", name, "--json").record
        for name in ("sparsest", "nearest")
    )
    assert (sparsest["objective"], nearest["objective"]) == ("sparsest", "nearest")
    assert sparsest["kept_per_weight"] < nearest["kept_per_weight"]


def test_the_ticket_does_not_depend_on_threads(tombola, tiny, tmp_path):
    records = [
        tombola("construct", *tiny, "-o", f"{count}.ticket", "--threads", count, "--json").record for count in (1, 3)
    ]
    tickets = [load_ticket(tmp_path / f"{count}.ticket") for count in (1, 3)]
    assert tickets[0].record["effective_sha256"] == tickets[1].record["effective_sha256"]
    differing = {key for key in records[0] if records[0][key] != records[1][key]}
    assert differing <= {"ticket", "ticket_bytes", "seconds", "peak_rss_bytes"}


def effective(ticket):
    return load_ticket(ticket).record["effective_sha256"]


def test_the_ticket_does_not_depend_on_the_engine(tombola, tiny, tmp_path):
    pytest.importorskip("ray")
    assert tombola("construct", *tiny, "-o", "here.ticket").code == 0
    assert tombola("construct", *tiny, "-o", "there.ticket", "--engine", "ray", "--resume", "store").code == 0
    assert effective(tmp_path / "here.ticket") == effective(tmp_path / "there.ticket")
    assert len(list((tmp_path / "store").iterdir())) == 2


def test_finished_layers_are_read_when_work_is_resumed(tombola, tiny, tmp_path, monkeypatch):
    words = ("construct", *tiny, "--resume", "store")
    assert tombola(*words, "-o", "first.ticket").code == 0

    def built(*_, **__):
        raise AssertionError("it was built again")

    monkeypatch.setattr("tombola.strong._two_layer.solve_problem", built)
    assert tombola(*words, "-o", "second.ticket").code == 0
    assert effective(tmp_path / "first.ticket") == effective(tmp_path / "second.ticket")


@pytest.mark.parametrize("words", [["--resume", "store"], ["--engine", "ray"]])
def test_layers_that_depend_on_each_other_are_built_here_in_one_go(tombola, tiny, tmp_path, words):
    result = tombola("construct", *tiny, "-o", "x.ticket", "--depth", "one-extra", *words)
    assert (result.code, result.out) == (2, "")
    assert "one_extra needs each layer for the one before it" in result.complaint
    assert not (tmp_path / "x.ticket").exists()


def test_a_folder_to_resume_from_is_a_folder(tombola, tiny):
    result = tombola("construct", *tiny, "-o", "x.ticket", "--resume", "tiny.safetensors")
    assert result.code == 2
    assert "tiny.safetensors: File exists" in result.complaint


def test_an_absolute_tolerance_is_in_the_unit_of_the_weights(tombola, tiny):
    record = tombola("construct", *tiny, "-o", "x.ticket", "--absolute", "--weight-epsilon", 0.002, "--json").record
    assert record["absolute"]
    assert 0 < record["max_weight_error"] <= 0.002


def test_a_wanted_output_error_is_proved(tombola, tiny):
    words = ("construct", *tiny, "-o", "x.ticket", "--epsilon", 0.001)
    record = tombola(*words, "--json").record
    assert record["certificate"]["bound"] <= 0.001 == record["epsilon"]
    assert "at most 0.001: met" in tombola(*words).out


@pytest.mark.parametrize("strict", [False, True])
def test_a_tolerance_that_is_missed_is_a_failed_check_only_if_strict(tombola, tiny, tmp_path, monkeypatch, strict):
    monkeypatch.setattr("tombola.strong._construct.ATTEMPTS", 1)
    words = ("construct", *tiny, "-o", "x.ticket", "--epsilon", 1e-5, *["--strict"] * strict)
    result = tombola(*words, "--json")
    assert result.code == int(strict)
    assert (tmp_path / "x.ticket").exists() is not strict
    assert result.record["ticket"] == (None if strict else "x.ticket")
    shown = tombola(*words)
    assert "NOT MET" in shown.out
    assert ("next:" in shown.out) is not strict
    assert not strict or "tolerance" in shown.complaint


@pytest.mark.parametrize(
    ("words", "covered"),
    [
        ((), "||x|| <= 1"),
        (("--radius", "2.5"), "||x|| <= 2.5"),
        (("--inputs", "positive-ball"), "x >= 0, ||x|| <= 1"),
        (("--inputs", "box", "--radius", "2"), "[-2, 2]^3"),
        (("--inputs", "positive-box", "--radius", "2"), "[0, 2]^3"),
    ],
)
def test_the_certificate_is_for_the_inputs_that_were_named(tombola, tiny, words, covered):
    record = tombola("construct", *tiny, "-o", "x.ticket", *words, "--json").record
    assert record["certificate"]["set"] == covered


def test_the_inputs_follow_from_the_scaling_where_the_file_knows_it(made):
    assert made("construct", "net.safetensors", "-o", "x.ticket", "--json").record["certificate"]["set"] == "[0, 1]^64"


UNUSUAL = {
    "a zero": lambda state: state["fc1.weight"][0].zero_(),
    "a layer of zeros": lambda state: state["fc1.weight"].zero_(),
    "a layer of zeros without biases": lambda state: (state["fc1.weight"].zero_(), state["fc1.bias"].zero_()),
    "zeros": lambda state: [value.zero_() for value in state.values()],
    "large": lambda state: [value.mul_(1e6) for value in state.values()],
    "tiny": lambda state: [value.mul_(1e-30) for value in state.values()],
    "one tiny": lambda state: state["fc2.weight"][0, 0].fill_(1e-30),
    "no biases": lambda state: [state.pop(name) for name in ("fc1.bias", "fc2.bias")],
}


SCALE = pytest.mark.xfail(reason="one-extra carries biases on a unit that is 1, out of proportion to such weights")


@pytest.mark.parametrize(
    ("name", "depth"),
    [
        pytest.param(name, depth, marks=SCALE if (name, depth) == ("tiny", "one-extra") else ())
        for name in UNUSUAL
        for depth in ("two-layer", "one-extra")
    ],
)
def test_unusual_weights_are_built_and_verified(tombola, tmp_path, name, depth):
    save_file(tiny_state(UNUSUAL[name]), tmp_path / "odd.safetensors")
    options = ("--model", TINY, "--json")
    record = tombola("construct", "odd.safetensors", "-o", "x.ticket", "--depth", depth, *options).record
    assert record["failures"] == 0
    assert record["max_weight_error"] <= 0.01
    assert tombola("verify", "x.ticket", "--target", "odd.safetensors", *options).record["ok"]


@pytest.mark.parametrize("widths", ["1-1", "1-1-1", "3-1-1-2"])
def test_layers_of_one_unit(tombola, tmp_path, widths):
    sizes, draw = [int(width) for width in widths.split("-")], torch.Generator().manual_seed(1)
    state = {f"{k}.weight": torch.randn(sizes[k + 1], sizes[k], generator=draw) for k in range(len(sizes) - 1)}
    torch.save(state, tmp_path / "thin.pt")
    options = ("--model", f"mlp:{widths}", "--json")
    assert tombola("construct", "thin.pt", "-o", "x.ticket", *options).record["failures"] == 0
    assert tombola("verify", "x.ticket", "--target", "thin.pt", *options).record["ok"]


def broken(value):
    def change(state):
        state["fc1.weight"][1, 2] = value

    return change


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers(tombola, tmp_path, value):
    save_file(tiny_state(broken(value)), tmp_path / "odd.safetensors")
    result = tombola("construct", "odd.safetensors", "--model", TINY, "-o", "x.ticket")
    assert result.code == 2
    assert "fc1.weight has 1 values that are NaN or infinite" in result.complaint
    assert not (tmp_path / "x.ticket").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--weight-epsilon", "0"], "weight_epsilon must be a positive finite number"),
        (["--weight-epsilon=-1"], "weight_epsilon must be a positive finite number"),
        (["--weight-epsilon", "nan"], "weight_epsilon must be a positive finite number"),
        (["--weight-epsilon", "1e-12"], "ask for a coarser one"),
        (["--absolute", "--weight-epsilon", "1e-12"], "ask for a coarser one"),
        (["--epsilon", "0"], "epsilon must be a positive finite number"),
        (["--epsilon", "1e-30"], "coarser"),
        (["--seed=-1"], "2**64"),
        ([f"--seed={2**64}"], "2**64"),
        (["--radius", "0"], "radius must be a positive finite number"),
        (["--radius", "inf"], "radius must be a positive finite number"),
    ],
)
def test_numbers_out_of_range(tombola, tiny, tmp_path, words, said):
    result = tombola("construct", *tiny, "-o", "x.ticket", *words)
    assert (result.code, result.out) == (2, "")
    assert said in result.complaint
    assert not (tmp_path / "x.ticket").exists()


def test_a_file_has_to_be_named(tombola, tiny):
    assert "-o" in tombola("construct", *tiny).complaint
    assert "does not say which model it is of" in tombola("construct", "tiny.safetensors", "-o", "x.ticket").complaint
    assert "it lacks fc3" in tombola("construct", "tiny.safetensors", "--model", "lenet-300-100", "-o", "x").complaint
    assert "no.safetensors: No such file" in tombola("construct", "no.safetensors", "-o", "x.ticket").complaint
    assert ".: Is a directory" in tombola("construct", ".", "-o", "x.ticket").complaint


def test_a_target_is_not_overwritten(tombola, tiny, tmp_path):
    before = (tmp_path / "tiny.safetensors").read_bytes()
    result = tombola("construct", *tiny, "-o", tmp_path / "tiny.safetensors")
    assert result.code == 2
    assert "write to another file" in result.complaint
    assert (tmp_path / "tiny.safetensors").read_bytes() == before


@pytest.mark.parametrize(("output", "said"), [(".", "not a regular file"), ("no/x.ticket", "folder to write in")])
def test_a_ticket_that_cannot_be_written_is_found_out_before_the_work(
    tombola, tiny, tmp_path, monkeypatch, output, said
):
    def built(*_, **__):
        raise AssertionError("it was built")

    monkeypatch.setattr("tombola.strong.construct", built)
    result = tombola("construct", *tiny, "-o", output)
    assert result.code == 2
    assert said in result.complaint
    assert not temporary_files(tmp_path)


def test_a_convolution_is_no_target(tombola, tmp_path):
    (tmp_path / "here_conv.py").write_text(
        "from torch import nn\n"
        "def net():\n"
        "    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.Flatten(), nn.Linear(8, 2))\n"
    )
    conv, linear = torch.nn.Conv2d(1, 2, 3), torch.nn.Linear(8, 2)
    state = {f"{k}.{name}": value for k, part in ((0, conv), (2, linear)) for name, value in part.state_dict().items()}
    torch.save(state, tmp_path / "conv.pt")
    result = tombola("construct", "conv.pt", "--model", "here_conv:net", "-o", "x.ticket")
    assert (result.code, result.out) == (2, "")
    assert "Conv2d; supported are Linear" in result.complaint
