"""Blocks of free kinks: edges add up to the broken line that was found, and only as many as it takes."""

from __future__ import annotations

import math
from functools import cache

import numpy as np
import pytest

from tombola import Source, Ticket
from tombola.effective import effective_maps
from tombola.subset_sum import sparsest
from tombola.ticket import unpack
from tombola.universal import Function, block_error, build, fourier, orthogonal, polynomial
from tombola.universal._function import chebyshev, decay, legendre, negative_log, sine
from tombola.universal._paths import OFFERED, RELAYS, _summed, block_of_paths, expected_knots
from tombola.universal._realised import block_of_maps
from tombola.universal._step import Block, Built, RealisedBlock

BLOCKS = {
    "log": Block("log", (negative_log(),), 5e-4),
    "exp": Block("exp", (decay(2.9),), 1e-3, relu=False),
    "sine": Block("sine", (sine(1.5),), 1e-2, relu=False),
    "two channels": Block("both", (chebyshev(2), chebyshev(3)), 1e-2, relu=False),
    "a straight line": Block("line", (chebyshev(1),), 1e-2, relu=False),
    "a falling line": Block("line", (Function("1 - x", lambda x: 1 - x, 0.0, 1.0, lambda a, b: 0 * a),), 5e-3),
}
blocks = pytest.mark.parametrize("name", BLOCKS)


@cache
def built(name: str, seed: int = 0) -> Built:
    return block_of_paths(BLOCKS[name], Source(seed), width=4096)


def realised(name: str, seed: int = 0) -> RealisedBlock:
    block, made = BLOCKS[name], built(name, seed)
    maps = {one.layer: one for one in effective_maps(Ticket("universal", Source(seed), made.tensors, made.stages))}
    return block_of_maps(block.name, maps, block.functions, relu=block.relu)


@blocks
@pytest.mark.parametrize("seed", range(3))
def test_the_block_is_within_its_tolerance(name, seed):
    block = BLOCKS[name]
    pairs = zip(realised(name, seed).functions, block.functions, strict=True)
    assert max(block_error(line, function) for line, function in pairs) <= block.tolerance


@blocks
def test_hidden_units_keep_at_most_a_weight_and_a_bias_and_all_are_read(name):
    made, block = built(name), BLOCKS[name]
    knots, bias, fan, constants, out = (unpack(tensor.mask) for tensor in made.tensors.values())
    np.testing.assert_array_equal((knots | bias)[:, 0], fan.any(axis=0))
    used = fan.any(axis=1) | constants[:, 0]
    np.testing.assert_array_equal(used, out.any(axis=1))
    assert (out.sum(axis=1) <= 1).all()
    assert fan.shape[0] == RELAYS * len(block.functions)


@blocks
def test_relays_are_never_negative(name):
    """So a ReLU between hidden units and outputs changes nothing, and a block has one hidden layer in effect."""
    made = built(name)
    for tensor in list(made.tensors)[2:4]:
        kept = unpack(made.tensors[tensor].mask)
        values = Source(0).block(tensor, made.tensors[tensor].law, *map(range, kept.shape))
        assert (values[kept] > 0).all()


@pytest.mark.parametrize("name", ["log", "exp", "sine"])
@pytest.mark.parametrize("seed", range(3))
def test_knots_are_not_many_more_than_the_best_broken_line_has(name, seed):
    block = BLOCKS[name]
    (line,) = realised(name, seed).functions
    assert line.kinks[0].size + 1 <= 1.4 * expected_knots(block.functions[0], block.tolerance)


@pytest.mark.parametrize("name", ["a straight line", "a falling line"])
def test_a_straight_line_takes_no_kink(name):
    assert all(line.kinks[0].size == 0 for line in realised(name).functions)


def test_a_wider_source_is_tried_where_a_narrow_one_does_not_suffice():
    block = Block("exp", (decay(2.9),), 1e-3, relu=False)
    knots = expected_knots(block.functions[0], block.tolerance)
    first = next(iter(block_of_paths(block, Source(0), width=2**14).tensors.values())).mask.shape[0]
    assert first >= 40 * knots
    with pytest.raises(ValueError, match=r"block 'exp' with a tolerance of 0.001 needs more than the 8 hidden units"):
        block_of_paths(block, Source(0), width=8)


@pytest.mark.parametrize(
    ("function", "integral"),
    [(negative_log(), math.log(2)), (decay(3.0), 2 * (1 - math.exp(-1.5))), (legendre(1), 0.0)],
    ids=["log", "exp", "line"],
)
def test_expected_knots_are_those_of_the_integral(function, integral):
    for tolerance in (1e-2, 1e-3, 1e-4):
        wanted = integral / math.sqrt(16 * tolerance)
        assert wanted <= expected_knots(function, tolerance) <= 1.01 * wanted + 2


@pytest.mark.parametrize("count", [0, 1, 5, OFFERED - 1, OFFERED, OFFERED + 1, 200])
@pytest.mark.parametrize("seed", range(3))
def test_a_sum_uses_every_candidate_once_and_is_what_it_says(count, seed):
    offered = np.random.default_rng(seed).uniform(-1, 1, count)
    chosen, value, met = _summed(offered, 1.3, 0.01)
    assert chosen.shape == (count,)
    assert value == pytest.approx(offered[chosen].sum(), abs=1e-12)
    assert met == (abs(value - 1.3) <= 0.01)
    if count <= OFFERED:
        best = sparsest(offered, np.array([1.3]), epsilon=0.01)
        assert (met, chosen.sum()) == (best.met[0], best.selection[0].sum())


def test_few_candidates_are_not_counted_twice():
    """Two halves would meet 2 if each were taken from both ends."""
    _, value, met = _summed(np.array([1.0]), 2.0, 0.01)
    assert (value, met) == (1.0, False)


FIGURES = [
    (lambda: polynomial(1, 4, tolerance=1.5e-3), 1.5e-3, 600),
    (lambda: polynomial(1, 4, tolerance=1.5e-4), 1.5e-4, 1200),
    (lambda: fourier(1, 1, tolerance=1.2e-2), 1.2e-2, 225),
    (lambda: fourier(1, 1, tolerance=1.2e-3), 1.2e-3, 450),
]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(("family", "bound", "most"), FIGURES)
def test_few_edges_prove_what_was_asked_for(family, bound, most, seed):
    ticket = build(family(), seed=seed)
    assert ticket.certificate.bound <= bound
    assert ticket.kept <= most


def test_straight_features_are_as_close_as_wanted():
    for seed in range(4):
        assert build(orthogonal(1, 1), seed=seed).certificate.bound <= 1e-2
