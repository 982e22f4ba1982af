"""What a mask promises of examples that nobody has seen, because it takes few bits to write down.

References:
    [Langford2005] J. Langford, "Tutorial on practical prediction theory for classification", Journal of Machine
        Learning Research 6, 2005.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln
from torch import Tensor

from tombola.masks import Masks

HALVINGS = 53  # of the interval in which the bound lies; it is then as exact as its numbers are


@dataclass(frozen=True)
class OccamBound:
    """What `occam_bound` returns.

    Attributes:
        bound: no more than this is the test error, with the probability `confidence`.
        errors: on the training set.
        examples: of the training set.
        bits: of the mask.
        confidence: over the draw of the training set.
        classes: between which is chosen.

    Example:
        >>> print(OccamBound(0.25, errors=10, examples=1000, bits=200.0, confidence=0.95, classes=10))
        test error at most 0.25 with 95 % confidence: 200 bits of mask, 10 errors on 1,000 training examples
    """

    bound: float
    errors: int
    examples: int
    bits: int | float
    confidence: float
    classes: int

    @property
    def is_vacuous(self) -> bool:
        """Whether guessing promises as much: the bound is no less than `1 - 1 / classes`."""
        return self.bound >= 1 - 1 / self.classes

    def __str__(self) -> str:
        """A sentence; it says so if the bound is vacuous."""
        known = f"{self.bits:,.0f} bits of mask, {self.errors:,} errors on {self.examples:,} training examples"
        if self.is_vacuous:
            return f"nothing is promised of the test error, guessing among {self.classes} does as well: {known}"
        return f"test error at most {self.bound:.4g} with {100 * self.confidence:g} % confidence: {known}"


def occam_bound(
    errors: int, examples: int, bits: int | float, *, confidence: float = 0.95, classes: int = 2
) -> OccamBound:
    """The largest test error at which so few training errors still were likely enough, over all masks at once.

    Let `delta = 1 - confidence`, and let a mask that takes b bits have the share `delta 2^-b` of it. For one mask,
    fixed before the data, the number k of its errors on n examples is binomial. So its test error is, with all but the
    probability of its share, at most the largest p at which `P(Bin(n, p) <= k)` is no less than that share. The shares
    of all masks together are at most delta, since codes have `sum 2^-b <= 1`; so this holds for all masks at once,
    hence for the one that the data have chosen, however that was done [Langford2005]. It implies
    `kl(k / n, p) <= (b ln 2 + ln(1 / delta)) / n`, and is tighter.

    Probabilistic, with the probability `confidence` over the draw of the training set, if its examples are independent
    draws from what is tested on, and everything was fixed before they were seen, but for what the bits count: seed,
    laws, architecture, scaling of inputs. Statistics that batch norm takes from training examples have to be counted.
    The test error is the probability of an error, of which the errors on a test set are an estimate. O(errors) in time
    and memory.

    Args:
        errors: of the ticket on its training set.
        examples: in the training set, all that the search has seen.
        bits: as of `mask_bits`.
        confidence: in (0, 1).
        classes: between which is chosen; with it the result says whether the bound is vacuous.

    Raises:
        ValueError: unless `0 <= errors <= examples`, there are examples and two classes, and bits are no less than 0.

    Example:
        >>> found = occam_bound(3000, 60_000, 20_000)
        >>> found.bound < 0.4, occam_bound(3000, 60_000, 0).bound < 0.052
        (True, True)
    """
    if not 0 <= errors <= examples or examples < 1:
        raise ValueError(f"errors are some of the examples, got {errors} of {examples}")
    if not 0 <= bits < math.inf:
        raise ValueError(f"bits must be 0 or more and finite, got {bits}")
    if not 0 < confidence < 1 or classes < 2:
        raise ValueError(f"confidence lies in (0, 1) and there are 2 classes or more, got {confidence} and {classes}")
    share = math.log1p(-confidence) - bits * math.log(2)
    low, high = 0.0, 1.0
    if errors < examples:
        choices = _log_choices(errors, examples)
        for _ in range(HALVINGS):
            middle = (low + high) / 2
            if _log_tail(choices, examples, middle) < share:
                high = middle
            else:
                low = middle
    return OccamBound(high, errors, examples, bits, confidence, classes)


def _log_choices(errors: int, examples: int) -> np.ndarray:
    """`ln C(examples, k)` for `k = 0, ..., errors`."""
    count = np.arange(errors + 1)
    return gammaln(examples + 1) - gammaln(count + 1) - gammaln(examples - count + 1)


def _log_tail(choices: np.ndarray, examples: int, probability: float) -> float:
    """`ln P(Bin(examples, probability) <= errors)`, where the probability itself would be too small for a float."""
    if probability >= 1:
        return -math.inf
    count = np.arange(len(choices))
    terms = choices + count * math.log(probability) + (examples - count) * math.log1p(-probability)
    largest = terms.max()
    return float(largest + np.log(np.exp(terms - largest).sum()))


def mask_bits(
    masks: Masks, *, generations: Mapping[str, Tensor] | None = None, possible: int = 1, alternatives: int = 1
) -> float:
    """How long the masks are in a code that is fixed before the data, given the seed.

    A parameter of n weights, of which k are kept, takes `log2(n + 1)` bits for k and `log2 C(n, k)` for which they are.
    If kept weights are of G generations, each weight is in one of G + 1 states, `c_0, ..., c_G` weights in each: these
    counts take `log2 C(n + G, G)` bits, which weight is in which state `log2(n! / (c_0! ... c_G!))`. Over all masks
    `2^-bits` adds up to exactly 1; a prefix code is no more than one bit longer. A choice among several, made
    with the data, takes `log2(alternatives)` bits more. Exact up to rounding, O(weights).

    Args:
        masks: of the parameters that were searched.
        generations: integers by name: which draw of its value each kept weight has, from 0; all are 0 without it.
        possible: how many generations there can be; known before the data.
        alternatives: among how many was chosen after seeing the data: seeds, densities, methods, rates.

    Raises:
        ValueError: if generations have other names or shapes than masks or are not below `possible`, or a number is
            below 1.

    Example:
        >>> import torch
        >>> bits = mask_bits({"weight": torch.tensor([True, False, False])})  # 4 counts, 3 places
        >>> round(2**bits, 6)
        12.0
    """
    if min(possible, alternatives) < 1:
        raise ValueError(f"possible generations and alternatives are at least 1, got {possible} and {alternatives}")
    generations = generations or {}
    if strangers := sorted(set(generations) - set(masks)):
        raise ValueError(f"there are generations of {strangers[0]!r}, which has no mask")
    counts = [_counts(name, mask, generations.get(name), possible) for name, mask in masks.items()]
    return math.log2(alternatives) + sum(_bits(each) for each in counts)


def _counts(name: str, mask: Tensor, generation: Tensor | None, possible: int) -> list[int]:
    """How many weights are pruned, and how many are kept of each generation."""
    kept = int(mask.sum())
    if generation is None:
        return [mask.numel() - kept, kept, *[0] * (possible - 1)]
    if generation.shape != mask.shape:
        raise ValueError(f"generations of {name!r} have the shape {list(generation.shape)}, not {list(mask.shape)}")
    found = generation[mask].long()
    if kept and not 0 <= int(found.min()) <= int(found.max()) < possible:
        raise ValueError(f"{name!r} has generations outside 0 to {possible - 1}, of which there can be {possible}")
    return [mask.numel() - kept, *found.bincount(minlength=possible).tolist()]


def _bits(counts: list[int]) -> float:
    """Of the counts and of which weight is in which state."""
    size, others = sum(counts), len(counts) - 1
    total = math.lgamma(size + others + 1) - math.lgamma(others + 1)  # ln (n + G)! / G!, where the two n! cancel
    return (total - sum(math.lgamma(count + 1) for count in counts)) / math.log(2)
