"""Affine maps and blocks out of them, as the constructions for target networks make them."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from tombola import Source, Ticket
from tombola.effective import effective_maps
from tombola.strong import depth_leveraged, two_layer
from tombola.universal import block_error, build, fourier, polynomial
from tombola.universal._function import Function, chebyshev, decay, hat, reflection, sine
from tombola.universal._layers import affine, block_of_layers
from tombola.universal._realised import block_of_maps, linear_of_maps
from tombola.universal._step import Block, Built, Linear, RealisedBlock

CONSTRUCTIONS = {"two-layer": two_layer, "depth": depth_leveraged(3)}
constructions = pytest.mark.parametrize("construction", CONSTRUCTIONS.values(), ids=CONSTRUCTIONS.keys())

BLOCKS = {
    "exp": Block("exp", (decay(2.9),), 4e-3, relu=False),
    "sine": Block("sine", (sine(1.5),), 2e-2, relu=False),
    "reflection": Block("fold", (reflection(0.75, 1.3),), 1e-3),
    "hats": Block("block", tuple(hat(k - 0.5, k, k + 0.5) for k in (0.5, 1.0)), 1e-3, relu=False),
    "two channels": Block("block", (chebyshev(2), chebyshev(3)), 2e-2, relu=False),
}
blocks = pytest.mark.parametrize("name", BLOCKS)


def maps_of(built: Built, seed: int = 0):
    return {one.layer: one for one in effective_maps(Ticket("universal", Source(seed), built.tensors, built.stages))}


@cache
def realised(name: str, construction) -> RealisedBlock:
    block = BLOCKS[name]
    made = maps_of(block_of_layers(block, Source(0), construction))
    return block_of_maps(block.name, made, block.functions, relu=block.relu)


def some_map(scale: float = 1.0) -> Linear:
    random = np.random.default_rng(0)
    weight = random.uniform(-scale, scale, (6, 5)) * (random.uniform(size=(6, 5)) < 0.7)
    return Linear("map", weight, random.uniform(0, scale, 6), 1e-3 * scale)


@constructions
@pytest.mark.parametrize("scale", [1.0, 30.0])
def test_weights_of_an_affine_map_meet_its_tolerance(construction, scale):
    wanted = some_map(scale)
    found = linear_of_maps("map", maps_of(affine(wanted, Source(0), construction)))
    rounding = 1e-6 * scale
    assert np.abs(found.weight - wanted.weight).max() <= wanted.tolerance + rounding
    assert np.abs(found.bias - wanted.bias).max() <= wanted.tolerance + rounding
    assert (found.weight[wanted.weight == 0] == 0).all()


@constructions
def test_without_a_bias_there_is_none(construction):
    wanted = Linear("map", some_map().weight, None, 1e-3)
    built = affine(wanted, Source(0), construction)
    found = linear_of_maps("map", maps_of(built))
    np.testing.assert_array_equal(found.bias, 0)
    np.testing.assert_allclose(found.weight, wanted.weight, rtol=0, atol=1.01e-3)


@constructions
def test_relu_behind_is_the_one_that_was_asked_for(construction):
    for relu in (True, False):
        built = affine(some_map(), Source(0), construction, relu=relu)
        assert built.stages[-1].relu is relu
        assert all(stage.relu for stage in built.stages[:-1])


def test_depth_makes_an_affine_map_of_more_layers():
    wanted = Linear("map", np.random.default_rng(1).uniform(-1, 1, (16, 40)), None, 1e-3)
    pair, deep = (affine(wanted, Source(0), construction) for construction in CONSTRUCTIONS.values())
    assert (len(pair.stages), len(deep.stages)) == (2, 4)


@constructions
@blocks
def test_a_block_is_within_its_tolerance(name, construction):
    pairs = zip(realised(name, construction).functions, BLOCKS[name].functions, strict=True)
    assert max(block_error(line, function) for line, function in pairs) <= BLOCKS[name].tolerance


@constructions
@pytest.mark.parametrize(("name", "knots"), [("reflection", 1), ("hats", 1)])
def test_piecewise_linear_functions_get_the_knots_that_they_have(name, knots, construction):
    for line, function in zip(realised(name, construction).functions, BLOCKS[name].functions, strict=True):
        places, changes = line.kinks
        bends = places[np.abs(changes) > 0.1]
        assert bends.size <= knots
        assert all(np.abs(bends - point).min() <= 1e-3 for point in function.breaks)


def test_weights_out_of_the_knots_are_fitted_to_what_the_knots_have_become():
    """A knot is where the source has put it, and the error is far below what a shift of the knots would make."""
    block = BLOCKS["exp"]
    (line,) = realised("exp", two_layer).functions
    places = np.concatenate([[0.0], line.kinks[0], [line.high]])
    inside = np.abs(line(places) - block.functions[0].value(places))
    assert inside.max() <= block.tolerance
    signs = np.sign(line(places) - block.functions[0].value(places))
    assert (signs[1:-1] < 0).all()  # chords of a convex function are shifted down


def test_too_few_knots_are_an_error(monkeypatch):
    wanted = Block("sine", (sine(1.5),), 4e-3, relu=False)
    monkeypatch.setattr("tombola.universal._layers.ATTEMPTS", 1)
    monkeypatch.setattr("tombola.universal._layers.expected_knots", lambda function, tolerance: 4)
    with pytest.raises(ValueError, match=r"block 'sine' comes within .* ask for a coarser tolerance"):
        block_of_layers(wanted, Source(0), two_layer)


def test_a_function_that_bends_and_breaks_is_fitted_at_its_breaks_alone():
    """`breaks` says that a function is straight between them, for what a block is made of."""
    vee = Function("vee", lambda x: np.abs(x - 0.3), 0.0, 1.0, lambda low, high: 0 * low, breaks=(0.3,))
    made = maps_of(block_of_layers(Block("vee", (vee,), 1e-3, relu=False), Source(0), two_layer))
    (line,) = block_of_maps("vee", made, (vee,), relu=False).functions
    assert block_error(line, vee) <= 1e-3


FIGURES = [
    (lambda: polynomial(1, 4, tolerance=1.5e-3), 1.5e-3, 1200),
    (lambda: fourier(1, 1, tolerance=1.2e-2), 1.2e-2, 450),
]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("family", "bound", "most"), FIGURES)
def test_two_layers_prove_what_was_asked_for(family, bound, most, seed):
    ticket = build(family(), seed=seed, construction=two_layer)
    assert ticket.certificate.bound <= bound
    assert ticket.kept <= most
