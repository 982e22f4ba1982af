import json
import math

import pytest
import torch

from tombola import search
from tombola.cli._output import shown
from tombola.cli._search_outcome import is_unchanged
from tombola.data import load
from tombola.models import build
from tombola.random_source import Normal, SignedConstant, Source, he
from tombola.search import METHODS, Searched, mask_bits, occam_bound
from tombola.ticket import load_ticket, unpack
from tombola.training import Trainer, evaluate, sgd

QUICK = ("search", "digits", "mlp:64-20-10", "--steps", 30, "-o", "t.ticket")


def network_of(ticket):
    """The network that a ticket stands for, made of the file alone."""
    net = build("mlp:64-20-10", input_shape=(1, 8, 8), classes=10, bias=False, generator=torch.Generator())
    masks = ticket.masks()
    for name, value in net.named_parameters():
        drawn = ticket.source.tensor(name, ticket.tensors[name].law, value.shape)
        value.data = torch.where(masks[name], drawn, 0.0)
    return net


def drawn_again(ticket):
    """How often each kept weight of a ticket was drawn again, by parameter."""
    found = {}
    for name, tensor in ticket.tensors.items():
        masks = [torch.from_numpy(unpack(mask)) for mask in (tensor.mask, *tensor.generations)]
        found[name] = sum(number * mask.short() for number, mask in enumerate(masks))
    return found


def test_the_file_alone_gives_the_accuracy_that_is_said(tombola, tmp_path):
    result = tombola(*QUICK, "--steps", 120, "--seed", 5, "--json")
    assert result.code == 0
    ticket, digits = load_ticket(tmp_path / "t.ticket"), load("digits")
    net = network_of(ticket)
    assert result.record["accuracy"] == evaluate(net, *digits.test()).accuracy > 0.5
    train = evaluate(net, *digits.train())
    assert result.record["train_errors"] == train.count - train.correct
    assert ticket.source == Source(5)
    assert ticket.values == {}
    assert ticket.tensors["fc2.weight"].law == SignedConstant(math.sqrt(2 / 20))


def test_json_says_all_that_is_known(tombola, tmp_path):
    record = tombola(*QUICK, "--density", 0.25, "--json").record
    assert (record["ticket"], record["method"], record["kept"], record["searched"]) == (
        "t.ticket",
        "edge-popup",
        370,
        1480,
    )
    assert record["density"] == 0.25
    assert record["per_layer"]["fc1.weight"] == {"size": 1280, "kept": 320}
    assert record["bytes"] == (tmp_path / "t.ticket").stat().st_size < record["dense_bytes"] == 4 * 1480
    assert record["source_unchanged"] is True
    bits = mask_bits({name: mask for name, mask in load_ticket(tmp_path / "t.ticket").masks().items()})
    assert record["mask_bits"] == pytest.approx(bits)
    assert record["other_bits"] == 0  # neither batch norm nor a scaling that follows from the data
    bound = occam_bound(record["train_errors"], 1437, record["mask_bits"], classes=10)
    assert (record["occam_bound"], record["vacuous"]) == (bound.bound, bound.is_vacuous)


def test_a_sparse_mask_on_a_small_network_promises_something(tombola):
    result = tombola(*QUICK, "--steps", 400, "--density", 0.1, "--scaled")
    assert "test error at most 0." in result.out
    wide = ("search", "digits", "mlp:64-200-10", "--steps", 5, "-o", "wide.ticket")
    assert "nothing is promised of the test error, guessing among 10 does as well" in tombola(*wide).out


def test_people_are_told_the_same(tombola):
    lines = tombola(*QUICK).out.splitlines()
    assert lines[0].startswith("edge-popup on mlp:64-20-10, digits, seed 0: ")
    assert lines[1].startswith("test accuracy: 0.")
    assert "no weight was trained: each is 0, or what a second generator finds at its address" in lines
    assert [line.split()[0] for line in lines[-4:]] == ["fc1.weight", "fc2.weight", "all", "next:"]
    assert lines[-2].split() == ["all", "1,480", "740", "0.5"]
    assert lines[-1] == "next: tombola verify t.ticket"


@pytest.mark.parametrize("method", METHODS)
def test_every_method_writes_a_ticket_that_verifies(tombola, tmp_path, method):
    record = tombola(*QUICK, "--method", method, "--density", 0.3, "--json").record
    assert (record["method"], record["kept"], record["source_unchanged"]) == (method, 444, True)
    assert tombola("verify", "t.ticket", "--json").record["ok"]
    kept = load_ticket(tmp_path / "t.ticket").record["search"]
    assert (kept["method"], kept["accuracy"], kept["data"]) == (method, record["accuracy"], "digits")
    said = f"searched: {method} on mlp:64-20-10, digits, no weight was trained; test accuracy {shown(kept['accuracy'])}"
    assert said in tombola("info", "t.ticket").out.splitlines()
    assert tombola("info", "t.ticket", "--json").record["search"] == kept


def test_every_method_of_the_package_has_a_name():
    made = {name for name in search.__all__ if hasattr(getattr(search, name), "__annotations__")}
    methods = {name for name in made if getattr(search, name).__annotations__.get("return") == "Method"}
    assert methods
    assert {named.function.__name__ for named in METHODS.values()} == methods
    assert all(name == named.function.__name__.replace("_", "-") for name, named in METHODS.items())


def test_every_method_is_listed_with_what_it_does(tombola):
    assert tombola("list", "searches", "--json").record == {
        "searches": {name: named.text for name, named in METHODS.items()}
    }


