"""What everything that makes masks from scores must do. A new one adds one line to the table."""

from itertools import pairwise

import pytest
import torch

from tombola.allocate import erk
from tombola.masks import count, kept_count
from tombola.prune import geometric, prune
from tombola.select import n_of_m, top
from tombola.sketch import sketch

# name -> (selection, the largest density that it can keep)
SELECTIONS = {
    "top": (top, 1.0),
    "sketch": (sketch(), 1.0),
    "sketch, hot and mixed": (sketch(temperature=3.0, mixture=0.2), 1.0),
    "2 of 4": (n_of_m(2, 4), 0.5),
}
SHAPES = {"conv": (8, 4, 3, 3), "fc": (10, 20), "last": (3, 12)}
TOTAL = 8 * 4 * 9 + 200 + 36

each = pytest.mark.parametrize(("select", "most"), SELECTIONS.values(), ids=SELECTIONS.keys())


def drawn(dtype=torch.float32):
    random = torch.Generator().manual_seed(1)
    return {name: torch.rand(shape, generator=random).to(dtype) for name, shape in SHAPES.items()}


class Weights(torch.nn.Module):
    """A model that is only its weights."""

    def __init__(self):
        super().__init__()
        self.weights = torch.nn.ParameterDict(drawn())


def score(model, batches, *, masks, loss, generator):
    """Other numbers in every round, zeros for some."""
    return {name: (torch.rand(mask.shape, generator=generator) - 0.2).clamp(min=0) for name, mask in masks.items()}


@each
@pytest.mark.parametrize("density", [0.001, 0.01, 0.1, 0.25, 0.499, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("kind", ["drawn", "equal", "zero", "ones and zeros"])
def test_exactly_as_many_stay_as_are_asked_for(select, most, density, kind, generator):
    found = {
        "drawn": drawn(),
        "equal": {name: torch.ones(shape) for name, shape in SHAPES.items()},
        "zero": {name: torch.zeros(shape) for name, shape in SHAPES.items()},
        "ones and zeros": {name: (value > 0.95).float() for name, value in drawn().items()},
    }[kind]
    if density > most:
        with pytest.raises(ValueError, match="ask for fewer"):
            select(found, kept_count(TOTAL, density), generator=generator)
        return
    assert count(select(found, kept_count(TOTAL, density), generator=generator)) == kept_count(TOTAL, density)


@each
def test_exactly_as_many_stay_of_every_parameter(select, most, generator):
    wanted = {"conv": 30, "fc": 100, "last": 0}
    masks = select(drawn(), wanted, generator=generator)
    assert {name: int(mask.sum()) for name, mask in masks.items()} == wanted


@each
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_masks_are_bool_in_the_shapes_and_the_order_of_the_scores(select, most, dtype, generator):
    found = drawn(dtype)
    before = {name: value.clone() for name, value in found.items()}
    masks = select(found, 77, generator=generator)
    assert [(name, mask.shape, mask.dtype) for name, mask in masks.items()] == [
        (name, torch.Size(shape), torch.bool) for name, shape in SHAPES.items()
    ]
    torch.testing.assert_close(found, before, rtol=0, atol=0)


@each
@pytest.mark.gpu
def test_masks_lie_where_their_scores_lie(select, most, generator):
    masks = select({name: value.cuda() for name, value in drawn().items()}, 77, generator=generator)
    assert {mask.device.type for mask in masks.values()} == {"cuda"}


@each
def test_the_same_generator_gives_the_same_masks(select, most):
    first, again = (select(drawn(), 77, generator=torch.Generator().manual_seed(4)) for _ in range(2))
    assert all(mask.equal(again[name]) for name, mask in first.items())


@each
@pytest.mark.parametrize("allocate", [None, erk])
def test_rounds_are_nested_and_the_last_one_is_exact(select, most, allocate):
    seen = []

    def spy(model, batches, *, masks, loss, generator):
        seen.append(masks)
        return score(model, batches, masks=masks, loss=loss, generator=generator)

    start = 1.0 if most == 1.0 else 0.4
    rounds = geometric(0.02 * start, 5)
    if most < 1:
        rounds = type(rounds)((0.4, 0.1, 0.02 * start))
        allocate = None  # a layer that is kept dense has no groups that give way
    seen.append(prune(Weights(), score=spy, density=rounds, allocate=allocate, select=select))
    assert count(seen[-1]) == kept_count(TOTAL, 0.02 * start)
    for before, after in pairwise(seen):
        assert not any((after[name] & ~before[name]).any() for name in after)
