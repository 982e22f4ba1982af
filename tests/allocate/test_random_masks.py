import pytest
import torch
from scipy import stats

from tombola.allocate import erk, random_masks
from tombola.masks import count

SHAPES = {"a": (4, 5), "b": (2, 3, 2, 1)}


def seeded(seed):
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("counts", [{"a": 0, "b": 12}, {"a": 20, "b": 1}, {"a": 7, "b": 5}])
def test_every_layer_keeps_exactly_its_count(counts, generator):
    masks = random_masks(SHAPES, counts, generator=generator)
    assert {name: int(mask.sum()) for name, mask in masks.items()} == counts
    assert {name: tuple(mask.shape) for name, mask in masks.items()} == SHAPES
    assert all(mask.dtype == torch.bool for mask in masks.values())


@pytest.mark.parametrize("kept", [0, 1, 13, 32])
def test_a_count_in_all_is_exact_wherever_the_weights_are(kept, generator):
    assert count(random_masks(SHAPES, kept, generator=generator)) == kept


@pytest.mark.parametrize("counts", [8, {"a": 5, "b": 3}])
def test_places_are_uniform(counts):
    draws = [random_masks(SHAPES, counts, generator=seeded(seed)) for seed in range(2000)]
    for name in SHAPES:
        hits = sum(masks[name].flatten().long() for masks in draws)
        assert stats.chisquare(hits.numpy()).pvalue > 0.01
    if isinstance(counts, int):  # the hypergeometric number of one layer
        of_first = torch.tensor([int(masks["a"].sum()) for masks in draws], dtype=torch.float64)
        assert abs(float(of_first.mean()) - 5.0) < 4 * stats.hypergeom(32, 20, 8).std() / 2000**0.5


def test_masks_follow_from_the_generator():
    first, again, other = (random_masks(SHAPES, erk(SHAPES, 0.5), generator=seeded(seed)) for seed in (3, 3, 4))
    assert all(first[name].equal(again[name]) for name in SHAPES)
    assert not all(first[name].equal(other[name]) for name in SHAPES)


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        (33, "33 of 32 weights of all parameters cannot stay"),
        (-1, "-1 of 32 weights"),
        ({"a": 21, "b": 0}, "21 of 20 weights of 'a'"),
        ({"a": 2}, r"shapes of \['a', 'b'\], and numbers for \['a'\]"),
    ],
)
def test_impossible_counts_are_refused(counts, message, generator):
    with pytest.raises(ValueError, match=message):
        random_masks(SHAPES, counts, generator=generator)
