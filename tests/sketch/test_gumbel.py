import math

import pytest
import torch

from tombola.masks import count
from tombola.select import top
from tombola.sketch import absolute, gumbel_inclusion, identity, probabilities, rank, sketch
from tombola.sketch._exponential_race import Window

INF = float("inf")


def seed(number):
    return torch.Generator().manual_seed(number)


def frequencies(select, scores, kept, draws):
    """How often each weight stays, and the standard error of that at most."""
    generator = seed(0)
    found = sum(
        torch.cat([m.flatten() for m in select(scores, kept, generator=generator).values()]).double()
        for _ in range(draws)
    )
    return found / draws, 0.5 / draws**0.5


def test_two_of_three_as_drawn_by_hand():
    """First one, then one of the others: P(both of i and j) = p_i p_j / (1 - p_i) + p_j p_i / (1 - p_j)."""
    p = [0.5, 0.3, 0.2]
    pair = lambda i, j: p[i] * p[j] / (1 - p[i]) + p[j] * p[i] / (1 - p[j])  # noqa: E731 - the formula above
    wanted = torch.tensor([pair(0, 1) + pair(0, 2), pair(0, 1) + pair(1, 2), pair(0, 2) + pair(1, 2)])
    found, error = frequencies(sketch(), {"a": torch.tensor([[5.0, -3.0]]), "b": torch.tensor([2.0])}, 2, 1000)
    assert float((found - wanted).abs().max()) < 3 * error


@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({"temperature": 0.5}, [4 / 5, 1 / 5, 0, 0]),
        ({"temperature": INF}, [1 / 2, 1 / 2, 0, 0]),
        ({"mixture": 0.3}, [0.7 * 2 / 3 + 0.1, 0.7 / 3 + 0.1, 0.1, 0]),
        ({"transform": rank}, [3 / 6, 2 / 6, 1 / 6, 0]),
    ],
)
def test_one_of_four_has_the_chances_that_probabilities_says(options, wanted):
    scores = {"a": torch.tensor([2.0, 1.0, 0.0, -INF])}
    torch.testing.assert_close(probabilities(scores, **options)["a"], torch.tensor(wanted, dtype=torch.float64))
    found, error = frequencies(sketch(**options), scores, 1, 800)
    assert float((found - torch.tensor(wanted)).abs().max()) < 3 * error


@pytest.mark.parametrize("options", [{"mixture": 0.3}, {"temperature": 0.4, "mixture": 0.1}, {"temperature": 2.0}])
def test_options_draw_as_their_probabilities_would(options, generator):
    scores = {"a": torch.randn(30, 30, generator=generator), "b": torch.randn(50, generator=generator)}
    found = sketch(**options)(scores, 200, generator=seed(5))
    wanted = sketch(transform=identity)(probabilities(scores, **options), 200, generator=seed(5))
    assert all(bool((found[name] == wanted[name]).all()) for name in scores)


@pytest.mark.parametrize("options", [{}, {"mixture": 0.2}, {"temperature": INF}, {"temperature": 0.3}])
@pytest.mark.parametrize("kept", [0, 1, 17, 500, 999, 1000])
def test_the_count_is_exact(options, kept, generator):
    scores = {"a": torch.randn(20, 30, generator=generator), "b": torch.ones(400)}
    masks = sketch(**options)(scores, kept, generator=generator)
    assert count(masks) == kept
    assert {name: (mask.shape, mask.dtype) for name, mask in masks.items()} == {
        "a": ((20, 30), torch.bool),
        "b": ((400,), torch.bool),
    }


@pytest.mark.parametrize("mixture", [0.0, 0.2])
def test_each_parameter_keeps_its_own_number(mixture, generator):
    scores = {"a": torch.zeros(50), "b": torch.rand(6, 7, generator=generator), "c": torch.ones(3)}
    kept = {"c": 0, "b": 40, "a": 13}
    masks = sketch(mixture=mixture)(scores, kept, generator=generator)
    assert {name: int(mask.sum()) for name, mask in masks.items()} == {"a": 13, "b": 40, "c": 0}


def test_zeros_stay_only_once_all_positive_scores_do():
    scores = {"a": torch.tensor([1e-30, 0.0, 0.0, -INF]), "b": torch.tensor([1e30, 0.0])}
    for number in range(15):
        two, three = (sketch()(scores, kept, generator=seed(number)) for kept in (2, 3))
        for masks in (two, three):
            assert bool(masks["a"][0] & masks["b"][0] & ~masks["a"][3])
        assert count(three) == 3
    found, error = frequencies(sketch(), scores, 3, 500)
    assert float((found - torch.tensor([1, 1 / 3, 1 / 3, 0, 1, 1 / 3])).abs().max()) < 3 * error


