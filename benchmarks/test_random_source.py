"""How fast source values are made, as ratios to NumPy's own Philox generator measured in the same process.

`TOMBOLA_BENCH_SMOKE=1` runs everything at a small size and checks answers only.
"""

import os

import numpy as np
import pytest
from benchmarks.test_subset_sum import seconds

from tombola.engines import available_cores
from tombola.random_source import LogUniform, Normal, SignedConstant, Source, Uniform

SMOKE = os.environ.get("TOMBOLA_BENCH_SMOKE") == "1"
ROWS, COLUMNS = (64, 64) if SMOKE else (4096, 4096)


def block(law, threads):
    return Source(7).block("fc1", law, range(ROWS), range(COLUMNS), threads=threads)


def check_same(law):
    """All threads, one thread and a single row on its own give the same bits."""
    alone, shared = block(law, 1), block(law, None)
    np.testing.assert_array_equal(alone, shared)
    np.testing.assert_array_equal(Source(7).block("fc1", law, [ROWS - 1], range(COLUMNS))[0], alone[-1])


def test_uniform_against_numpy(report):
    """Uniform float32 values; NumPy's have 24 random bits as ours do, but neither a sign nor an address."""
    law, theirs = Uniform(1.0), np.random.Generator(np.random.Philox(0))
    check_same(law)
    cores = available_cores()
    numpy_s, one_s, all_s = seconds(
        lambda: theirs.random((ROWS, COLUMNS), dtype=np.float32), lambda: block(law, 1), lambda: block(law, cores)
    )
    count = ROWS * COLUMNS / 1e6
    figures = {"numpy": count / numpy_s, "one_thread": count / one_s, "all_threads": count / all_s}
    report(**{f"{name}_millions_per_s": figure for name, figure in figures.items()})
    report(threads=cores, ratio_one_thread=numpy_s / one_s, ratio_all_threads=numpy_s / all_s)
    assert SMOKE or numpy_s / all_s >= (3 if cores > 1 else 2)


@pytest.mark.parametrize(
    ("law", "theirs"),
    [
        (Normal(1.0), lambda g: g.standard_normal((ROWS, COLUMNS), dtype=np.float32)),
        (LogUniform(0.01), lambda g: np.exp(g.uniform(np.log(0.01), 0, (ROWS, COLUMNS))).astype(np.float32)),
        (SignedConstant(1.0), lambda g: np.where(g.random((ROWS, COLUMNS), dtype=np.float32) < 0.5, np.float32(-1), 1)),
    ],
    ids=["normal", "log-uniform", "signed constant"],
)
def test_other_laws_against_numpy(law, theirs, report):
    """The laws whose bits are the same everywhere next to NumPy's ziggurat and library functions; figures only."""
    check_same(law)
    generator = np.random.Generator(np.random.Philox(0))
    numpy_s, all_s = seconds(lambda: theirs(generator), lambda: block(law, available_cores()), rounds=1 if SMOKE else 5)
    report(millions_per_s=ROWS * COLUMNS / 1e6 / all_s, ratio_all_threads=numpy_s / all_s)
