"""Which columns of a table a ticket takes, and how they become its inputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._universal_read_out import NUMBERS, ReadOut

if TYPE_CHECKING:
    import numpy as np

    from ._universal_table import Table
    from ._universal_ticket import Universal


def chosen_columns(
    table: Table, target: str, columns: str | None, components: int | None, universal: Universal
) -> list[str]:
    """The names of the columns that are used.

    Args:
        table: the table.
        target: name of its target.
        columns: names or numbers, separated by commas; None: all but the target.
        components: how many principal components are made of them; None: none.
        universal: the ticket.

    Raises:
        ValueError: if there is no such column, one is there twice or is the target, or they are not as many as the
            ticket has inputs.
    """
    wanted = universal.features.dimension
    if columns is None:
        names = [name for name in table.columns if name != target]
    else:
        names = [table.column(part.strip()) for part in columns.split(",")]
    if len(set(names)) < len(names):
        raise ValueError(f"--columns names a column twice: {', '.join(names)}")
    if target in names:
        raise ValueError(f"--columns names {target!r}, which is the target; --target names another")
    advice = f"choose {wanted} with --columns, or make as many of them with --components {wanted}"
    if components is None and len(names) != wanted:
        raise ValueError(f"{universal.path} takes {wanted} inputs, and {table.name} has {len(names)} columns: {advice}")
    if components is not None and components != wanted:
        raise ValueError(f"{universal.path} takes {wanted} inputs, got --components {components}")
    if components is not None and components > len(names):
        raise ValueError(f"{components} principal components need as many columns, got {len(names)}")
    return names


def fitted_inputs(columns: np.ndarray, components: int | None, universal: Universal) -> ReadOut:
    """A read-out without coefficients, the box of which holds these rows `(rows, columns)`.

    Principal components are those of standardised columns; standardising is part of the matrix that gives them.

    Raises:
        ValueError: if there are fewer rows than components.
    """
    import numpy as np

    centre, matrix = np.zeros(0), np.zeros(0)
    if components is not None:
        from sklearn.decomposition import PCA
        from sklearn.preprocessing import StandardScaler

        if components > len(columns):
            raise ValueError(f"{components} principal components need as many rows to fit on, got {len(columns)}")
        scaler = StandardScaler().fit(columns)
        standard = PCA(components, svd_solver="full").fit(scaler.transform(columns))
        scale = np.asarray(scaler.scale_)
        centre, matrix = np.asarray(scaler.mean_) + standard.mean_ * scale, standard.components_ / scale
    values = (columns - centre) @ matrix.T if matrix.size else columns
    nothing = np.zeros((1, universal.features.count)), np.zeros(1)
    box = values.min(axis=0), values.max(axis=0)
    return ReadOut(universal.sha256, NUMBERS, "", (), centre, matrix, *box, *nothing, (), {})