@pytest.mark.parametrize("options", [{}, {"mixture": 1.0}, {"temperature": INF}, {"temperature": 0.0}])
def test_pruned_weights_never_stay(options):
    scores = {"a": torch.tensor([1.0, -INF, 0.0, -INF, 2.0])}
    for number in range(15):
        assert sketch(**options)(scores, 3, generator=seed(number))["a"].tolist() == [True, False, True, False, True]


@pytest.mark.parametrize("temperature", [0.0, 1e-9])
@pytest.mark.parametrize("kept", [100, {"a": 40, "b": 5}])
def test_without_temperature_the_largest_stay(temperature, kept, generator):
    scores = {"a": torch.randn(30, 30, generator=generator), "b": torch.randn(50, generator=generator)}
    wanted = top(absolute(scores), kept)
    masks = sketch(temperature=temperature)(scores, kept, generator=generator)
    assert all(bool((masks[name] == wanted[name]).all()) for name in scores)


def test_what_stays_more_often_scores_higher():
    scores = {"a": torch.tensor([1.0, 2.0, 4.0, 8.0, 16.0])}
    found, error = frequencies(sketch(), scores, 2, 500)
    assert (found.diff() > 2 * error).all()


def test_many_weights_stay_as_often_as_in_the_limit(generator):
    scores = {"w": torch.randn(100_000, generator=generator).abs()}
    mask = sketch()(scores, 30_000, generator=generator)["w"]
    chance = gumbel_inclusion(probabilities(scores), 30_000)["w"]
    for part in scores["w"].argsort().chunk(10):
        error = (chance[part] * (1 - chance[part])).sum().sqrt()
        assert abs(float(mask[part].sum() - chance[part].sum())) < 3 * error


def test_layers_of_equal_total_score_keep_equal_numbers_where_the_largest_scores_empty_some(generator):
    """What conservation of flow makes of a chain's layers: small ones have large scores and large ones small scores."""
    sizes = [400, 10_000, 200_000, 200_000, 200_000, 50_000]
    scores = {str(i): torch.randn(size, generator=generator).abs() / size for i, size in enumerate(sizes)}
    kept = 1200
    drawn = [int(mask.sum()) for mask in sketch()(scores, kept, generator=generator).values()]
    largest = [int(mask.sum()) for mask in top(scores, kept).values()]
    assert largest.count(0) >= 3
    assert all(abs(number - 200) < 3 * 200**0.5 for number in drawn[1:])  # the first runs out of large scores
    assert 100 < drawn[0] < 200


def test_a_weight_of_next_to_no_score_does_not_slip_in(generator):
    """Noise of too few bits would draw some of these: one in 2^24 weights got an infinite key."""
    scores = {"w": torch.full((2**22,), 1e-30)}
    scores["w"][:100] = 1.0
    for number in range(6):
        assert sketch()(scores, 100, generator=seed(number))["w"][:100].all()


def test_the_same_generator_gives_the_same_masks(generator):
    scores = {"a": torch.randn(600, 700, generator=generator), "b": torch.randn(50, generator=generator)}
    before = {name: score.clone() for name, score in scores.items()}
    first, again, other = (sketch()(scores, 9000, generator=seed(number)) for number in (3, 3, 4))
    torch.testing.assert_close(first, again)
    assert not all(bool((first[name] == other[name]).all()) for name in scores)
    torch.testing.assert_close(scores, before, rtol=0, atol=0)


@pytest.mark.usefixtures("untouched")
def test_nothing_global_is_drawn_from():
    sketch(mixture=0.5)({"a": torch.ones(5)}, 2, generator=seed(0))


def test_masks_do_not_share_memory():
    masks = sketch()({"a": torch.ones(5), "b": torch.ones(5)}, 10, generator=seed(0))
    assert masks["a"].untyped_storage().data_ptr() != masks["b"].untyped_storage().data_ptr()
    assert masks["a"].untyped_storage().nbytes() == 5


def test_double_scores_are_told_apart_beyond_single_precision():
    scores = {"w": torch.tensor([1.0 + 1e-9, 1.0], dtype=torch.float64)}
    wins = [sketch(temperature=1e-9)(scores, 1, generator=seed(number))["w"][0].item() for number in range(200)]
    assert sum(wins) / 200 == pytest.approx(
        math.e / (1 + math.e), abs=3 * 0.44 / 200**0.5
    )  # p in proportion to e and 1


