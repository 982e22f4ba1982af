"""Flows with known exponents."""

import numpy as np

from tombola.renormalization import Flow


def of_counts(counts, sizes=None, **fields):
    """A flow whose magnitudes are its counts."""
    counts = np.asarray(counts)
    names = tuple(f"g{i}" for i in range(counts.shape[1]))
    sizes = counts[0] if sizes is None else np.asarray(sizes)
    return Flow(names, sizes, counts, counts.astype(float), counts.astype(float), **fields)


def planted(exponents, *, random=None, noise=0.0, walk=0.0, levels=13, factor=0.8, size=10**6, **fields):
    """A flow whose clr coordinates of magnitudes drift at given rates of sum 0 per unit of time.

    `noise` is the standard deviation of each level by itself, `walk` that of increments, which add up over levels.
    """
    rates = np.asarray(exponents, float)
    groups = len(rates)
    counts = np.round(size * factor ** np.arange(levels))[:, None].repeat(groups, axis=1).astype(int)
    time = -np.log(counts[:, 0] / size)
    logs = rates * time[:, None] - time[:, None]
    if random is not None:
        logs = logs + noise * random.standard_normal((levels, groups))
        logs = logs + walk * random.standard_normal((levels, groups)).cumsum(axis=0)
    names = tuple(f"g{i}" for i in range(groups))
    return Flow(names, np.full(groups, size), counts, size * np.exp(logs), size * np.exp(2 * logs), **fields)
