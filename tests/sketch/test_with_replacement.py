import numpy as np
import pytest
import torch

from tombola.masks import count
from tombola.sketch import _with_replacement, draws_for, expected_distinct, probabilities, with_replacement


def test_scales_are_counts_over_draws_and_chances(generator):
    chances = {"a": torch.tensor([[0.2, 0.0]]), "b": torch.tensor([0.3, 0.5])}
    found = with_replacement(chances, 10, generator=generator)
    times = torch.cat([(found.scale[name] * 10 * chances[name].double()).flatten() for name in chances])
    torch.testing.assert_close(times, times.round(), atol=1e-5, rtol=0)  # 0.2 and 0.3 are rounded to single precision
    assert int(times.round().sum()) == 10
    assert all(bool((found.masks[name] == (found.scale[name] > 0)).all()) for name in chances)
    assert not found.masks["a"][0, 1]


def test_a_sketch_is_right_on_average(generator):
    w = {"a": torch.randn(3, 4, generator=generator), "b": torch.tensor([2.0, 0.0, -1.0])}
    chances = probabilities(w, mixture=0.2)
    found = [with_replacement(chances, 5, generator=generator).rescaled(w) for _ in range(800)]
    for name in w:
        drawn = torch.stack([sketch[name] for sketch in found]).double()
        error = drawn.std(0) / len(found) ** 0.5
        assert ((drawn.mean(0) - w[name]).abs() <= 3 * error).all()


@pytest.mark.parametrize("draws", [10, 1000, 30_000])
def test_as_many_different_ones_as_expected(draws, generator):
    chances = {"a": torch.rand(100, 100, generator=generator) ** 3, "b": torch.rand(20_000, generator=generator)}
    expected = expected_distinct(chances, draws)
    found = [count(with_replacement(chances, draws, generator=generator).masks) for _ in range(max(1, 3000 // draws))]
    assert np.mean(found) == pytest.approx(expected, rel=0.01)
    assert max(found) <= draws


def test_the_number_of_different_ones_by_hand():
    chances = {"w": torch.tensor([0.25, 0.75, 0.0])}
    assert [expected_distinct(chances, draws) for draws in (0, 1, 2)] == pytest.approx([0, 1, 2 - 0.25**2 - 0.75**2])
    assert expected_distinct({"w": torch.tensor([3.0])}, 5) == 1.0


@pytest.mark.parametrize("distinct", [0.5, 1.0, 700.0, 999.5])
def test_the_least_number_of_draws(distinct, generator):
    chances = {"w": torch.rand(1000, generator=generator)}
    draws = draws_for(chances, distinct)
    assert expected_distinct(chances, draws) >= distinct > expected_distinct(chances, draws - 1)


def test_more_different_ones_than_have_a_chance_are_refused():
    with pytest.raises(ValueError, match=r"5\.0 different weights of 2 with a chance"):
        draws_for({"w": torch.tensor([0.5, 0.5, 0.0])}, 5.0)


@pytest.mark.slow
def test_more_weights_than_a_multinomial_takes(generator):
    chances = {"w": torch.rand(3000, 7000, generator=generator)}
    found = with_replacement(chances, 2_000_000, generator=generator)
    assert count(found.masks) == pytest.approx(expected_distinct(chances, 2_000_000), rel=0.01)


def test_probabilities_need_not_add_up_to_one(generator):
    found = with_replacement({"w": torch.full((3,), 4.0)}, 12, generator=generator)
    assert float(found.scale["w"].sum()) == pytest.approx(3)


def test_places_on_the_edges_of_a_line():
    """Between two weights the later one is meant, and never one without a chance, nor one beyond the end."""
    chance = torch.tensor([0.0, 0.5, 0.0, 0.5, 0.0])
    places = torch.tensor([-1e-17, 0.0, 0.5, 1.0, 1.1], dtype=torch.float64)
    assert _with_replacement._times(chance, places).tolist() == [0, 2, 0, 3, 0]


def test_chance_on_the_edges_of_a_line():
    """The first and the last weights of each parameter have no chance, and never come out."""
    chances = {name: torch.tensor([0.0, 1.0, 0.0]) for name in "abc"}
    found = with_replacement(chances, 10_000, generator=torch.Generator().manual_seed(0))
    assert all(mask.tolist() == [False, True, False] for mask in found.masks.values())


@pytest.mark.parametrize(
    ("chances", "message"),
    [([-0.1, 1.0], "negative or not finite"), ([float("nan")], "not finite"), ([0.0], "nothing to sample")],
)
def test_what_is_no_distribution_is_refused(chances, message):
    with pytest.raises(ValueError, match=message):
        with_replacement({"w": torch.tensor(chances)}, 3, generator=torch.Generator())


def test_no_draw_is_refused():
    with pytest.raises(ValueError, match="at least 1"):
        with_replacement({"w": torch.ones(2)}, 0, generator=torch.Generator())
    with pytest.raises(ValueError, match="cannot be negative"):
        expected_distinct({"w": torch.ones(2)}, -1)


def test_a_sketch_of_other_parameters_is_refused(generator):
    found = with_replacement({"w": torch.ones(2)}, 3, generator=generator)
    assert found.rescaled({"w": torch.ones(2), "bias": torch.ones(1)})["bias"].tolist() == [1.0]
    with pytest.raises(ValueError, match="names no parameter"):
        found.rescaled({"v": torch.ones(2)})
