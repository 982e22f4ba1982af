import itertools
import math

import numpy as np
import pytest
import torch
from scipy.stats import binom

from tombola.search import OccamBound, mask_bits, occam_bound


def test_without_bits_it_is_the_exact_binomial_bound_of_one_classifier():
    # P(Bin(2, p) <= 0) = (1 - p)^2 = 0.25 at one half
    assert occam_bound(0, 2, 0, confidence=0.75).bound == pytest.approx(0.5, abs=1e-12)
    assert occam_bound(2, 2, 0).bound == 1


@pytest.mark.parametrize(("errors", "examples", "bits"), [(0, 50, 3), (7, 100, 0), (40, 1000, 100.5), (999, 1000, 5)])
def test_at_the_bound_the_tail_is_the_share_of_the_mask(errors, examples, bits):
    found = occam_bound(errors, examples, bits, confidence=0.9)
    np.testing.assert_allclose(binom.cdf(errors, examples, found.bound), 0.1 * 2.0**-bits, rtol=1e-7)


def test_where_the_share_is_too_small_for_a_float_the_bound_is_just_below_that_of_the_divergence():
    errors, examples, bits = 3000, 60_000, 30_000
    bound, q = occam_bound(errors, examples, bits).bound, errors / examples
    divergence = q * math.log(q / bound) + (1 - q) * math.log((1 - q) / (1 - bound))
    allowed = (bits * math.log(2) + math.log(20)) / examples
    assert 0.999 * allowed < divergence <= allowed
    assert occam_bound(0, 100, 1e12).bound == 1


def test_more_errors_more_bits_more_confidence_and_fewer_examples_promise_less():
    base = occam_bound(50, 1000, 100).bound
    worse = (
        occam_bound(51, 1000, 100),
        occam_bound(50, 1000, 101),
        occam_bound(50, 999, 100),
        occam_bound(50, 1000, 100, confidence=0.96),
    )
    assert all(base < found.bound < 1 for found in worse)
    assert base > 50 / 1000


def test_it_holds_for_the_mask_that_looks_best_of_all():
    # 1024 classifiers of 10 bits, all of them coins; on 60 examples the luckiest looks far better than it is
    rng, trials, examples, confidence = np.random.default_rng(0), 300, 60, 0.8
    wrong = rng.random((1024, 4096)) < 0.5
    truth, bits = wrong.mean(axis=1), 10.0
    misses, misses_without_bits = 0, 0
    for _ in range(trials):
        errors = wrong[:, rng.integers(0, 4096, examples)].sum(axis=1)
        best = int(errors.argmin())
        misses += truth[best] > occam_bound(int(errors[best]), examples, bits, confidence=confidence).bound
        misses_without_bits += truth[best] > occam_bound(int(errors[best]), examples, 0, confidence=confidence).bound
    assert misses <= (1 - confidence) * trials
    assert misses_without_bits > 0.9 * trials  # the bits are what makes it hold


def test_all_masks_of_a_random_network_keep_the_promise_at_once():
    rng, examples, confidence, violated, trials = np.random.default_rng(1), 25, 0.7, 0, 300
    weights, inputs = rng.choice([-1.0, 1.0], 6), rng.standard_normal((2000, 6))
    masks = np.array(list(itertools.product([False, True], repeat=6)))
    labels = (inputs @ (weights * masks[27]) > 0) ^ (rng.random(2000) < 0.1)
    wrong = ((inputs @ (masks * weights).T) > 0) != labels[:, None]
    bits = [round(mask_bits({"weight": torch.from_numpy(mask)}), 9) for mask in masks]
    table = {(k, b): occam_bound(k, examples, b, confidence=confidence).bound for k in range(26) for b in set(bits)}
    for _ in range(trials):
        errors = wrong[rng.integers(0, 2000, examples)].sum(axis=0)
        bounds = [table[int(k), b] for k, b in zip(errors, bits, strict=True)]
        violated += bool((wrong.mean(axis=0) > bounds).any())
    assert violated <= (1 - confidence) * trials


