import math

import pytest
import torch

from tombola.allocate import random_masks, smart_ratios
from tombola.masks import kept_count

SHAPES = {"first": (20, 30), "second": (20, 30), "third": (20, 30), "last": (10, 20)}


def test_layers_of_one_size_keep_as_k_squared_and_k():
    """12 : 6 : 2 for three layers before the last; 440 of them are left of 500 once the last has its 0.3."""
    counts = smart_ratios(SHAPES, 0.25)
    assert counts == {"first": 264, "second": 132, "third": 44, "last": 60}


@pytest.mark.parametrize("density", [0.04, 0.1, 0.333, 0.7, 0.8])
def test_counts_add_up_and_none_is_larger_than_its_layer(density):
    counts = smart_ratios(SHAPES, density)
    sizes = {name: math.prod(shape) for name, shape in SHAPES.items()}
    assert sum(counts.values()) == kept_count(2000, density)
    assert all(0 <= counts[name] <= size for name, size in sizes.items())
    assert counts["first"] >= counts["second"] >= counts["third"]
    assert counts["last"] == 60


def test_what_a_dense_layer_leaves_goes_to_the_others_in_proportion():
    counts = smart_ratios(SHAPES, 0.63)  # 1200 for three layers: 720 of them would be the first layer's, which has 600
    assert counts == {"first": 600, "second": 450, "third": 150, "last": 60}


def test_another_density_of_the_last_layer():
    assert smart_ratios(SHAPES, 0.25, last=1.0)["last"] == 200


def test_random_tickets_keep_as_many():
    counts = smart_ratios(SHAPES, 0.1)
    masks = random_masks(SHAPES, counts, generator=torch.Generator().manual_seed(0))
    assert {name: int(mask.sum()) for name, mask in masks.items()} == counts


@pytest.mark.parametrize(
    ("shapes", "density", "last", "said"),
    [
        (SHAPES, 0.02, 0.3, "choose another last"),
        (SHAPES, 0.99, 0.3, "choose another last"),
        (SHAPES, 0.1, 0.0, "last is a density"),
        ({"only": (3, 3)}, 0.5, 0.3, "layers before it"),
        (SHAPES, 0.0, 0.3, "lies in"),
    ],
)
def test_what_does_not_add_up_is_refused(shapes, density, last, said):
    with pytest.raises(ValueError, match=said):
        smart_ratios(shapes, density, last=last)
