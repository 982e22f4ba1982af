import pytest

from tombola import data, models, subset_sum


@pytest.mark.parametrize(("topic", "names"), [("models", models.NAMES), ("data", data.NAMES)])
def test_every_name_is_listed_with_what_it_stands_for(tombola, topic, names):
    assert tombola("list", topic, "--json").record == {topic: names}
    out = tombola("list", topic).out
    for name, meaning in names.items():
        assert f"  {name} " in out
        assert meaning in out


@pytest.mark.parametrize(("topic", "option"), [("constructions", "--depth"), ("objectives", "--objective")])
def test_a_listed_name_is_one_that_construct_takes(tombola, tiny, topic, option):
    names = tombola("list", topic, "--json").record[topic]
    assert len(names) > 1
    for name in names:
        assert tombola("construct", *tiny, option, name, "--dry-run").code == 0


def test_objectives_are_solvers(tombola):
    names = tombola("list", "objectives", "--json").record["objectives"]
    assert all(callable(getattr(subset_sum, name)) for name in names)
