import pytest
import torch

from tombola.sketch import identity, probabilities, rank, root

INF = float("inf")
SCORES = {"a": torch.tensor([[4.0, -1.0]]), "b": torch.tensor([0.0, 3.0, -INF])}


def flat(found):
    return torch.cat([value.flatten() for value in found.values()])


def doubles(*values):
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, [4 / 8, 1 / 8, 0, 3 / 8, 0]),
        ({"temperature": 0.5}, [16 / 26, 1 / 26, 0, 9 / 26, 0]),
        ({"temperature": 1e-9}, [1, 0, 0, 0, 0]),
        ({"temperature": INF}, [1 / 3, 1 / 3, 0, 1 / 3, 0]),
        ({"mixture": 0.4}, [0.4, 0.175, 0.1, 0.325, 0]),  # 0.6 p + 0.4 / 4: four are not pruned
        ({"mixture": 1.0}, [0.25, 0.25, 0.25, 0.25, 0]),
        ({"transform": rank}, [0.4, 0.1, 0.2, 0.3, 0]),
        ({"transform": root}, [2 / (3 + 3**0.5), 1 / (3 + 3**0.5), 0, 3**0.5 / (3 + 3**0.5), 0]),
    ],
)
def test_by_hand(options, wanted):
    found = probabilities(SCORES, **options)
    assert [found[name].shape for name in SCORES] == [(1, 2), (3,)]
    torch.testing.assert_close(flat(found), doubles(*wanted), rtol=1e-7, atol=1e-15)


@pytest.mark.parametrize("mixture", [0.0, 0.3])
def test_all_zero_scores_are_uniform(mixture):
    found = probabilities({"a": torch.tensor([0.0, -INF, 0.0])}, mixture=mixture)
    torch.testing.assert_close(found["a"], doubles(0.5, 0, 0.5))


def test_scores_of_very_different_sizes_in_several_pieces(generator):
    scores = {
        "a": torch.rand(300_000, generator=generator, dtype=torch.float64) * 1e300,
        "b": torch.full((2, 5), 1e-300, dtype=torch.float64),
    }
    found = probabilities(scores, temperature=2.0)
    weights = torch.cat([scores["a"], scores["b"].flatten()]).sqrt()
    torch.testing.assert_close(flat(found), weights / weights.sum(), rtol=1e-9, atol=0)
    assert float(flat(found).sum()) == pytest.approx(1, abs=1e-12)
    assert (found["b"] > 0).all()


@pytest.mark.parametrize("value", [float("nan"), INF])
def test_scores_that_are_no_numbers_are_refused(value):
    with pytest.raises(ValueError, match="scores of 'b' hold NaN or infinity"):
        probabilities({"a": torch.ones(2), "b": torch.tensor([1.0, value])})


def test_negative_scores_want_a_transform():
    with pytest.raises(ValueError, match="use absolute or rank"):
        probabilities(SCORES, transform=identity)


@pytest.mark.parametrize(
    "transform",
    [lambda scores: {"other": scores["a"]}, lambda scores: {"a": scores["a"].flatten()}],
)
def test_a_transform_that_loses_its_way_is_refused(transform):
    with pytest.raises(ValueError, match="changed names or shapes"):
        probabilities({"a": torch.ones(2, 2)}, transform=transform)


@pytest.mark.parametrize(
    ("scores", "options", "message"),
    [
        ({}, {}, "no scores"),
        ({"a": torch.tensor([-INF])}, {}, "all weights are pruned"),
        (SCORES, {"temperature": 0.0}, "temperature is at least"),
        (SCORES, {"temperature": float("nan")}, "temperature is at least"),
        (SCORES, {"mixture": 1.5}, "mixture lies in"),
        (SCORES, {"mixture": -0.1}, "mixture lies in"),
    ],
)
def test_what_cannot_be_sampled_is_refused(scores, options, message):
    with pytest.raises(ValueError, match=message):
        probabilities(scores, **options)
