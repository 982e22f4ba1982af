import pytest
import torch
from torch.nn.functional import cross_entropy

from tombola import data, models, subset_sum
from tombola.prune import ALLOCATIONS, CRITERIA
from tombola.runs import METHODS


@pytest.mark.parametrize(("topic", "names"), [("models", models.NAMES), ("data", data.NAMES)])
def test_every_name_is_listed_with_what_it_stands_for(tombola, topic, names):
    assert tombola("list", topic, "--json").record == {topic: names}
    out = tombola("list", topic).out
    for name, meaning in names.items():
        assert f"  {name} " in out
        assert meaning in out


def test_a_listed_objective_is_one_that_construct_takes(tombola, tiny):
    names = tombola("list", "objectives", "--json").record["objectives"]
    assert len(names) > 1
    for name in names:
        assert tombola("construct", *tiny, "--objective", name, "--dry-run").code == 0


def test_a_listed_construction_is_one_that_construct_takes(tombola, tiny):
    names = tombola("list", "constructions", "--json").record["constructions"]
    assert len(names) > 5
    for name in names:
        words = ("--construction", name.replace("K", "2"), "--weight-epsilon", "0.3", "--inputs", "positive-box")
        record = tombola("construct", *tiny, *words, "-o", "x.ticket", "--json").record
        assert record["construction"] == name.replace("K", "2")
        assert tombola("verify", "x.ticket", "--target", *tiny, "--json").record["ok"]


def test_objectives_are_solvers(tombola):
    names = tombola("list", "objectives", "--json").record["objectives"]
    assert all(callable(getattr(subset_sum, name)) for name in names)


@pytest.mark.parametrize(("topic", "table"), [("scores", CRITERIA), ("allocations", ALLOCATIONS)])
def test_every_score_and_allocation_has_a_line_of_its_own(tombola, topic, table):
    names = tombola("list", topic, "--json").record[topic]
    assert list(names) == list(table)
    assert all(len(text) > 10 and text[0].islower() and not set("`[]") & set(text) for text in names.values())
    assert len(set(names.values())) == len(names)
    out = tombola("list", topic).out
    assert all(f"  {name} " in out and text in out for name, text in names.items())


def scored(name, *, inputs=0, labels=0):
    """The scores of a small network, on one of two sets of inputs and of labels."""
    generator = torch.Generator().manual_seed(7)
    net = models.build("mlp:6-5-3", generator=generator)
    x, y = torch.rand(2, 12, 6, generator=generator)[inputs], torch.arange(12) % 3
    masks = {key: torch.ones_like(net.get_parameter(key), dtype=torch.bool) for key in ("fc1.weight", "fc2.weight")}
    batches = [(x, y.roll(labels))]
    draw = torch.Generator().manual_seed(1)
    return CRITERIA[name].score(net, batches, masks=masks, loss=cross_entropy, generator=draw)


@pytest.mark.parametrize("name", CRITERIA)
def test_a_line_says_whether_a_score_sees_data_and_labels_and_in_how_many_rounds(tombola, name):
    text = tombola("list", "scores", "--json").record["scores"][name]
    first, other_data, other_labels = scored(name), scored(name, inputs=1), scored(name, labels=1)
    assert ("on data" in text) == any(not first[key].equal(other_data[key]) for key in first)
    sees_labels = any(not first[key].equal(other_labels[key]) for key in first)
    assert ("on data" in text and "without labels" not in text) == sees_labels
    rounds = CRITERIA[name].rounds
    assert (f"; {rounds} rounds" in text) == ("rounds" in text.rpartition(";")[2]) == (rounds > 1)


def test_every_method_of_sweeps_is_listed_and_no_other(tombola):
    names = tombola("list", "methods", "--json").record["methods"]
    patterns = {name for name in names if "NAME" in name}
    pruned = {pattern.replace("NAME", score) for pattern in patterns for score in CRITERIA}
    without = {"prune-random-sampled", "prune-phew-sampled"}  # as the list says
    assert set(names) - patterns | pruned - without == set(METHODS)
    assert patterns == {"prune-NAME", "prune-NAME-sampled"}


def test_another_topic_is_bad_input_and_the_topics_are_named(tombola):
    result = tombola("list", "score")
    assert result.code == 2
    assert all(f"'{topic}'" in result.complaint for topic in ("scores", "allocations", "methods", "models"))