@pytest.mark.slow
def test_more_weights_than_a_multinomial_takes(generator):
    scores = {"w": torch.rand(3000, 7000, generator=generator)}
    assert scores["w"].numel() > 2**24
    mask = sketch()(scores, 1_234_567, generator=generator)["w"]
    assert int(mask.sum()) == 1_234_567
    assert float(scores["w"][mask].mean()) == pytest.approx(2 / 3, abs=0.02)  # a little less: the best run out


@pytest.mark.parametrize(
    ("scores", "kept", "message"),
    [
        ({"a": torch.ones(3)}, 4, "4 of 3 weights"),
        ({"a": torch.tensor([1.0, -INF])}, 2, "2 of 1 weights"),
        ({"a": torch.ones(3)}, -1, "-1 of 3 weights"),
        ({"a": torch.ones(3)}, {"a": 4}, "4 of 3 weights"),
        ({"a": torch.ones(3)}, {"b": 1}, r"there are scores of \['a'\], and numbers for \['b'\]"),
        ({"a": torch.tensor([float("nan")])}, 1, "'a' hold NaN"),
        ({}, 0, "no scores"),
    ],
)
def test_what_cannot_be_drawn_is_refused(scores, kept, message):
    with pytest.raises(ValueError, match=message):
        sketch()(scores, kept, generator=seed(0))


def test_negative_scores_want_a_transform():
    with pytest.raises(ValueError, match="use absolute or rank"):
        sketch(transform=identity)({"a": torch.tensor([-1.0])}, 1, generator=seed(0))


@pytest.mark.parametrize(
    "options",
    [{"temperature": -1.0}, {"temperature": 1e-12}, {"mixture": 2.0}, {"temperature": 0.0, "mixture": 0.1}],
)
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=r"temperature|mixture"):
        sketch(**options)


@pytest.mark.gpu
@pytest.mark.parametrize("options", [{}, {"mixture": 0.1}, {"transform": rank}, {"temperature": 0.0}])
def test_a_gpu_gets_the_masks_of_the_cpu(options, generator):
    scores = {"a": torch.randn(600, 700, generator=generator), "b": torch.randn(50, generator=generator)}
    here = sketch(**options)(scores, 9000, generator=seed(1))
    there = sketch(**options)({name: score.cuda() for name, score in scores.items()}, 9000, generator=seed(1))
    assert {mask.device.type for mask in there.values()} == {"cuda"}
    torch.testing.assert_close({name: mask.cpu() for name, mask in there.items()}, here)


@pytest.mark.parametrize("window", [(-4.0, 4.0), (-30.0, -20.0), (10.0, 12.0), (-30.0, float("inf"))])
def test_a_sample_that_misleads_does_not_change_the_law(window, monkeypatch):
    """Windows in which the last weight arrives, before which none and after which all have arrived, and without end."""
    monkeypatch.setattr("tombola.sketch._exponential_race._window", lambda chances, kept: Window(*window))
    scores = {"a": torch.tensor([5.0, 3.0, 0.0, -INF]), "b": torch.tensor([2.0])}
    p = [0.5, 0.3, 0.2]
    pair = lambda i, j: p[i] * p[j] / (1 - p[i]) + p[j] * p[i] / (1 - p[j])  # noqa: E731 - two drawn, as above
    wanted = torch.tensor([pair(0, 1) + pair(0, 2), pair(0, 1) + pair(1, 2), 0, 0, pair(0, 2) + pair(1, 2)])
    found, error = frequencies(sketch(), scores, 2, 400)
    assert float((found - wanted).abs().max()) < 3 * error


@pytest.mark.parametrize("options", [{}, {"mixture": 0.2}, {"temperature": 0.5}])
@pytest.mark.parametrize("kept", [3, 3000, 100_000, 299_000])
def test_a_narrow_window_and_none_at_all_draw_by_one_law(options, kept, monkeypatch, generator):
    """The numbers of each tenth of the scores, of two samples, differ by chance alone."""
    scores = {"w": torch.randn(300_000, generator=generator).exp()}
    order, found = scores["w"].argsort(), []
    for sample in (2**14, 2**30):
        monkeypatch.setattr("tombola.sketch._exponential_race.SAMPLE", sample)
        mask = sketch(**options)(scores, kept, generator=generator)["w"]
        assert int(mask.sum()) == kept
        found.append(torch.stack([part.sum() for part in mask[order].chunk(10)]).double())
    chance = (found[0] + found[1]) / 60_000
    error = (2 * 30_000 * chance * (1 - chance)).sqrt() + 1
    assert bool(((found[0] - found[1]).abs() < 4 * error).all())
