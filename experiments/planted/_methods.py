"""What seeks planted tickets."""

from __future__ import annotations

from dataclasses import dataclass

from tombola.search import METHODS


@dataclass(frozen=True)
class Method:
    """A way to masks.

    Attributes:
        name: of a criterion of `tombola.prune.CRITERIA`, or of a search of `tombola.search.METHODS`.
        searched: whether it is the latter.
        rounds: of pruning, with an epoch of training before each; or of search, at densities that fall.
        scaled: whether a search is told the scales of the planted ticket's outputs.
    """

    name: str
    searched: bool = False
    rounds: int = 1
    scaled: bool = False

    @property
    def label(self) -> str:
        """What the tables call it."""
        return (
            LABELS.get(self.name, self.name)
            + (f", {self.rounds} rounds" if self.rounds > 1 else "")
            + (", scales known" if self.scaled else "")
        )


LABELS = {
    "snip": "SNIP",
    "grasp": "GraSP",
    "synflow": "SynFlow",
    "ntk-sap": "NTK-SAP",
}
ROUNDS = 10
PRUNING = "pruning"  # the group of all that scores weights at initialisation
SINGLE = [Method(name) for name in ("random", "magnitude", "snip", "grasp", "synflow", "ntk-sap")]
MULTIPLE = [Method(name, rounds=ROUNDS) for name in ("magnitude", "snip", "synflow")]


def groups(wanted: str) -> list[str]:
    """The groups of a list with commas.

    Raises:
        ValueError: if one is neither `pruning` nor a search.
    """
    found = wanted.split(",")
    if unknown := [name for name in found if name not in {PRUNING, *METHODS}]:
        raise ValueError(f"unknown groups {unknown}; there are {PRUNING}, {', '.join(METHODS)}")
    return found


def searches(group: str) -> list[Method]:
    """A search at the wanted density; edge-popup also at densities that fall towards it, and told the scales."""
    plain = Method(group, searched=True)
    return [plain, Method(group, True, ROUNDS), Method(group, True, scaled=True)] if group == "edge-popup" else [plain]