def test_weights_drawn_again_are_in_the_ticket_and_cost_bits(tombola, tmp_path):
    record = tombola(*QUICK, "--method", "iterand", "--steps", 650, "--json").record
    ticket = load_ticket(tmp_path / "t.ticket")
    assert record["drawn_again"] > 0
    again = drawn_again(ticket)
    assert record["drawn_again"] == sum(int((each > 0).sum()) for each in again.values())
    assert record["mask_bits"] > mask_bits(ticket.masks())
    assert record["mask_bits"] == pytest.approx(mask_bits(ticket.masks(), generations=again, possible=3))


def test_options_say_what_the_network_is_filled_with(tombola, tmp_path):
    def laws(*words):
        assert tombola(*QUICK, *words).code == 0
        return {name: tensor.law for name, tensor in load_ticket(tmp_path / "t.ticket").tensors.items()}

    assert laws("--weights", "normal")["fc1.weight"] == he("fc1.weight", torch.zeros(20, 64))
    assert laws("--scaled", "--density", 0.25)["fc2.weight"] == SignedConstant(2 * math.sqrt(2 / 20))
    found = laws("--biases", 0.25)
    assert set(found) == {"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"}
    assert found["fc2.bias"] == Normal(0.25)


def test_layers_keep_the_same_share_unless_all_are_compared(tombola):
    words = (*QUICK, "--density", 0.1, "--json")
    assert {each["kept"] / each["size"] for each in tombola(*words).record["per_layer"].values()} == {0.1}
    together = tombola(*words, "--all-layers").record
    assert together["kept"] == 148
    assert {each["kept"] for each in together["per_layer"].values()} != {128, 20}


def test_a_seed_is_all_that_chance_has(tombola, tmp_path):
    files = []
    for words in ((), (), ("--seed", 1)):
        tombola(*QUICK, *words)
        files.append((tmp_path / "t.ticket").read_bytes())
    assert files[0] == files[1] != files[2]


def test_normalisations_are_said_to_be_frozen_and_their_statistics_cost_bits(tombola, tmp_path):
    (tmp_path / "small.py").write_text(
        "from torch import nn\n"
        "def net():\n"
        "    layers = nn.Linear(64, 12, bias=False), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 10, bias=False)\n"
        "    return nn.Sequential(nn.Flatten(), *layers)\n"
    )
    words = ("search", "digits", "small:net", "--steps", 20, "-o", "t.ticket")
    record = tombola(*words, "--json").record
    assert record["other_bits"] == 32 * 24
    assert record["source_unchanged"] is True
    out = tombola(*words).out
    assert "frozen at 1 or 0, not searched: 2 parameters, as 2.weight" in out
    assert "statistics of batch norm" in out


def test_a_network_whose_weights_moved_is_not_unchanged():
    digits = load("digits")
    net = build("mlp:64-20-10", input_shape=(1, 8, 8), classes=10, bias=False, generator=torch.Generator())
    train = Trainer(digits, 5, optimiser=sgd(0.1))
    found = search.search(net, train, method=search.edge_popup(), density=0.5, source=Source(0), steps=5)
    assert is_unchanged(found.ticket, found.model)
    weight = found.model.get_parameter("fc2.weight")
    kept = found.masks["fc2.weight"].nonzero()[0]
    with torch.no_grad():
        weight[tuple(kept)] *= 1 + 2**-23  # by a last bit
    assert not is_unchanged(found.ticket, found.model)


def test_a_layer_that_keeps_nothing_is_said_to_have_collapsed(tombola):
    out = tombola(*QUICK, "--all-layers", "--density", 0.05).out  # first scores of the wider fan-in are smaller
    assert "COLLAPSED: nothing is left of fc1.weight" in out


def test_the_scores_are_all_that_is_trained(tombola, monkeypatch):
    seen = []
    made = Searched.__init__

    def watched(self, *arguments, **options):
        made(self, *arguments, **options)
        seen.append({name for name, value in self.named_parameters() if value.requires_grad})

    monkeypatch.setattr(Searched, "__init__", watched)
    tombola(*QUICK)
    assert seen == [{"_scores.0", "_scores.1"}]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--method", "edge-popp"], "unknown method of search 'edge-popp'; did you mean 'edge-popup'? There are edge"),
        (["--density", "0"], "density"),
        (["--density", "1.5"], "density"),
        (["--density", "-1", "--scaled"], "density must lie in (0, 1], got -1"),
        (["--biases", "0"], "--biases is a positive spread, got 0.0"),
        (["--biases", "nan"], "--biases is a positive spread"),
        (["--learning-rate", "0"], "the learning rate must be positive"),
        (["--learning-rate", "nan"], "the learning rate must be positive"),
        (["--seed", "-1"], "seed must be an integer from 0"),
        (["--weights", "uniform"], "'signed-constant', 'normal'"),
        (["--steps", "0"], "--steps"),
        (["-o", "nowhere/t.ticket"], "nowhere: the folder to write in does not exist"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(tombola, tmp_path, words, said):
    result = tombola(*QUICK, *words)
    assert (result.code, result.out) == (2, "")
    assert said in result.complaint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("data", "model", "said"),
    [("digitz", "mlp:64-9-10", "digitz"), ("digits", "mlp:63-9-10", "63"), ("digits", "no:where", "no")],
)
def test_data_and_models_that_do_not_fit_are_bad_input(tombola, tmp_path, data, model, said):
    result = tombola("search", data, model, "-o", "t.ticket")
    assert (result.code, result.out) == (2, "")
    assert said in result.complaint
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_there_stays_when_a_search_fails(tombola, tmp_path):
    (tmp_path / "t.ticket").write_text("mine")
    assert tombola(*QUICK, "--density", "0").code == 2
    assert (tmp_path / "t.ticket").read_text() == "mine"
    record = json.loads(tombola(*QUICK, "--json").out)
    assert record["bytes"] > 4
