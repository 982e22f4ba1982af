import math

import pytest
import torch

from tombola.cost import cost
from tombola.data import load
from tombola.models import build
from tombola.prune import CRITERIA, geometric, prune
from tombola.random_source import Source, Uniform
from tombola.runs import scoring_batches
from tombola.scores import effective_density
from tombola.ticket import load_ticket

QUICK = ("prune", "digits", "mlp:64-20-10", "-o", "t.ticket")


def weights_of(path):
    return {name: mask for name, mask in load_ticket(path).masks().items() if name.endswith("weight")}


def begun(seed=0):
    """The network at the addresses of a seed, with torch's own laws, and a generator that has built one before."""
    generator, source = torch.Generator().manual_seed(seed), Source(seed)
    net = build("mlp:64-20-10", input_shape=(1, 8, 8), classes=10, generator=generator)
    laws = {"fc1": Uniform(1 / 8), "fc2": Uniform(1 / math.sqrt(20))}
    state = {n: source.tensor(n, laws[n.partition(".")[0]], value.shape) for n, value in net.named_parameters()}
    net.load_state_dict(state)
    return net, generator


def test_the_ticket_holds_the_masks_of_prune_and_the_seed_of_the_weights(tombola, tmp_path):
    result = tombola(*QUICK, "--score", "snip", "--density", 0.1, "--seed", 5)
    assert (result.code, result.err) == (0, "")
    net, generator = begun(5)
    batches = scoring_batches(load("digits"), 1, generator=generator)
    wanted = prune(net, batches, score=CRITERIA["snip"].score, density=0.1)
    found = weights_of(tmp_path / "t.ticket")
    assert all(mask.equal(found[name]) for name, mask in wanted.items())
    ticket = load_ticket(tmp_path / "t.ticket")
    assert (ticket.source, ticket.values) == (Source(5), {})
    for name, value in net.named_parameters():
        drawn = torch.from_numpy(ticket.block(name, 0, len(value))).view(value.shape)
        torch.testing.assert_close(drawn, value.detach(), rtol=0, atol=0)


def test_the_file_is_a_seed_and_masks_that_verify(tombola, tmp_path):
    tombola("prune", "digits", "lenet-300-100", "--density", 0.05, "-o", "t.ticket")
    assert (tmp_path / "t.ticket").stat().st_size < 4 * 50_610 / 30
    result = tombola("verify", "t.ticket")
    assert result.code == 0
    assert "every check holds" in result.out


def test_of_normalisations_constants_are_saved(tombola, tmp_path):
    tombola("prune", "digits", "resnet-20x0.25", "--score", "magnitude", "-o", "t.ticket")
    values = load_ticket(tmp_path / "t.ticket").values
    assert len(values) == 2 * 21  # two of them in shortcuts
    assert {float(value) for array in values.values() for value in array.flat} == {0.0, 1.0}
    assert tombola("verify", "t.ticket").code == 0


def test_what_a_factory_returns_keeps_its_values(tombola, tmp_path):
    code = "from torch import nn\n\ndef net():\n    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))\n"
    (tmp_path / "ours_pruned.py").write_text(f"{code}    nn.init.constant_(model[1].bias, 7)\n    return model\n")
    result = tombola("prune", "digits", "ours_pruned:net", "-o", "t.ticket")
    assert (result.code, result.err) == (0, "")
    ticket = load_ticket(tmp_path / "t.ticket")
    assert (ticket.source, ticket.record["network"]["model"]) == (None, "ours_pruned:net")
    assert (ticket.values["1.bias"] == 7).all()
    assert tombola("verify", "t.ticket").code == 0


def test_the_table_has_a_row_for_each_weight(tombola):
    lines = tombola(*QUICK, "--score", "magnitude", "--density", "0.1").out.splitlines()
    assert lines[0] == "magnitude on mlp:64-20-10, digits, seed 0"
    assert lines[1] == "multiply-adds: 148 of 1,480 dense"
    assert [line.split()[0] for line in lines[-4:]] == ["fc1.weight", "fc2.weight", "all", "next:"]
    assert lines[-2].split() == ["all", "1,480", "148", "0.1"]


