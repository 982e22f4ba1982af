"""A universal ticket as the command line uses it: its features, the family that they stand for, what is proved."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

    from tombola.ticket import Ticket
    from tombola.universal import Family, Features


@dataclass(frozen=True, eq=False)
class Universal:
    """A universal ticket that has been read.

    Attributes:
        path: of its file.
        ticket: itself.
        family: what its features stand for; None if functions of somebody's own, which no file holds.
        features: what it computes.
    """

    path: Path
    ticket: Ticket
    family: Family | None
    features: Features

    @classmethod
    def read(cls, path: Path) -> Universal:
        """The universal ticket in a file.

        Raises:
            ValueError: if the ticket is of another kind, or its family is none.
        """
        from tombola.ticket import load_ticket
        from tombola.universal import Features

        ticket = load_ticket(path)
        if ticket.kind != "universal":
            wanted = "this takes a universal one, of `tombola universal build`"
            raise ValueError(f"{path} is a {ticket.kind} ticket; {wanted}")
        try:
            family = family_of(ticket)
        except (ValueError, TypeError) as error:
            raise ValueError(f"{path}: its family cannot be made: {error}") from error
        return cls(path, ticket, family, Features.of(ticket))

    @property
    def sha256(self) -> str:
        """The hash of the effective weights, added up from masks and source."""
        from tombola.effective import effective_sha256

        return effective_sha256(self.ticket)

    @property
    def labels(self) -> list[str]:
        """The names of the features, of inputs x0, x1, ..."""
        names = [f"x{k}" for k in range(self.features.dimension)]
        if self.family is not None:
            return self.family.label(names)
        channels = range(self.features.count // len(names))
        functions = self.ticket.record["family"]["settings"].get("functions", [f"function {k}" for k in channels])
        return [f"{function}({name})" for function in functions for name in names]

    def bounds(self, coefficients: np.ndarray) -> np.ndarray:
        """By how much each combination `(outputs, features)` of features can be off; infinite if nothing is proved."""
        proof = self.ticket.certificate
        assert proof is not None
        return proof.read_out(coefficients)


def family_of(ticket: Ticket) -> Family | None:
    """The family that a universal ticket was built for, or None for functions of somebody's own."""
    from tombola.universal import named_family

    data = ticket.record["family"]
    if data["name"] == "custom":
        return None
    family = named_family(data["name"], data["dimension"], tolerance=data["tolerance"], **data["settings"])
    if family.features != data["features"]:
        raise ValueError(f"it has {family.features} features, and the ticket {data['features']}")
    return family
