"""Linear read-outs of universal tickets, and the files that hold them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tombola import __version__

if TYPE_CHECKING:
    import numpy as np

FORMAT = "tombola-readout/1"
NUMBERS, CLASSES = "numbers", "classes"
PATTERN = {
    "format": str,
    "version": str,
    "ticket_sha256": str,
    "task": str,
    "target": str,
    "columns": [str],
    "centre": [float],
    "components": [[float]],
    "low": [float],
    "high": [float],
    "coefficients": [[float]],
    "intercept": [float],
    "classes": [str],
    "metrics": {},
}
ARRAYS = ("centre", "components", "low", "high", "coefficients", "intercept")


@dataclass(frozen=True, eq=False)
class ReadOut:
    """A linear function of the features of one ticket, and how columns of a table become its inputs.

    Attributes:
        ticket_sha256: hash of the effective weights of the ticket that it was fitted on.
        task: "numbers" or "classes".
        target: name of the column that is predicted.
        columns: names of the columns that are used.
        centre: `(columns,)` what is taken off before components; empty if there are none.
        components: `(dimension, columns)` rows that are multiplied by what is left; empty if there are none.
        low: `(dimension,)` lower end of the box that becomes `[0, 1]^d`.
        high: `(dimension,)` upper end.
        coefficients: `(outputs, features)`; two classes have one output, positive for the second class.
        intercept: `(outputs,)`.
        classes: their names; empty for numbers.
        metrics: what was measured when it was fitted.
    """

    ticket_sha256: str
    task: str
    target: str
    columns: tuple[str, ...]
    centre: np.ndarray
    components: np.ndarray
    low: np.ndarray
    high: np.ndarray
    coefficients: np.ndarray
    intercept: np.ndarray
    classes: tuple[str, ...]
    metrics: dict[str, Any]

    def inputs(self, columns: np.ndarray) -> tuple[np.ndarray, int]:
        """A ticket's inputs `(rows, dimension)` in the box, and how many of them were moved to its edge.

        Raises:
            ValueError: if components of the columns are too large for float64.
        """
        import numpy as np

        with np.errstate(over="ignore", invalid="ignore"):
            values = (columns - self.centre) @ self.components.T if self.components.size else columns
            if not np.isfinite(values).all():
                raise ValueError("the columns hold values too large to make components of")
            clipped = (values < self.low) | (values > self.high)
            widths = np.where(self.high > self.low, self.high - self.low, 1.0)
            return np.clip((values - self.low) / widths, 0.0, 1.0), int(clipped.sum())

    def outputs(self, features: np.ndarray) -> np.ndarray:
        """Predictions `(rows, 1)` or decision values `(rows, outputs)`, from features `(rows, features)`."""
        return features @ self.coefficients.T + self.intercept

    def score(self, outputs: np.ndarray, target: np.ndarray) -> float:
        """R^2 of numbers, accuracy of classes."""
        import numpy as np
        from sklearn.metrics import accuracy_score, r2_score

        if self.task == NUMBERS:
            return float(r2_score(target, outputs[:, 0]))
        return float(accuracy_score(target, np.array(self.classes)[self.chosen(outputs)]))

    def chosen(self, outputs: np.ndarray) -> np.ndarray:
        """The number of the class of each row of decision values."""
        return outputs.argmax(axis=1) if outputs.shape[1] > 1 else (outputs[:, 0] > 0).astype(int)

    def surely_same(self, outputs: np.ndarray, bounds: np.ndarray) -> float | None:
        """The fraction of rows whose class no change of decision values within `bounds` alters; None for numbers."""
        import numpy as np

        if self.task == NUMBERS:
            return None
        if outputs.shape[1] == 1:
            return float((np.abs(outputs[:, 0]) > bounds[0]).mean())
        rows, first = np.arange(len(outputs)), self.chosen(outputs)
        others = outputs + bounds
        others[rows, first] = -np.inf
        return float((outputs[rows, first] - bounds[first] > others.max(axis=1)).mean())

    def save(self, path: Path) -> None:
        """Writes the read-out, at once and complete."""
        from tombola.files import atomic_write

        data: dict[str, Any] = {"format": FORMAT, "version": __version__}
        for field in fields(self):
            value = getattr(self, field.name)
            data[field.name] = value.tolist() if field.name in ARRAYS else value
        with atomic_write(path) as file:
            file.write((json.dumps(data, indent=1, allow_nan=False) + "\n").encode())


def load_read_out(path: Path) -> ReadOut:
    """The read-out in a file.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no read-out, or its parts do not fit each other.
    """
    from tombola.ticket import strict_json

    content = path.read_bytes()
    try:
        return _read_out(strict_json(content.decode(), "its content"))
    except UnicodeDecodeError:
        raise ValueError(f"{path}: not a read-out of `tombola universal fit`: it is no text") from None
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{path}: not a readable read-out of `tombola universal fit`: {error}") from error


def _read_out(data: Any) -> ReadOut:  # noqa: ANN401 - JSON is anything
    import numpy as np

    from tombola.ticket import check_json

    check_json(data, {"format": str}, "content")
    if data["format"] != FORMAT:
        raise ValueError(f"its format is {data['format']!r}, this library reads {FORMAT!r}")
    check_json(data, PATTERN, "content")
    if unknown := sorted(set(data) - set(PATTERN)):
        raise ValueError(f"it has entries that this library does not know: {', '.join(unknown)}")
    arrays = {name: np.array(data[name], np.float64) for name in ARRAYS}
    read_out = ReadOut(
        ticket_sha256=data["ticket_sha256"],
        task=data["task"],
        target=data["target"],
        columns=tuple(data["columns"]),
        centre=arrays["centre"],
        components=arrays["components"],
        low=arrays["low"],
        high=arrays["high"],
        coefficients=arrays["coefficients"],
        intercept=arrays["intercept"],
        classes=tuple(data["classes"]),
        metrics=data["metrics"],
    )
    for what, holds in _conditions(read_out):
        if not holds():
            raise ValueError(f"its {what}")
    return read_out


def _conditions(one: ReadOut) -> list[tuple[str, Callable[[], bool]]]:
    """What has to hold of a read-out, later things only if earlier ones do."""
    columns, classes, outputs = len(one.columns), len(one.classes), one.intercept.size
    wide = (outputs, *one.coefficients.shape[1:])
    return [
        (f"task is {one.task!r}, wanted {NUMBERS!r} or {CLASSES!r}", lambda: one.task in {NUMBERS, CLASSES}),
        ("columns must be at least one, and differ", lambda: 0 < columns == len(set(one.columns))),
        ("target is one of its columns", lambda: one.target not in one.columns),
        ("components fit no columns", lambda: _fits(one.centre, one.components, columns)),
        ("box does not fit its inputs", lambda: one.low.shape == one.high.shape == (len(one.components) or columns,)),
        ("box is empty, or too large", lambda: _is_box(one.low, one.high)),
        (
            "coefficients do not fit its intercept",
            lambda: one.coefficients.ndim == 2 and one.coefficients.shape == wide,
        ),
        ("classes must differ", lambda: len(set(one.classes)) == classes),
        ("outputs do not fit its classes", lambda: outputs == _outputs(one.task, classes)),
    ]


def _fits(centre: np.ndarray, components: np.ndarray, columns: int) -> bool:
    if not components.size:
        return components.shape == centre.shape == (0,)
    return components.ndim == 2 and components.shape[1:] == centre.shape == (columns,)


def _is_box(low: np.ndarray, high: np.ndarray) -> bool:
    import numpy as np

    with np.errstate(over="ignore"):
        return bool(((low <= high) & np.isfinite(high - low)).all())


def _outputs(task: str, classes: int) -> int:
    """How many outputs a read-out has; -1 for a number of classes that no task has."""
    if task == NUMBERS:
        return 1 if classes == 0 else -1
    return {0: -1, 1: -1, 2: 1}.get(classes, classes)
