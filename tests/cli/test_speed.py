"""`tombola speed` times networks from every kind of file; how fast they are depends on the machine."""

import pytest

from tombola import Ticket
from tombola.deploy import _choices, _compile

WORDS = ("net.safetensors", "--model", "mlp:40-60-3")


@pytest.fixture(autouse=True)
def short(monkeypatch):
    for module in (_choices, _compile):
        monkeypatch.setattr(module, "ROUNDS", 6)
        monkeypatch.setattr(module, "SECONDS", 0.0)


def test_json(sparse_net, tombola):
    record = tombola("speed", *WORDS, "--batches", "8,1", "--json").record
    assert (record["network"], record["threads"]) == ("mlp:40-60-3", 1)
    assert [one["batch"] for one in record["batches"]] == [1, 8]
    for one in record["batches"]:
        assert one["form"] in {"masked", "compacted", "sparse"}
        assert one["ratio"]["low"] <= one["ratio"]["median"] <= one["ratio"]["high"]
        assert one["deployed_per_second"] == 1000 * one["batch"] / one["deployed_ms"]
        assert one["form"] != "masked" or one["dense_ms"] == one["deployed_ms"]
    layers = [(one["layer"], one["batch"]) for one in record["layers"]]
    assert layers == [("fc1", 1), ("fc2", 1), ("fc1", 8), ("fc2", 8)]
    first = record["layers"][0]
    alive = (sparse_net.fc2.weight != 0).any(0)
    assert first["shape"][1] == 40
    assert first["shape"][0] <= int(alive.sum())
    assert {one["layout"] for one in record["layers"]} <= {"dense", "sparse", "csr", "joined"}
    assert set(first["milliseconds"]) == {"dense", "sparse", "csr"}


def test_tables(sparse_net, tombola):
    lines = tombola("speed", *WORDS, "--batches", "4", "--threads", "2").out.splitlines()
    assert lines[0] == "mlp:40-60-3, 2 threads, medians"
    assert lines[1].split("  ")[1:3] == ["batch", " runs"]
    assert "layers that could be sparse" in lines
    assert [line.split()[0] for line in lines[-2:]] == ["fc1", "fc2"]


@pytest.mark.parametrize("verb", ["prune", "construct"])
def test_tickets_need_no_more_than_their_file(tombola, verb):
    if verb == "prune":
        assert tombola("prune", "digits", "mlp:64-20-10", "--density", "0.1", "-o", "t.ticket").code == 0
    else:
        tombola("train", "digits", "mlp:64-5-10", "-o", "net.safetensors")
        assert tombola("construct", "net.safetensors", "-o", "t.ticket").code == 0
    record = tombola("speed", "t.ticket", "--batches", "1", "--json").record
    assert record["network"] == {"prune": "mlp:64-20-10", "construct": "strong ticket"}[verb]
    assert record["layers"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["speed", "none.ticket"], "none.ticket: No such file or directory"),
        (["speed", *WORDS, "--batches", "1,x"], "--batches takes a number"),
        (["speed", *WORDS, "--batches", "0"], "batches are sizes of 1 or more"),
        (["speed", "net.safetensors"], "mlp:"),
        (
            ["speed", "bare.ticket"],
            "bare.ticket says nothing of the network that its masks are for; name it with --model",
        ),
        (["speed", "bare.ticket", "--model", "mlp:40-61-3"], "bare.ticket does not fit mlp:40-61-3"),
    ],
)
def test_bad_input_is_said_in_one_line(sparse_net, tombola, tmp_path, words, said):
    masks = {"fc1.weight": sparse_net.fc1.weight.detach() != 0}
    Ticket.from_masks(sparse_net, masks).save(tmp_path / "bare.ticket")
    result = tombola(*words)
    assert result.code == 2
    assert said in result.complaint


def test_a_bare_ticket_with_the_name_of_its_network(sparse_net, tombola, tmp_path):
    Ticket.from_masks(sparse_net, {"fc1.weight": sparse_net.fc1.weight.detach() != 0}).save(tmp_path / "bare.ticket")
    record = tombola("speed", "bare.ticket", "--model", "mlp:40-60-3", "--batches", "1", "--json").record
    assert [one["layer"] for one in record["layers"]] == ["fc1", "fc2"]


def test_a_searched_network_with_batch_norm_is_refused(tombola):
    made = tombola("search", "digits", "resnet-20x0.25", "--steps", "2", "-o", "s.ticket")
    assert made.code == 0, made.err
    assert "holds no statistics of batch norm" in tombola("speed", "s.ticket").complaint
