"""The exceptions of the package. Each carries the data that its message is made of."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class TombolaError(Exception):
    """Base of every error that tombola raises on its own account."""


class UnsupportedModuleError(TombolaError, ValueError):
    """A module that a construction cannot take as a target.

    Attributes:
        path: where the operation sits in the model, as in `named_modules()`.
        operation: what was found there.
        supported: what would have been accepted.
    """

    def __init__(self, path: str, operation: str, supported: Sequence[str]) -> None:
        self.path, self.operation, self.supported = path, operation, tuple(supported)
        super().__init__(
            f"cannot construct a ticket for {path or 'the model itself'}: found {operation}; "
            f"supported are {', '.join(supported)}"
        )


class TicketFileError(TombolaError, ValueError):
    """A file that is not a ticket, or not an intact one.

    Attributes:
        path: the file.
        reason: what is wrong with it.
    """

    def __init__(self, path: Path | str, reason: str) -> None:
        self.path, self.reason = Path(path), reason
        super().__init__(f"{path}: {reason}")


class ToleranceError(TombolaError, RuntimeError):
    """Weights that miss their tolerance, raised only where the caller asked for `strict`.

    Attributes:
        failures: how many weights missed.
        largest: the largest error, in the unit of the tolerance.
        epsilon: the tolerance.
    """

    def __init__(self, failures: int, largest: float, epsilon: float) -> None:
        self.failures, self.largest, self.epsilon = failures, largest, epsilon
        super().__init__(f"{failures} weights miss the tolerance {epsilon:.3g}; the largest error is {largest:.3g}")


class DataNotFoundError(TombolaError, FileNotFoundError):
    """A data set that is not where it was looked for.

    Attributes:
        name: the data set.
        looked: the paths that were tried.
    """

    def __init__(self, name: str, looked: Sequence[Path | str], advice: str) -> None:
        self.name, self.looked = name, tuple(Path(path) for path in looked)
        super().__init__(f"no data set {name!r}; looked for {', '.join(map(str, looked))}; {advice}")
