"""Subset sums whose answers are known: planted ones, and small ones by brute force."""

import numpy as np


def planted(m, n, size, *, noise=0.0, seed=0):
    """Pools from U[-1, 1], targets within `noise` of the sum of `size` candidates, and which candidates those are."""
    random = np.random.default_rng(seed)
    candidates = random.uniform(-1, 1, (m, n))
    selection = random.permuted(np.tile(np.arange(n) < size, (m, 1)), axis=1)
    targets = (candidates * selection).sum(1) + random.uniform(-noise, noise, m)
    return candidates, targets, selection


def super_increasing(m, n, *, seed=0):
    """Pools of +-1, +-3, +-9, ... in random order, random subsets of them, and their sums.

    Different subsets have sums at least 1 apart: each power exceeds twice the sum of all smaller ones.
    """
    random = np.random.default_rng(seed)
    powers = random.permuted(np.tile(3.0 ** np.arange(n), (m, 1)), axis=1)
    candidates = powers * random.choice([-1.0, 1.0], (m, n))
    selection = random.random((m, n)) < 0.5
    return candidates, (candidates * selection).sum(1), selection


def every_subset(n):
    """All 2^n selections, `(2^n, n)`."""
    return (np.arange(1 << n)[:, None] >> np.arange(n) & 1).astype(bool)


def ordered_sum(candidates, selections):
    """The sums of many selections of one pool, each added in float64 in ascending order of index."""
    total = np.zeros(len(selections))
    for j, candidate in enumerate(candidates):
        total += np.where(selections[:, j], candidate, 0.0)
    return total