def test_the_shares_of_all_masks_add_up_to_one():
    first = [torch.tensor(mask) for mask in itertools.product([False, True], repeat=4)]
    second = [torch.tensor(mask).view(1, 3) for mask in itertools.product([False, True], repeat=3)]
    total = sum(2 ** -mask_bits({"a": a, "b": b}) for a in first for b in second)
    assert total == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("possible", [1, 2, 3])
def test_the_shares_of_all_masks_and_generations_add_up_to_one(possible):
    states = itertools.product(range(-1, possible), repeat=4)  # -1 is pruned
    found = [torch.tensor(state) for state in states]
    bits = [mask_bits({"w": state >= 0}, generations={"w": state}, possible=possible) for state in found]
    assert sum(2**-each for each in bits) == pytest.approx(1, abs=1e-12)


def test_bits_by_hand_and_choices_that_cost():
    masks = {"a": torch.tensor([True, True, False, False]), "b": torch.tensor([[True]])}
    assert mask_bits(masks) == pytest.approx(math.log2(5 * 6) + math.log2(2))
    assert mask_bits(masks, alternatives=8) == pytest.approx(mask_bits(masks) + 3)
    first = {"a": torch.zeros(4, dtype=torch.int64)}  # what is pruned has no generation that counts
    given = mask_bits(masks, generations=first, possible=2)
    assert given == pytest.approx(mask_bits(masks, possible=2))
    assert given > mask_bits(masks)
    assert mask_bits({}) == 0


def test_a_sparse_mask_is_short_and_half_of_all_is_a_bit_each():
    kept = torch.arange(100_000) < 1000
    entropy = -(0.01 * math.log2(0.01) + 0.99 * math.log2(0.99))
    assert mask_bits({"w": kept}) == pytest.approx(100_000 * entropy, rel=0.005)
    assert mask_bits({"w": torch.arange(100_000) < 50_000}) == pytest.approx(100_000, rel=0.001)


def test_a_bound_that_guessing_keeps_is_vacuous_and_says_so():
    found = occam_bound(100, 1000, 3000, classes=10)
    assert found.bound > 0.9
    assert found.is_vacuous
    assert "nothing is promised" in str(found)
    good = occam_bound(100, 1000, 50, classes=10)
    assert not good.is_vacuous
    assert f"at most {good.bound:.4g} with 95 % confidence: 50 bits" in str(good)
    assert OccamBound(0.5, 1, 9, 1.0, 0.9, 2).is_vacuous
    assert not OccamBound(0.5, 1, 9, 1.0, 0.9, 3).is_vacuous


@pytest.mark.parametrize(
    ("arguments", "options", "said"),
    [
        ((3, 2, 1), {}, "errors are some of the examples, got 3 of 2"),
        ((-1, 2, 1), {}, "got -1 of 2"),
        ((0, 0, 1), {}, "got 0 of 0"),
        ((0, 2, -1), {}, "bits must be 0 or more"),
        ((0, 2, math.inf), {}, "bits must be"),
        ((0, 2, math.nan), {}, "bits must be"),
        ((0, 2, 1), {"confidence": 1.0}, "confidence lies in"),
        ((0, 2, 1), {"classes": 1}, "2 classes or more"),
    ],
)
def test_numbers_out_of_range_are_refused(arguments, options, said):
    with pytest.raises(ValueError, match=said):
        occam_bound(*arguments, **options)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"alternatives": 0}, "at least 1"),
        ({"possible": 0}, "at least 1"),
        ({"generations": {"v": torch.zeros(2)}}, "'v', which has no mask"),
        ({"generations": {"w": torch.zeros(3)}}, "shape"),
        ({"generations": {"w": torch.tensor([1, 0])}}, "outside 0 to 0"),
        ({"generations": {"w": torch.tensor([-1, 0])}, "possible": 2}, "outside 0 to 1"),
    ],
)
def test_generations_that_cannot_be_are_refused(options, said):
    with pytest.raises(ValueError, match=said):
        mask_bits({"w": torch.tensor([True, False])}, **options)
