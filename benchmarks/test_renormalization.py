"""Everything about flows that comes after training, for a deep network.

`TOMBOLA_BENCH_SMOKE=1` runs everything at a small size and checks answers only.
"""

import os
from time import perf_counter, process_time

import numpy as np

from tombola.isolation import torch_threads
from tombola.renormalization import (
    Flow,
    Spectrum,
    ensemble_operator,
    flow_report,
    gaussian_null,
    semigroup_defect,
    trajectory_operator,
    universality,
)

SMOKE = os.environ.get("TOMBOLA_BENCH_SMOKE") == "1"
SEEDS, LEVELS, GROUPS = (3, 6, 4) if SMOKE else (8, 20, 60)


def network():
    """Sizes and deviations of layers that grow."""
    sizes = {f"layer{i}": 20_000 + 2000 * i for i in range(GROUPS)}
    return sizes, {name: 20 * size**-0.5 for name, size in sizes.items()}


def runs(shift):
    """Flows whose groups drift away from that of untrained weights, and that one."""
    sizes, deviations = network()
    kept = sum(sizes.values()) * 0.8 ** np.arange(LEVELS)
    null = gaussian_null(kept, sizes, deviations)
    rates = shift * np.cos(np.arange(GROUPS))
    flows = []
    for seed in range(SEEDS):
        random = np.random.default_rng(seed)
        walk = 0.01 * random.standard_normal((LEVELS, GROUPS)).cumsum(axis=0)
        magnitudes = null.magnitudes * np.exp(rates * null.time[:, None] + walk)
        counts = np.floor(null.counts).astype(np.int64)
        errors = np.linspace(0.05, 0.1, LEVELS)
        flows.append(Flow(null.groups, null.sizes, counts, magnitudes, null.squares, errors, {"chance": 0.9}))
    return flows, null


def test_everything_after_training(report):
    """Two settings: report each, compare them, and try both maps."""
    first, null = runs(0.1)
    second, _ = runs(0.2)
    with torch_threads(1):
        flow_report(first[:2])  # imports what is imported in functions
        start, worked = perf_counter(), process_time()
        reports = [flow_report(flows, null=[null], factor=0.8) for flows in (first, second)]
        one = perf_counter()
        compared = universality(reports[0].exponents, reports[1].exponents)
        maps = [trajectory_operator(first, spectrum=Spectrum()), ensemble_operator(first, 3)]
        defect = semigroup_defect(first[0], second[0])
        end, worked = perf_counter(), process_time() - worked
    assert compared.verdict in ("same", "different", "undecided")
    assert reports[0].exponents.value is not None
    assert all(found.matrix is not None or found.refusals for found in maps)
    assert defect.on_logs is not None
    report(one_report=(one - start) / 2, everything=end - start, processor=worked)
