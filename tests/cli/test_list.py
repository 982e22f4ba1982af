import pytest

from tombola import data, models, subset_sum


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
