import pytest


def test_the_recommended_construction_is_the_smallest_and_can_be_taken(tombola, tiny):
    found = tombola("recommend", *tiny, "--json").record["constructions"]
    sizes = [one["source_parameters"] for one in found]
    assert sizes == sorted(sizes)
    assert {"two-layer", "one-extra", "pensia", "golden-ratio"} <= {one["construction"] for one in found}
    assert {one["basis"] for one in found} == {"measured", "theory"}


@pytest.mark.parametrize("name", ["pensia", "golden-ratio", "fixed-size:3"])
def test_what_a_theorem_asks_for_is_what_is_built(tombola, tiny, name):
    found = tombola("recommend", *tiny, "--json").record["constructions"]
    (wanted,) = [one for one in found if one["construction"] == name]
    built = tombola("construct", *tiny, "--construction", name, "-o", "x.ticket", "--json").record
    assert built["source_parameters"] == wanted["source_parameters"]
    assert built["depth"] == wanted["depth"]


def test_the_table_ends_with_the_next_step(tombola, tiny):
    out = tombola("recommend", *tiny).out
    assert "weights of the parent" in out
    assert "next: tombola construct" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--construction", "three-layer"), "unknown construction 'three-layer'; known are two-layer"),
        (("--construction", "fixed-size"), "fixed-size wants a number, as in fixed-size:3"),
        (("--activation", "swoosh"), "unknown activation 'swoosh'; known are relu"),
        (("--law", "cauchy"), "unknown law 'cauchy' of a parent"),
        (("--construction", "pensia", "--activation", "tanh"), "made for ReLU units with biases and uniform weights"),
        (("--construction", "pensia", "--dry-run"), "--dry-run predicts two-layer and one-extra"),
    ],
)
def test_names_that_are_not_known_are_errors_of_one_line(tombola, tiny, words, message):
    result = tombola("construct", *tiny, "-o", "x.ticket", *words)
    assert result.code == 2
    assert message in result.err


def test_the_parent_can_have_other_units_and_no_biases(tombola, tiny):
    words = ("--activation", "tanh", "--law", "normal")
    assert tombola("construct", *tiny, "-o", "x.ticket", *words, "--json").record["activation"] == "tanh"
    assert tombola("verify", "x.ticket", "--target", *tiny, "--json").record["ok"]
    failures = tombola("construct", *tiny, "-o", "y.ticket", "--no-bias", "--json").record["failures"]
    assert failures > 0
    assert tombola("construct", *tiny, "-o", "z.ticket", "--no-bias", "--strict").code == 1
