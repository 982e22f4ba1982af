"""Learning rates over the course of training: from the number of a step to a multiple of the optimiser's own rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

Rate = Callable[[int], float]


def constant() -> Rate:
    """The optimiser's rate at every step.

    Example:
        >>> constant()(1000)
        1.0
    """
    return lambda step: 1.0


def stepwise(milestones: Sequence[int], *, factor: float = 0.1) -> Rate:
    """The rate times `factor` from each milestone on, as for residual networks on small images.

    Args:
        milestones: steps, ascending.
        factor: positive.

    Raises:
        ValueError: if the milestones do not ascend or the factor is not positive.

    Example:
        >>> [stepwise([100, 150])(step) for step in (99, 100, 149)]
        [1.0, 0.1, 0.1]
    """
    if list(milestones) != sorted(set(milestones)) or not factor > 0:
        raise ValueError(f"milestones must ascend and factor be positive, got {list(milestones)} and {factor}")
    return lambda step: factor ** sum(step >= milestone for milestone in milestones)


def cosine(steps: int) -> Rate:
    """Half a cosine from 1 to 0 over the steps of a run; 0 from there on.

    Args:
        steps: how many, at least 1.

    Raises:
        ValueError: if there is none.

    Example:
        >>> [round(cosine(100)(step), 3) for step in (0, 50, 100)]
        [1.0, 0.5, 0.0]
    """
    if steps < 1:
        raise ValueError(f"a run has at least one step, got {steps}")
    return lambda step: 0.5 * (1 + math.cos(math.pi * min(step, steps) / steps))


def warmed_up(rate: Rate, steps: int) -> Rate:
    """A rate that begins with a straight rise from 0 over some steps.

    Args:
        rate: what it becomes.
        steps: of the rise, at least 1.

    Raises:
        ValueError: if there is none.

    Example:
        >>> [warmed_up(constant(), 10)(step) for step in (0, 5, 20)]
        [0.1, 0.6, 1.0]
    """
    if steps < 1:
        raise ValueError(f"a rise has at least one step, got {steps}")
    return lambda step: rate(step) * min(1.0, (step + 1) / steps)


def named_rate(name: str, steps: int) -> Rate:
    """A rate by its name, as in settings and on the command line.

    Args:
        name: "constant", "cosine", or "stepwise:0.5,0.75", a tenth from each of these fractions of the run on.
        steps: of the run.

    Raises:
        ValueError: for another name, or fractions that do not ascend within (0, 1).

    Example:
        >>> [round(named_rate("stepwise:0.5,0.75", 160)(step), 6) for step in (79, 80, 120)]
        [1.0, 0.1, 0.01]
    """
    kind, _, rest = name.partition(":")
    if kind == "stepwise":
        return stepwise([round(fraction * steps) for fraction in _fractions(name, rest)])
    if name not in {"constant", "cosine"}:
        raise ValueError(f"the rate is constant, cosine or stepwise:0.5,0.75, got {name!r}")
    return constant() if name == "constant" else cosine(steps)


def _fractions(name: str, text: str) -> list[float]:
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not found or not all(0 < fraction < 1 for fraction in found):
        raise ValueError(f"a stepwise rate names fractions of the run in (0, 1), as in stepwise:0.5,0.75; got {name!r}")
    return found
