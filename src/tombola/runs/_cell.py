"""One run of a sweep: how a ticket is found, on what, with which settings."""

from __future__ import annotations

import difflib
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ._imp_settings import ImpSettings
from ._methods import METHODS, reset_of

NAME_LENGTH = 12  # hexadecimal digits of the SHA-256


@dataclass(frozen=True)
class Cell:
    """One run of a sweep.

    Args:
        method: one of `METHODS`.
        data: as `tombola.data.load` takes it.
        settings: all the rest; its `reset` follows from the method.

    Raises:
        ValueError: if there is no such method, or the settings have the `reset` of another.

    Example:
        >>> cell = Cell("imp", "digits", ImpSettings("mlp:64-20-10", steps=100, densities=(0.5, 0.1)))
        >>> len(cell.name), cell == Cell(cell.method, cell.data, cell.settings)
        (12, True)
        >>> Cell("impp", "digits", cell.settings)  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ValueError: unknown method 'impp'; did you mean 'imp'? There are imp, learning-rate, fine-tuning, ...
    """

    method: str
    data: str
    settings: ImpSettings

    def __post_init__(self) -> None:
        check_known("method", self.method, METHODS)
        if self.settings.reset != reset_of(self.method):
            wanted = f"{self.method} goes with reset {reset_of(self.method)}"
            raise ValueError(f"{wanted}, got {self.settings.reset}; leave reset out")

    @property
    def name(self) -> str:
        """Of its folder: the first digits of the SHA-256 of all that it says, the same in every sweep."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True, allow_nan=False).encode()).hexdigest()[
            :NAME_LENGTH
        ]

    def to_json(self) -> dict[str, Any]:
        """The cell as JSON data."""
        settings = {name: value for name, value in self.settings.to_json().items() if name != "reset"}
        return json.loads(json.dumps({"method": self.method, "data": self.data, "settings": settings}))

    def flat(self) -> dict[str, Any]:
        """The same without a level below, and with the name as `cell`."""
        record = self.to_json()
        return {"cell": self.name, **{name: record[name] for name in ("method", "data")}, **record["settings"]}

    def describe(self) -> str:
        """In words: what tells it from most others.

        Example:
            >>> Cell("imp", "digits", ImpSettings("mlp:64-20-10", steps=100)).describe()
            'imp, mlp:64-20-10 on digits, seed 0'
        """
        return f"{self.method}, {self.settings.model} on {self.data}, seed {self.settings.seed}"


def unique(cells: Iterable[Cell]) -> list[Cell]:
    """The cells, those of the same name once."""
    return list({cell.name: cell for cell in cells}.values())


def check_known(what: str, name: object, known: Iterable[str]) -> None:
    """Raises ValueError unless a name is among those that are known; it says which is nearest."""
    if name in (known := list(known)):
        return
    near = difflib.get_close_matches(str(name), known, n=1)
    advice = f"did you mean {near[0]!r}? " if near else ""
    raise ValueError(f"unknown {what} {name!r}; {advice}There are {', '.join(known)}")
