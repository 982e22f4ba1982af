"""The record of a verification."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Verification:
    """What was checked, and what came out.

    Attributes:
        checks: by name, whether the claim holds. A check that needs something that was not given is not there.
        max_output_error: the largest output error seen: on the given inputs that lie in the certified set, and by the
            attack; of a universal ticket that of any feature, on sampled inputs.
        certified_bound: the bound of the certificate, computed again; of a universal ticket the largest of any feature.
        attack_error: the largest error that gradient ascent found inside the certified set.
        agreement: fraction of the given inputs on which ticket and target predict the same class.
        accuracy_target: fraction of given labels that the target predicts.
        accuracy_ticket: the same for the ticket.
        output_range: how far apart the target's outputs on the given inputs lie at most, coordinate by coordinate, as a
            2-norm. A bound above it is true and says nothing.
        notes: by check, what a person should know about it.

    Example:
        >>> found = Verification({"source": True, "masks": False})
        >>> found.ok, found.failed
        (False, ['masks'])
    """

    checks: dict[str, bool]
    max_output_error: float | None = None
    certified_bound: float | None = None
    attack_error: float | None = None
    agreement: float | None = None
    accuracy_target: float | None = None
    accuracy_ticket: float | None = None
    output_range: float | None = None
    notes: dict[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether every check holds."""
        return all(self.checks.values())

    @property
    def failed(self) -> list[str]:
        """The checks that do not hold."""
        return [name for name, holds in self.checks.items() if not holds]

    def to_json(self) -> dict[str, Any]:
        """The verification as a JSON object."""
        return {"ok": self.ok, **asdict(self)}


def noted(found: Verification, checks: Mapping[str, object], notes: Mapping[str, str]) -> Verification:
    """The verification with more checks, as plain truth values, and more notes."""
    plain = {name: bool(holds) for name, holds in checks.items()}
    return replace(found, checks={**found.checks, **plain}, notes={**found.notes, **notes})
