"""Tables of numbers with a target: CSV files with a header, and those that come with scikit-learn."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

BUNDLED = ("diabetes", "wine", "breast_cancer", "iris", "digits")
LARGEST = 1e100  # that a number may be, so that it can be squared
KINDS = 20  # whole numbers that a target may take and still be one of classes


@dataclass(frozen=True, eq=False)
class Table:
    """Columns of text, as they stand in a file.

    Attributes:
        name: of the table.
        columns: the cells of each column, by its name, in order.
        lines: `(rows,)` where each row ends in the file.
    """

    name: str
    columns: Mapping[str, Sequence[str]]
    lines: Sequence[int]

    def target(self, name: str | None) -> str:
        """The name of the target's column: the last one if None.

        Raises:
            ValueError: if there is no such column.
        """
        return self.column(list(self.columns)[-1] if name is None else name)

    def column(self, text: str) -> str:
        """The name of a column that is given by its name or, if none has it, by its number.

        Raises:
            ValueError: if there is no such column.
        """
        names = list(self.columns)
        if text in names:
            return text
        if text.isascii() and text.isdigit() and int(text) < len(names):
            return names[int(text)]
        known = ", ".join(names[:12]) + (", ..." if len(names) > 12 else "")
        raise ValueError(f"{self.name} has no column {text!r}; it has the columns 0 to {len(names) - 1}: {known}")

    def numbers(self, names: Sequence[str]) -> np.ndarray:
        """The columns of these names `(rows, columns)` float64.

        Raises:
            ValueError: for a cell that is empty, text, not finite or too large.
        """
        import numpy as np

        return np.stack([self.values(name, "; --columns leaves columns out") for name in names], axis=1)

    def labels(self, name: str) -> np.ndarray:
        """A column `(rows,)` as names of classes; numbers lose zeros behind the point.

        Raises:
            ValueError: for a cell that is empty.
        """
        import numpy as np

        for line, cell in zip(self.lines, self.columns[name], strict=True):
            if not cell:
                raise ValueError(f"{self.name}, line {line}: {name!r} is empty")
        if self.is_text(name):
            return np.array(self.columns[name])
        return np.array([f"{value:.15g}" for value in self.values(name)])

    def is_text(self, name: str) -> bool:
        """Whether a cell of a column is no number."""
        return any(_number(cell) is None for cell in self.columns[name])

    def is_classes(self, name: str) -> bool:
        """Whether a target is one of classes: text, or few whole numbers."""
        import numpy as np

        if self.is_text(name):
            return True
        found = np.unique(self.values(name))
        return found.size <= KINDS and bool((found == np.round(found)).all())

    def values(self, name: str, advice: str = "") -> np.ndarray:
        """A column `(rows,)` float64.

        Args:
            name: of the column.
            advice: for those who find text in it.

        Raises:
            ValueError: for a cell that is empty, text, not finite or too large.
        """
        import numpy as np

        values = [_number(cell) for cell in self.columns[name]]
        for line, cell, value in zip(self.lines, self.columns[name], values, strict=True):
            if value is None:
                said = f"is {cell[:40]!r}, wanted a number{advice}" if cell else "is empty"
                raise ValueError(f"{self.name}, line {line}: {name!r} {said}")
            if not abs(value) <= LARGEST:
                raise ValueError(
                    f"{self.name}, line {line}: {name!r} is {cell}, wanted a finite number up to {LARGEST:g}"
                )
        return np.array(values, np.float64)


def _number(cell: str) -> float | None:
    try:
        return float(cell)
    except ValueError:
        return None


def read_table(name: str) -> Table:
    """A bundled table, or the one in a CSV file with a header.

    Raises:
        ValueError: if there is neither, or the file is no table.
    """
    if name in BUNDLED:
        return _bundled(name)
    if not Path(name).exists():
        raise ValueError(f"there is no file {name}, and no bundled table of that name; those are {', '.join(BUNDLED)}")
    try:
        with open(name, encoding="utf-8-sig", newline="") as file:
            return _table(name, csv.reader(file, strict=True))
    except UnicodeDecodeError:
        raise ValueError(f"{name}: not a CSV file, which is text in UTF-8") from None
    except csv.Error as error:
        raise ValueError(f"{name}: not a readable CSV file: {error}") from error


def _table(name: str, rows: Iterator[list[str]]) -> Table:
    """The table of rows, the first of which is the header."""
    header = [cell.strip() for cell in next(rows, [])]
    if len(header) < 2:
        raise ValueError(f"{name}: its first line must name two columns or more, separated by commas")
    if len(set(header)) < len(header) or not all(header):
        raise ValueError(f"{name}: its columns need names, each its own, got {', '.join(header)}")
    if all(_number(cell) is not None for cell in header):
        raise ValueError(f"{name}: its first line must name the columns, got numbers only")
    cells: list[list[str]] = []
    lines: list[int] = []
    for row in rows:
        if row and len(row) != len(header):
            raise ValueError(f"{name}, line {rows.line_num}: {len(row)} cells, and the header has {len(header)}")  # type: ignore[attr-defined]
        if row:
            cells.append([cell.strip() for cell in row])
            lines.append(rows.line_num)  # type: ignore[attr-defined]
    if not cells:
        raise ValueError(f"{name}: it has a header and no rows")
    return Table(name, dict(zip(header, zip(*cells, strict=True), strict=True)), lines)


def _bundled(name: str) -> Table:
    """A table that comes with scikit-learn, the target behind its inputs."""
    from sklearn import datasets

    found = getattr(datasets, f"load_{name}")()
    classes = getattr(found, "target_names", None)
    target = found.target if classes is None else [classes[k] for k in found.target]
    columns = zip(found.feature_names, found.data.T.tolist(), strict=True)
    cells = {str(column): [repr(value) for value in values] for column, values in columns}
    return Table(name, cells | {"target": [str(value) for value in target]}, range(1, len(found.target) + 1))
