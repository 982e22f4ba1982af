"""Blind blocks: what a block holds, how large the theorems make it, and how often it fails at that size."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from tombola.graph import read_graph
from tombola.random_source import Source, Uniform
from tombola.strong import Recipe, TargetLayer
from tombola.strong._blocks import (
    Blocks,
    binomial,
    build_blocks,
    build_layer,
    nearest_product,
    nearest_unit,
    smallest_block,
    sum_rule,
)
from tombola.strong._fixed_size import sized_blocks
from tombola.strong._golden_ratio import golden_blocks
from tombola.strong._malach_box import box_blocks, nearest_outer
from tombola.strong._malach_product import product_blocks
from tombola.strong._pensia import subset_blocks
from tombola.subset_sum import golden_bins, nearest, sparsest
from tombola.ticket import unpack

GRAPH = read_graph(torch.nn.Linear(1, 1), torch.zeros(1, 1))
RECIPE = Recipe(GRAPH, Source(3), sparsest, threads=1)
DESIGNS = {
    "box": box_blocks,
    "product": product_blocks,
    "golden": golden_blocks,
    "one of a fixed size": partial(sized_blocks, k=1),
    "two": partial(sized_blocks, k=2),
    "three": partial(sized_blocks, k=3),
    "pensia": lambda layer, count: subset_blocks(layer, count, RECIPE),
}


def layer(outputs: int, inputs: int, *, tolerance: float, largest: bool = False, **options) -> TargetLayer:
    """Uniform targets from (-1, 1), or as many of -1 and 1."""
    weight = np.random.default_rng(1).uniform(-1, 1, (outputs, inputs)).astype(np.float32)
    weight = np.sign(weight) if largest else weight
    return TargetLayer("fc", weight, options.get("bias"), True, options.get("signed", False), tolerance)


def failure_rate(target: TargetLayer, blocks: Blocks) -> float:
    built = build_layer(target, blocks, RECIPE)
    return built.failures / built.targets


def size_for(target: TargetLayer, blocks: Blocks, rate: float) -> int:
    """The block size at which targets fail at a rate, to 2 %."""
    low, high = 1, blocks.size
    while failure_rate(target, replace(blocks, size=high)) > rate:
        low, high = high, 2 * high
    while high > 1.02 * low + 1:
        middle = (low + high) // 2
        fails = failure_rate(target, replace(blocks, size=middle)) > rate
        low, high = (middle, high) if fails else (low, middle)
    return high


def test_by_hand():
    offered = np.array([[0.1, 0.4], [0.5, -0.2], [0.3, 0.4]])
    np.testing.assert_array_equal(nearest_unit(offered, np.array([0.35, 0.5])), [[0, 1], [0, 0], [1, 0]])
    factors, rows, targets = np.array([0.5, -1.0]), np.array([[0.8], [-0.7]]), np.array([0.45])
    # Products are 0.4 and 0.7; the outer weights with inner ones of 1 and -1 are 0.8 and 0.7.
    np.testing.assert_array_equal(nearest_product(factors, rows, targets, 0.1), [[1], [0]])
    np.testing.assert_array_equal(nearest_outer(factors, rows, targets, 0.1), [[0], [1]])
    np.testing.assert_array_equal(sum_rule(nearest)(factors, rows, np.array([1.0]), 0.1), [[1], [1]])
    np.testing.assert_array_equal(sum_rule(nearest, most=1)(factors, rows, np.array([1.0]), 0.1), [[1], [0]])


def test_block_sizes_by_hand():
    np.testing.assert_allclose(binomial(3, 0.25), [27 / 64, 27 / 64, 9 / 64, 1 / 64])
    assert smallest_block(0.25, lambda m: float(m == 0), 27 / 64 + 1e-12) == 3
    assert smallest_block(0.25, lambda m: float(m < 3), 63 / 64 + 1e-12) == 3
    assert smallest_block(0.5, lambda m: 0.0, 0.5) == 1
    unit = layer(1, 1, tolerance=0.1, largest=True)
    # eta = 0.05 / 1.05 with h = 1.05; 2 ln 100 / eta^2. And eta = 0.1 / 2 with h = 2; 2 ln 100 / (eta ln 2).
    assert box_blocks(unit, 1).size == 4062
    assert product_blocks(unit, 1).size == 266
    # log_phi 10 = 4.8: five bins, 4 x 6 ln 500.
    assert golden_blocks(unit, 1).size == 150


def test_every_port_keeps_units_of_its_own_block_only():
    target = layer(6, 4, tolerance=0.05, signed=True, bias=np.full(6, 0.5, np.float32))
    blocks = product_blocks(target, 100)
    built = build_layer(target, blocks, RECIPE)
    assert built.failures == 0
    owner = built.tensors["fc.in"].mask.owner.reshape(-1, blocks.size)
    values = Source(3).block("fc.in", blocks.inner, range(owner.size), range(4)).reshape(-1, blocks.size, 4)
    constant = unpack(built.tensors["fc.in.bias"].mask)[:, 0].reshape(-1, blocks.size)
    for port, (column, sign) in enumerate([(0, 1), (1, 1), (2, 1), (3, 1), (4, 1), (0, -1), (1, -1), (2, -1), (3, -1)]):
        owned = owner[port] >= 0
        if column == 4:
            assert not owned.any()
            assert constant[port].any()
            continue
        assert owned.any()
        assert not constant[port].any()
        assert set(owner[port][owned].tolist()) == {column}
        assert (sign * values[port][owned, column] > 0).all()
    assert len(owner) == 9


def test_blocks_do_not_look_at_values():
    # Other targets, other kept edges; but which units a port may keep stays the same, and so does the parent's height.
    target = layer(5, 3, tolerance=0.05)
    other = replace(target, weight=-target.weight)
    first, second = (build_layer(t, product_blocks(t, 15), RECIPE) for t in (target, other))
    assert first.tensors["fc.in"].mask.shape == second.tensors["fc.in"].mask.shape
    assert first.tensors["fc.in"].mask.shape[0] == 3 * product_blocks(target, 15).size
    assert (unpack(first.tensors["fc.out"].mask) != unpack(second.tensors["fc.out"].mask)).any()


@pytest.mark.parametrize("name", DESIGNS)
def test_targets_fail_no_more_often_than_accepted(name):
    # One of 100 may fail; 8,000 targets, so that four standard deviations of the rate are 0.0045.
    tolerance = 0.2 if name == "box" else 0.05
    target = layer(100, 80, tolerance=tolerance)
    assert failure_rate(target, DESIGNS[name](target, 1)) <= 0.01 + 0.0045


@pytest.mark.parametrize("name", [name for name in DESIGNS if name != "pensia"])
def test_the_largest_targets_fail_no_more_often_than_accepted(name):
    tolerance = 0.2 if name == "box" else 0.05
    target = layer(100, 80, tolerance=tolerance, largest=True)
    assert failure_rate(target, DESIGNS[name](target, 1)) <= 0.01 + 0.0045


@pytest.mark.parametrize(("name", "slack"), [("product", 1.3), ("box", 2.5), ("golden", 2.5), ("pensia", 1.4)])
def test_blocks_are_not_much_larger_than_they_have_to_be(name, slack):
    # The theorem of products is tight for the largest targets; the others lose something to their union bounds.
    tolerance = 0.2 if name == "box" else 0.05
    target = layer(100, 80, tolerance=tolerance, largest=name != "pensia")
    blocks = DESIGNS[name](target, 1)
    assert failure_rate(target, replace(blocks, size=int(blocks.size / slack))) > 0.01


def test_pool_sizes_fall_with_the_square_of_eta_for_the_box_and_linearly_for_products():
    # [Malach2020]: targets uniform on (0, 1/2), outer weights on (-1, 1), the size at which one in 100 fails.
    target = layer(100, 25, tolerance=0.1)
    target = replace(target, weight=np.abs(target.weight) / 2)
    sizes = {"box": [], "product": []}
    etas = np.array([0.08, 0.04, 0.02])
    for eta in etas.tolist():
        box = Blocks(round(9 / eta**2), Uniform(1.0), Uniform(1.0), 1 - eta, nearest_outer)
        product = Blocks(round(9 / eta), Uniform(1.0), Uniform(1.0), 0.0, nearest_product)
        sizes["box"].append(size_for(replace(target, tolerance=2 * eta), box, 0.01))
        sizes["product"].append(size_for(replace(target, tolerance=eta), product, 0.01))
    slopes = {name: np.polyfit(np.log(etas), np.log(size), 1)[0] for name, size in sizes.items()}
    assert slopes["box"] == pytest.approx(-2, abs=0.15)
    assert slopes["product"] == pytest.approx(-1, abs=0.15)
    for eta, size in zip(etas, sizes["product"], strict=True):
        assert size <= np.log(100) / (np.log(2) / 2 * eta)


def test_more_edges_for_each_weight_need_smaller_blocks():
    target = layer(10, 10, tolerance=0.01)
    sizes = [sized_blocks(target, 1000, k=k).size for k in (1, 2, 3)]
    assert sizes[0] > 10 * sizes[1] > 15 * sizes[2]


def test_subset_sum_blocks_grow_with_the_logarithm_of_count_and_tolerance():
    # [Pensia2020]: O(log(N / epsilon)); the steps of a geometric series are nearly equal.
    by_tolerance = [subset_blocks(layer(4, 4, tolerance=t), 1000, RECIPE).size for t in (0.08, 0.02, 0.005)]
    by_count = [subset_blocks(layer(4, 4, tolerance=0.02), count, RECIPE).size for count in (10, 100, 1000, 10_000)]
    for sizes, most in ((by_tolerance, 1.5), (by_count, 1.3)):
        steps = np.diff(sizes)
        assert steps.min() > 3
        assert steps.max() / steps.min() < most


def test_golden_blocks_keep_at_most_one_product_of_each_bin():
    target = layer(40, 20, tolerance=0.01)
    built = build_layer(target, golden_blocks(target, 800), RECIPE)
    kept = unpack(built.tensors["fc.out"].mask).reshape(20, -1, 40).sum(axis=1)
    assert built.failures == 0
    assert kept.max() <= golden_bins(1.0, 0.01)
    assert 1 < kept.mean() < 4


def test_sums_are_those_of_the_kept_products_and_misses_are_listed():
    target = layer(30, 5, tolerance=0.05, signed=True)
    blocks = replace(product_blocks(target, 1), size=60)  # far too small
    built = build_layer(target, blocks, RECIPE)
    inner = Source(3).block("fc.in", blocks.inner, range(600), range(5)).astype(np.float64)
    outer = Source(3).block("fc.out", blocks.outer, range(600), range(30)).astype(np.float64)
    inner *= unpack(built.tensors["fc.in"].mask)
    outer *= unpack(built.tensors["fc.out"].mask)
    wrong = []
    for sign in (1, -1):
        errors = np.abs(outer.T @ np.where(sign * inner > 0, inner, 0) - target.weight)
        wrong += [(int(j), int(i), sign, errors[j, i]) for i, j in zip(*np.nonzero(errors.T > 0.05), strict=True)]
    assert 0 < built.failures == len(wrong) < 300
    listed = [(miss.output, miss.input, miss.sign, miss.error) for miss in built.misses]
    for found, wanted in zip(listed, wrong, strict=True):
        assert found[:3] == wanted[:3]
        assert found[3] == pytest.approx(wanted[3], rel=1e-5)


def test_a_block_without_a_usable_unit_misses_its_targets():
    target = layer(3, 2, tolerance=0.05)
    built = build_layer(target, Blocks(1, Uniform(1.0), Uniform(1.0), 2.0, nearest_product), RECIPE)
    assert built.failures == built.targets - built.zeroed == 5
    assert built.edges == 0
    np.testing.assert_allclose(np.sort(built.errors), np.sort(np.abs(target.weight).ravel()))


@pytest.mark.parametrize(("chunk", "entries", "threads"), [(7, 1 << 22, 1), (1 << 16, 50, 1), (100, 1000, 2)])
def test_answer_does_not_depend_on_chunks_or_threads(monkeypatch, chunk, entries, threads):
    target = layer(20, 6, tolerance=0.05, signed=True)
    blocks = product_blocks(target, 240)
    expected = build_layer(target, blocks, RECIPE)
    monkeypatch.setattr("tombola.strong._blocks.CHUNK", chunk)
    monkeypatch.setattr("tombola.strong._blocks.ENTRIES", entries)
    found = build_layer(target, blocks, replace(RECIPE, threads=threads))
    for name, tensor in expected.tensors.items():
        np.testing.assert_array_equal(unpack(found.tensors[name].mask), unpack(tensor.mask))
    np.testing.assert_array_equal(found.errors, expected.errors)


def test_probability_is_shared_by_all_layers():
    seen = []

    def design(target, count):
        seen.append(count)
        return product_blocks(target, count)

    build_blocks([layer(3, 4, tolerance=0.1, signed=True), layer(2, 3, tolerance=0.1)], RECIPE, design)
    assert seen == [2 * 12 + 6] * 2


def test_masks_that_would_not_fit_are_refused():
    target = layer(10, 10, tolerance=0.001)
    with pytest.raises(ValueError, match=r"layer 'fc' would take \d+ hidden units.*coarser tolerance"):
        build_layer(target, box_blocks(target, 100), RECIPE)


def test_pools_beyond_the_solvers_are_refused():
    with pytest.raises(ValueError, match=r"more than the 40 that solvers take: allow a coarser"):
        subset_blocks(layer(4, 4, tolerance=1e-4), 10**7, RECIPE)