def test_json_says_all_that_is_known(tombola, tmp_path):
    record = tombola(*QUICK, "--score", "random", "--allocate", "erk", "--density", "0.3", "--json").record
    assert {"score", "sampled", "density", "kept", "prunable", "per_layer", "effective_density", "collapsed"} <= set(
        record
    )
    assert (record["score"], record["sampled"], record["kept"], record["prunable"]) == ("random", False, 444, 1480)
    masks, (net, _) = weights_of(tmp_path / "t.ticket"), begun()
    assert record["per_layer"] == {
        name: {"size": mask.numel(), "kept": int(mask.sum())} for name, mask in masks.items()
    }
    example = torch.zeros(1, 1, 8, 8)
    assert record["effective_density"] == effective_density(net, masks, example)
    found = cost(net, example, masks)
    assert record["multiply_adds"] == {"dense": found.multiply_adds, "kept": found.kept_multiply_adds}
    assert record["parameters"] == {"dense": 1510, "kept": 1510 - 1480 + 444}
    assert record["bytes"] == {"dense": 4 * 1510, "kept": 4 * 474 + 1480 // 8}
    assert record["not_counted"] == []
    assert record["collapsed"] is False
    assert "accuracy" not in record


def test_a_network_without_a_path_is_said_to_have_collapsed(tombola):
    result = tombola("prune", "digits", "lenet-300-100", "--score", "magnitude", "--density", "0.1", "-o", "x")
    assert "COLLAPSED: no path of kept weights" in result.out
    record = tombola("prune", "digits", "lenet-300-100", "--score", "magnitude", "-o", "x", "--json").record
    assert (record["collapsed"], record["effective_density"]) == (True, 0)
    assert record["per_layer"]["fc2.weight"]["kept"] == 0


def test_rounds_are_as_published_and_as_they_are_asked_for(tombola, tmp_path):
    net, generator = begun()
    for words, rounds in (((), 100), (("--rounds", 3), 3)):
        tombola(*QUICK, "--score", "synflow", "--density", "0.05", *words)
        batches = scoring_batches(load("digits"), 1, generator=generator)
        wanted = prune(net, batches, score=CRITERIA["synflow"].score, density=geometric(0.05, rounds))
        found = weights_of(tmp_path / "t.ticket")
        assert all(mask.equal(found[name]) for name, mask in wanted.items())


def test_samples_are_not_what_top_keeps_and_the_seed_is_theirs_too(tombola, tmp_path):
    def kept(*words):
        tombola(*QUICK, "--density", 0.2, *words)
        return weights_of(tmp_path / "t.ticket")["fc1.weight"]

    first = kept("--sample", "--temperature", 1.5, "--mixture", 0.1)
    assert first.equal(kept("--sample", "--temperature", 1.5, "--mixture", 0.1))
    assert not first.equal(kept())
    assert kept("--sample", "--temperature", 0).equal(kept())
    assert not kept("--noise").equal(kept())
    assert not kept("--batches", 5).equal(kept())


def test_structures_stay_as_a_whole(tombola, tmp_path):
    def kept(*words):
        assert tombola(*QUICK, "--exclude", "fc2*", *words).code == 0
        return weights_of(tmp_path / "t.ticket")["fc1.weight"]

    blocks = kept("--density", 0.25, "--structure", "4x8")
    assert blocks.view(-1, 4, 8, 8).float().mean((1, 3)).unique().tolist() == [0.0, 1.0]
    neighbours = kept("--density", 0.5, "--structure", "2:4")
    assert neighbours.view(-1, 4).sum(1).unique().tolist() == [2]
    outputs = kept("--density", 0.25, "--structure", "channels")
    assert outputs.float().mean(1).unique().tolist() == [0.0, 1.0]


def test_patterns_say_what_is_pruned(tombola):
    record = tombola(*QUICK, "--exclude", "fc2*", "--json").record
    assert list(record["per_layer"]) == ["fc1.weight"]
    record = tombola(*QUICK, "--only", "fc2.*", "--json").record
    assert list(record["per_layer"]) == ["fc2.weight"]
    assert record["kept"] == 20


def test_what_is_left_is_trained(tombola):
    words = (*QUICK, "--density", "0.5", "--train", "--steps", 300)
    record = tombola(*words, "--json").record
    assert 0.8 < record["accuracy"] < 1
    assert f"test accuracy, trained: {record['accuracy']:.4g}" in tombola(*words).out


def test_several_criteria_side_by_side_in_a_folder(tombola, tmp_path):
    words = ("prune", "digits", "mlp:64-8-10", "--compare", "--score", "snip,random", "--density", "0.1,0.5")
    words = (*words, "--seed", "0,1", "--steps", 20, "--sample", "--exclude", "fc2*", "-o", "study")
    record = tombola(*words, "--json").record
    assert record["run_now"] == 6
    assert {line["method"] for line in record["summary"]} == {"prune-snip", "prune-snip-sampled", "prune-random"}
    assert {line["seeds"] for line in record["summary"]} == {2}
    assert sorted({line["density"] for line in record["summary"]}) == pytest.approx([51 / 512, 0.5, 1.0])
    again = tombola(*words)
    assert ", 0 run now" in again.out
    assert again.out.endswith("next: tombola runs list study\n")
    assert len(list(tmp_path.glob("study/*/levels/02/level.ticket"))) == 6


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--score", "snipp"], "unknown score 'snipp'; did you mean 'snip'? There are random, magnitude, "),
        (["--allocate", "erkk"], "unknown allocation 'erkk'; did you mean 'erk'?"),
        (["--density", "0"], "density is the kept fraction and lies in (0, 1], got 0.0"),
        (["--density", "1.5"], "lies in (0, 1], got 1.5"),
        (["--density", "half"], "--density takes a number, or some with commas between; got 'half'"),
        (["--density", "0.1,0.1", "--compare"], "--density has a number twice"),
        (["--density", "0.1,0.2"], "say --compare"),
        (["--seed", "0,1"], "say --compare"),
        (["--seed", "-1"], "seed must be an integer from 0"),
        (["--exclude", "conv*"], "'conv*' matches no weight; there are fc1.weight, fc2.weight"),
        (["--exclude", "*"], "nothing to prune"),
        (["--mixture", "0.1"], "nothing is drawn without --sample; leave --mixture out"),
        (["--sample", "--mixture", "2"], "mixture lies in [0, 1]"),
        (["--structure", "4"], "--structure takes blocks as 4x4, neighbours as 2:4, or channels; got '4'"),
        (["--structure", "0x4"], "the sides of a block are at least 1"),
        (["--structure", "2:4", "--density", "0.6"], "ask for fewer"),
        (["--structure", "4x4", "--sample"], "--sample draws single weights; leave --structure out"),
        (["--structure", "4x4", "--compare"], "leave --structure out"),
        (["--steps", "5"], "nothing is trained without --train; leave --steps out"),
        (["--compare", "--train", "--rounds", "3"], "leave --rounds, --train out"),
        (["--compare", "--density", "0"], "densities"),
        (["--score", "phew", "--density", "0.7"], "densities up to 0.5"),
        (["--rounds", "0"], "--rounds"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(tombola, tmp_path, words, said):
    result = tombola(*QUICK, *words)
    assert (result.code, result.out) == (2, "")
    assert said in result.complaint
    assert list(tmp_path.iterdir()) == []
