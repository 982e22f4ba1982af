"""What a universal ticket costs: building it, and its features beside scikit-learn's and beside the pruned network.

`TOMBOLA_BENCH_SMOKE=1` runs everything at a small size and checks answers only.
"""

import os
from time import perf_counter

import numpy as np
import pytest
import torch
from sklearn.preprocessing import PolynomialFeatures

from tombola.universal import Features, build, fourier, polynomial

SMOKE = os.environ.get("TOMBOLA_BENCH_SMOKE") == "1"
ROWS = 2_000 if SMOKE else 1_000_000
ROUNDS = 1 if SMOKE else 5


def seconds(*calls):
    """The median time of each call, the calls taking turns."""
    times = [[] for _ in calls]
    for _ in range(ROUNDS):
        for call, found in zip(calls, times, strict=True):
            start = perf_counter()
            call()
            found.append(perf_counter() - start)
    return [float(np.median(found)) for found in times]


def test_features_beside_scikit_learn(report):
    """A million rows of three features, degree 4; the polynomials of scikit-learn are the baseline."""
    family = polynomial(3, 4)
    ticket = build(family)
    features, exact = Features.of(ticket), PolynomialFeatures(4, include_bias=False)
    x = np.random.default_rng(0).random((ROWS, 3))
    assert np.abs(features(x) - family.exact(x)).max() <= ticket.certificate.bound
    exact.fit_transform(x[:100])
    ours, alone, theirs = seconds(lambda: features(x), lambda: features(x, threads=1), lambda: exact.fit_transform(x))
    report(ours=ours, one_thread=alone, scikit_learn=theirs, ratio=ours / theirs, ratio_one_thread=alone / theirs)
    assert SMOKE or ours <= 3 * theirs


def test_features_beside_the_pruned_network(report):
    """The same features by the tables and by the network of used units in torch."""
    ticket = build(polynomial(3, 4))
    features, network = Features.of(ticket), ticket.module(form="sparse").double()
    x = np.random.default_rng(0).random((ROWS // 20, 3))
    with torch.no_grad():
        np.testing.assert_allclose(network(torch.from_numpy(x)).numpy(), features(x), atol=1e-6, rtol=0)
        tables, dense = seconds(lambda: features(x), lambda: network(torch.from_numpy(x)))
    report(tables=tables, network=dense, ratio=dense / tables)


@pytest.mark.parametrize(
    "family", [polynomial(1, 4), polynomial(3, 4), fourier(1, 1), fourier(2, 4)], ids=["1d", "3d", "sine", "waves"]
)
def test_building(family, report):
    """Seconds to build a ticket with its proof, once the kernels are compiled."""
    build(family)
    (taken,) = seconds(lambda: build(family))
    ticket = build(family)
    report(seconds=taken, kept=ticket.kept, bound=ticket.certificate.bound)
    assert ticket.certificate.bound <= family.tolerance
