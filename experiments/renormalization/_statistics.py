"""Rank statistics of pairs of tasks, which are not independent of one another."""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata


def spearman(first: np.ndarray, second: np.ndarray) -> float | None:
    """Spearman's correlation, ties by mean ranks; None if one of them does not vary."""
    one, other = (rankdata(values) - (len(values) + 1) / 2 for values in (first, second))
    size = float(np.sqrt((one @ one) * (other @ other)))
    return float(one @ other) / size if size else None


def mantel(predictor: np.ndarray, outcome: np.ndarray, *, permutations: int, seed: int = 0) -> dict[str, float | None]:
    """Spearman's correlation of two matrices over the pairs where both have numbers, and its one-sided p-value.

    Tasks are permuted in the predictor, rows and columns together; of each permutation the pairs that both have count.

    Args:
        predictor: `(n, n)`, NaN where there is no number, as on the diagonal.
        outcome: likewise.
    """
    found = _over_pairs(predictor, outcome)
    if found is None:
        return {"spearman": None, "p": None}
    random, count = np.random.default_rng(seed), 1
    for _ in range(permutations):
        order = random.permutation(len(predictor))
        other = _over_pairs(predictor[np.ix_(order, order)], outcome)
        count += other is not None and other >= found - 1e-12
    return {"spearman": found, "p": count / (permutations + 1)}


def _over_pairs(predictor: np.ndarray, outcome: np.ndarray) -> float | None:
    usable = np.isfinite(predictor) & np.isfinite(outcome)
    return spearman(predictor[usable], outcome[usable]) if usable.sum() > 2 else None


def area(scores: np.ndarray, truth: np.ndarray) -> float | None:
    """The probability that a pair which transfers has the larger score; ties count half. None without both kinds."""
    yes, no = scores[truth], scores[~truth]
    if not len(yes) or not len(no):
        return None
    return float((np.sign(yes[:, None] - no[None, :]) / 2 + 0.5).mean())


def verdicts(said: np.ndarray, truth: np.ndarray) -> dict[str, float | int | None]:
    """How often verdicts are right; None where there is nothing to count."""
    yes, no = int(said.sum()), int((~said).sum())
    hits, missed = int((said & truth).sum()), int((~said & truth).sum())
    return {
        "pairs": len(truth),
        "transferred": int(truth.sum()),
        "said yes": yes,
        "accuracy": float((said == truth).mean()) if len(truth) else None,
        "precision": hits / yes if yes else None,
        "recall": hits / int(truth.sum()) if truth.any() else None,
        "transferred after no": missed / no if no else None,
    }
