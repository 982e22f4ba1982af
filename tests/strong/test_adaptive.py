"""Adaptive pools: what they hold, what they leave, and what is reported when a target cannot be met."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tombola.random_source import Source, Uniform
from tombola.strong._adaptive import LARGEST_POOL, Pool, compressed, grow_pools, solve_port, solve_problem
from tombola.strong._layer import TargetLayer, half_width
from tombola.strong._problem import FreeUnits, Problem
from tombola.strong._two_layer import input_owned, output_owned
from tombola.subset_sum import sparsest


def layer(outputs: int, inputs: int, *, signed: bool = False, tolerance: float = 0.01) -> TargetLayer:
    weight = np.random.default_rng(0).uniform(-1, 1, (outputs, inputs)).astype(np.float32)
    return TargetLayer("fc", weight, None, True, signed, tolerance)


def solved(problem: Problem):
    return solve_problem(problem, sparsest, threads=1, progress=lambda _: None)


@pytest.mark.parametrize("make", [input_owned, output_owned])
def test_sums_are_products_of_source_values_and_meet_the_tolerance(make):
    problem = make(layer(12, 9), Source(1))
    pools, solutions = solved(problem)
    for port, (pool, solution) in enumerate(zip(pools, solutions, strict=True)):
        factors = problem.factors(pool.units)[:, problem.columns[port]].astype(np.float64)
        np.testing.assert_array_equal(pool.factors, factors)
        kept = np.unpackbits(solution.kept, axis=1, count=problem.targets.shape[1], bitorder="little").astype(bool)
        sums = (kept * problem.elements(pool.units) * factors[:, None]).sum(axis=0)
        np.testing.assert_allclose(np.abs(sums - problem.targets[port]), solution.errors, atol=1e-6)
        assert solution.errors.max() <= 0.01
        assert not solution.missed.size


def test_every_unit_has_one_owner_of_the_right_sign():
    problem = input_owned(layer(6, 5, signed=True), Source(2))
    pools, _ = solved(problem)
    owned = np.concatenate([pool.units for pool in pools])
    assert len(set(owned.tolist())) == owned.size
    for sign, pool in zip(problem.signs, pools, strict=True):
        assert (pool.factors * sign >= problem.least_factor).all()


def test_harder_ports_choose_first():
    weight = np.array([[0.1, 0.9, 0.4]], np.float32)
    problem = input_owned(TargetLayer("fc", weight, None, True, False, 0.01), Source(0))
    assert problem.order().tolist() == [1, 2, 0]


def test_targets_within_tolerance_take_no_unit():
    problem = input_owned(layer(4, 3, tolerance=2.0), Source(0))
    pools, solutions = solved(problem)
    assert all(not pool.units.size for pool in pools)
    assert sum(solution.edges for solution in solutions) == 0


def test_free_units_are_offered_in_order_and_only_once():
    free = FreeUnits(input_owned(layer(4, 3), Source(0)))
    first, _, factors = free.offer(0, 10)
    assert (np.diff(first) > 0).all()
    assert (factors > 0).all()
    free.take(first[:4])
    again, slots, _ = free.offer(0, 10)
    assert not set(first[:4].tolist()) & set(again.tolist())
    expected = input_owned(layer(4, 3), Source(0)).elements(again)
    np.testing.assert_array_equal(free.rows[slots], expected)


@pytest.mark.parametrize(("draw", "block"), [(7, 1), (1000, 3)])
def test_answer_does_not_depend_on_block_sizes(monkeypatch, draw, block):
    problem = input_owned(layer(20, 15), Source(4))
    expected = solved(problem)
    monkeypatch.setattr("tombola.strong._problem.DRAW", draw)
    monkeypatch.setattr("tombola.strong._adaptive.BLOCK", block)
    found = solved(problem)
    for pools in zip(expected[0], found[0], strict=True):
        np.testing.assert_array_equal(pools[0].units, pools[1].units)
    for solutions in zip(expected[1], found[1], strict=True):
        np.testing.assert_array_equal(solutions[0].kept, solutions[1].kept)


def test_unreachable_targets_are_reported_not_hidden():
    problem = input_owned(layer(3, 2), Source(0))
    pools, solutions = solved(replace(problem, targets=np.full((2, 3), 1e4, np.float32)))
    assert all(solution.missed.tolist() == [0, 1, 2] for solution in solutions)
    assert all(pool.units.size <= LARGEST_POOL for pool in pools)


def test_a_pool_that_the_grid_let_through_is_repaired():
    # The first pool is cut to two units: most of its targets then miss, and the repair has to bring them back.
    problem = input_owned(layer(30, 4), Source(0))
    free = FreeUnits(problem)
    pools = grow_pools(problem, free, progress=lambda _: None)
    cut = Pool(pools[0].units[:2], pools[0].factors[:2])
    assert solve_port(problem, 0, cut, sparsest).missed.size
    _, solutions = solved(problem)
    assert not solutions[0].missed.size


def test_compressed_drops_zeros_and_remembers_places():
    offered = np.array([[0.0, 1.0, 0.0, 2.0], [3.0, 0.0, 0.0, 0.0]])
    values, place = compressed(offered)
    assert values.tolist() == [[1.0, 2.0], [3.0, 0.0]]
    assert place[0].tolist() == [1, 3]
    assert place[1, 0] == 0


@pytest.mark.parametrize(
    ("draw", "expected"), [(lambda r: r.uniform(-1, 1, 4000), 2.0), (lambda r: r.normal(0, 0.1, 4000), 0.25)]
)
def test_half_width_follows_the_distribution(draw, expected):
    assert half_width(draw(np.random.default_rng(0)).astype(np.float32)) == expected


def test_more_careful_tolerance_needs_units_linearly_in_its_logarithm():
    # [Pensia2020]: width grows like log(1 / epsilon); each factor of 4 should cost about the same number of units.
    widths = []
    for tolerance in (0.04, 0.01, 0.0025, 0.000625):
        pools, _ = solved(input_owned(layer(40, 12, tolerance=tolerance), Source(5)))
        widths.append(np.mean([pool.units.size for pool in pools]))
    steps = np.diff(widths)
    assert (steps > 0.8).all()
    assert (steps < 4.5).all()
    assert np.ptp(steps) < 2.5


def test_product_law_of_the_source_is_used():
    problem = input_owned(layer(3, 2), Source(9))
    units = np.arange(5)
    np.testing.assert_array_equal(problem.factors(units), Source(9).block("fc.in", Uniform(1.0), range(5), range(2)))
