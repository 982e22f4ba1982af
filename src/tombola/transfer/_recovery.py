"""How much of what its own ticket gains on a task another task's ticket gains as well."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

LEAST = 0.05  # by which random masks have to be worse than the native ticket
SAME_DENSITY = 0.01  # relative


@dataclass(frozen=True)
class Arm:
    """One kind of network on the target.

    Attributes:
        errors: on the target's test set, as fractions, one for each seed.
        density: of what is pruned in all arms.

    Raises:
        ValueError: if an error is none, or the density is out of range.
    """

    errors: Sequence[float]
    density: float

    def __post_init__(self) -> None:
        if not all(0 <= error <= 1 for error in self.errors) or not 0 < self.density <= 1:
            raise ValueError(f"errors lie in [0, 1] and densities in (0, 1], got {list(self.errors)}, {self.density}")


@dataclass(frozen=True)
class Recovery:
    """What a ticket of another task is worth on a target.

    Attributes:
        value: 1 if it is as good as the native ticket, 0 if it is no better than a random one; None if refused.
        low, high: its interval over seeds; None likewise, and with one seed.
        gap: its error less that of the native ticket; None if the arms do not fit each other.
        gap_low, gap_high: its interval; None likewise, and with one seed.
        room: the error of random masks less that of the native ticket; None as `gap`.
        refusals: in words.
    """

    value: float | None
    low: float | None
    high: float | None
    gap: float | None
    gap_low: float | None
    gap_high: float | None
    room: float | None
    refusals: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The recovery as plain data, None where there is no number."""
        return {
            "recovery": {"value": self.value, "low": self.low, "high": self.high},
            "gap": {"value": self.gap, "low": self.gap_low, "high": self.gap_high},
            "room": self.room,
            "refusals": list(self.refusals),
        }


def recovery(carried: Arm, native: Arm, random: Arm, *, confidence: float = 0.95) -> Recovery:
    """`(e_random - e_carried) / (e_random - e_native)` of mean errors, with intervals over paired seeds.

    The random arm is `random_control` of the native masks: shuffled within layers, on other weights. Another control
    gives another number. The ratio's interval is Student's t on its linear part, the gap's is Student's t on the
    differences of each seed; both are approximate for few seeds. A recovery is of one budget of training. A ticket that
    is slow and not bad shows only beside a longer one, so give two, each with arms of its own.

    Args:
        carried: the ticket of another task, trained on the target.
        native: the target's own ticket; seeds in the same order.
        random: the control; likewise.
        confidence: of the intervals.

    Raises:
        ValueError: if the confidence is out of range.

    Example:
        >>> native, random = Arm([0.05, 0.06, 0.05], 0.07), Arm([0.80, 0.82, 0.81], 0.07)
        >>> found = recovery(Arm([0.13, 0.14, 0.12], 0.07), native, random)
        >>> round(found.value, 2), round(found.gap, 3), found.refusals
        (0.9, 0.077, ())
    """
    if not 0 < confidence < 1:
        raise ValueError(f"the confidence lies in (0, 1), got {confidence}")
    arms = carried, native, random
    if problem := _problem(arms):
        return Recovery(None, None, None, None, None, None, None, (problem,))
    errors = [np.asarray(arm.errors, float) for arm in arms]
    gaps, rooms, gains = errors[0] - errors[1], errors[2] - errors[1], errors[2] - errors[0]
    gap, room = float(gaps.mean()), float(rooms.mean())
    refusals = ["one seed only: no intervals"] if len(gaps) < 2 else []
    gap_low, gap_high = _student(gaps, confidence)
    if room <= LEAST:
        refusals.append(
            f"random masks are worse than the native ticket by {100 * room:.1f} points only, not by more than "
            f"{100 * LEAST:g}: a recovery would be noise over noise"
        )
        return Recovery(None, None, None, gap, gap_low, gap_high, room, tuple(refusals))
    value = float(gains.mean()) / room
    low, high = _student(value + (gains - value * rooms) / room, confidence)
    return Recovery(value, low, high, gap, gap_low, gap_high, room, tuple(refusals))


def _problem(arms: Sequence[Arm]) -> str | None:
    """Why arms cannot be compared."""
    seeds = [len(arm.errors) for arm in arms]
    if len(set(seeds)) > 1 or not seeds[0]:
        shown = ", ".join(map(str, seeds))
        return f"the arms have {shown} seeds; the same seeds are wanted in each, at least one"
    densities = [arm.density for arm in arms]
    if max(densities) > min(densities) * (1 + SAME_DENSITY):
        shown = ", ".join(f"{density:.3g}" for density in densities)
        return f"the arms have the densities {shown}; compare them at the same one"
    return None


def _student(values: np.ndarray, confidence: float) -> tuple[float | None, float | None]:
    """Student's t interval of the mean; none of one value."""
    from scipy.stats import t

    if len(values) < 2:
        return None, None
    reach = float(t.ppf((1 + confidence) / 2, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5)
    return float(values.mean()) - reach, float(values.mean()) + reach
