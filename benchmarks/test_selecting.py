"""What it takes to choose the weights that stay: the largest scores beside a full sort, and drawn ones beside those.

`TOMBOLA_BENCH_SMOKE=1` runs everything at a small size and checks answers only.
"""

import os
from time import perf_counter

import numpy as np
import pytest
import torch

from tombola.isolation import torch_threads
from tombola.masks import count
from tombola.select import top
from tombola.sketch import sketch

SMOKE = os.environ.get("TOMBOLA_BENCH_SMOKE") == "1"
WEIGHTS = 25_000 if SMOKE else 25_000_000
ROUNDS = 1 if SMOKE else 2
MULTINOMIAL = 2**24  # the most categories that torch.multinomial takes


@pytest.fixture(scope="module")
def scores():
    """Of two parameters, from a normal distribution."""
    whole = torch.randn(WEIGHTS, generator=torch.Generator().manual_seed(0)).abs()
    return {"a": whole[: WEIGHTS // 2].view(100, -1), "b": whole[WEIGHTS // 2 :]}


def by_sort(scores, kept):
    """The same masks by a stable sort of everything."""
    whole = torch.cat([score.flatten() for score in scores.values()])
    chosen = torch.zeros_like(whole, dtype=torch.bool)
    chosen[whole.sort(descending=True, stable=True).indices[:kept]] = True
    parts = chosen.split([score.numel() for score in scores.values()])
    return {name: part.view_as(score) for (name, score), part in zip(scores.items(), parts, strict=True)}


def by_values(scores, kept):
    """The same masks where no scores are equal, by the threshold of a sort of values only, NumPy's on this machine."""
    whole = np.sort(np.concatenate([score.numpy().ravel() for score in scores.values()]))
    return {name: score >= whole[-kept].item() for name, score in scores.items()}


def seconds(*calls):
    """The least time of each call, taken in turns, and what it gave."""
    times, answers = {call: [] for call in calls}, {}
    with torch_threads(1):
        for k in range(ROUNDS):
            for call in calls if k % 2 else reversed(calls):
                start = perf_counter()
                answers[call] = call()
                times[call].append(perf_counter() - start)
    return [min(times[call]) for call in calls], [answers[call] for call in calls]


@pytest.mark.parametrize("density", [0.01, 0.1, 0.5])
def test_the_largest_scores_beside_a_full_sort(density, scores, report):
    """Exact counts and ties by position, as a stable sort gives them."""
    kept = round(density * WEIGHTS)
    (ours, sort, values), masks = seconds(
        lambda: top(scores, kept), lambda: by_sort(scores, kept), lambda: by_values(scores, kept)
    )
    assert all(bool((masks[0][name] == masks[1][name]).all()) for name in scores)
    assert count(masks[0]) == kept
    report(ours=ours, sort=sort, sort_of_values=values, ratio=sort / ours, ratio_of_values=values / ours)
    assert SMOKE or sort / ours >= 3


@pytest.mark.parametrize("density", [0.01, 0.1, 0.5])
def test_drawn_weights_beside_the_largest(density, scores, report):
    """Without replacement, in proportion to scores."""
    kept, generator = round(density * WEIGHTS), torch.Generator().manual_seed(1)
    draw, mixed = sketch(), sketch(mixture=0.1)
    (drawn, with_mixture, largest), masks = seconds(
        lambda: draw(scores, kept, generator=generator),
        lambda: mixed(scores, kept, generator=generator),
        lambda: top(scores, kept),
    )
    assert [count(found) for found in masks] == [kept] * 3
    report(drawn=drawn, mixed=with_mixture, top=largest, ratio=drawn / largest, ratio_mixed=with_mixture / largest)
    assert SMOKE or drawn / largest <= 2


def test_drawn_weights_beside_a_multinomial(scores, report):
    """As many as `torch.multinomial` takes, which draws without replacement in the same law."""
    flat = torch.cat([score.flatten() for score in scores.values()])[:MULTINOMIAL]
    kept, generator, draw = flat.numel() // 10, torch.Generator().manual_seed(1), sketch()
    (drawn, multinomial), (masks, places) = seconds(
        lambda: draw({"w": flat}, kept, generator=generator),
        lambda: torch.multinomial(flat, kept, generator=generator),
    )
    assert count(masks) == len(places) == kept
    # The mean score of what stays is that of one law: a tenth of a million and more agree to a thousandth.
    assert float(flat[masks["w"]].mean()) == pytest.approx(float(flat[places].mean()), rel=0.1 if SMOKE else 0.002)
    report(drawn=drawn, multinomial=multinomial, ratio=multinomial / drawn)
