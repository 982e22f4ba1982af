"""`tombola universal fit`: a linear read-out on the features of a ticket."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _universal_options as options
from ._options import AsJson, TicketPath, check_writable
from ._output import file_size, print_json, print_next, print_table
from ._progress import progress
from ._universal_inputs import chosen_columns, fitted_inputs
from ._universal_outcome import outcome, outcome_rows, target_of
from ._universal_read_out import CLASSES, NUMBERS, ReadOut
from ._universal_table import Table, read_table
from ._universal_ticket import Universal

if TYPE_CHECKING:
    import numpy as np

STEPS = 10_000  # of the optimiser, for classes
ALPHAS = tuple(10.0**power for power in range(-6, 3))  # penalties to choose from
FOLDS = 5


def fit(  # noqa: PLR0913 - one parameter for each option
    ticket: TicketPath,
    data: options.TableName,
    output: options.ReadOutOutput,
    target: options.TargetName = None,
    columns: options.Columns = None,
    components: options.Components = None,
    task: options.Task = options.TaskName.AUTO,
    alpha: options.Alpha = None,
    test_fraction: options.TestFraction = 0.2,
    seed: options.SplitSeed = 0,
    as_json: AsJson = False,
) -> None:
    """Fit a linear read-out to a table: ridge regression for numbers, logistic regression for classes."""
    if alpha is not None and not (math.isfinite(alpha) and alpha > 0):
        raise ValueError(f"alpha must be a positive finite number, got {alpha}")
    check_writable(output, ticket, Path(data))
    universal, table = Universal.read(ticket), read_table(data)
    wanted = table.target(target)
    names = chosen_columns(table, wanted, columns, components, universal)
    values, kind = table.numbers(names), task_of(table, wanted, task)
    answers = target_of(table, wanted, kind)
    train, test = split(answers, kind, test_fraction, seed)
    with progress(f"fitting a read-out to {data}"):
        prepared = replace(
            fitted_inputs(values[train], components, universal), task=kind, target=wanted, columns=tuple(names)
        )
        features = universal.features(prepared.inputs(values[train])[0])
        alpha = alpha or chosen_alpha(kind, features, answers[train])
        read_out = fitted(prepared, features, answers[train], alpha)
        found = outcome(read_out, universal, values[test], answers[test])
        found["score_exact_fitted"] = _exact_score(prepared, universal, values, answers, (train, test), alpha)
    read_out = replace(read_out, metrics=found)
    read_out.save(output)
    record = {
        "ticket": str(ticket),
        "data": data,
        "readout": str(output),
        "columns": names,
        "components": components,
        "features": universal.features.count,
        "training_rows": len(train),
        "alpha": alpha,
        "seed": seed,
        "classes": list(read_out.classes),
        **found,
    }
    _print(record, as_json)


def task_of(table: Table, target: str, task: options.TaskName) -> str:
    """Whether numbers or classes are predicted."""
    if task is options.TaskName.AUTO:
        return CLASSES if table.is_classes(target) else NUMBERS
    return task.value


def split(answers: np.ndarray, task: str, fraction: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to fit on and rows held out, each class in both.

    Raises:
        ValueError: if there are too few rows for that.
    """
    import numpy as np
    from sklearn.model_selection import train_test_split

    if not 0 < fraction < 1:
        raise ValueError(f"test fraction must lie between 0 and 1, got {fraction}")
    if not 0 <= seed < 2**32:
        raise ValueError(f"seed must be an integer from 0 to 2**32 - 1, got {seed}")
    kinds, counts = np.unique(answers, return_counts=True)
    held = math.ceil(fraction * answers.size)
    least = max(2, kinds.size) if task == CLASSES else 2
    if min(held, answers.size - held) < least:
        raise ValueError(f"too few rows: {held} of {answers.size} would be held out, and both parts need {least}")
    if kinds.size < 2:
        raise ValueError(f"the target is {kinds[0]} in every row: there is nothing to fit")
    if task == CLASSES and counts.min() < 2:
        raise ValueError(
            f"class {str(kinds[counts.argmin()])!r} has one row, and each needs two; are these numbers (--task)?"
        )
    stratify = answers if task == CLASSES else None
    train, test = train_test_split(np.arange(answers.size), test_size=held, random_state=seed, stratify=stratify)
    return np.asarray(train), np.asarray(test)


def chosen_alpha(task: str, features: np.ndarray, answers: np.ndarray) -> float:
    """The penalty with the best score in cross-validation."""
    import numpy as np
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, RidgeCV
    from sklearn.model_selection import GridSearchCV

    if task == NUMBERS:
        return float(RidgeCV(ALPHAS).fit(features, answers).alpha_)  # pyright: ignore[reportArgumentType] - a number
    folds = min(FOLDS, int(np.unique(answers, return_counts=True)[1].min()))
    if folds < 2:
        return ALPHAS[len(ALPHAS) // 2]
    search = GridSearchCV(LogisticRegression(max_iter=1000), {"C": [1 / alpha for alpha in ALPHAS[::-1]]}, cv=folds)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of penalties that are not chosen, as a rule
        return float(1 / search.fit(features, answers).best_params_["C"])


def fitted(prepared: ReadOut, features: np.ndarray, answers: np.ndarray, alpha: float) -> ReadOut:
    """The read-out with coefficients, fitted to features `(rows, features)`.

    Raises:
        ValueError: if the optimiser does not converge.
    """
    import numpy as np
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression, Ridge

    if prepared.task == NUMBERS:
        ridge = Ridge(alpha, solver="svd").fit(features, answers)
        return replace(prepared, coefficients=ridge.coef_[None], intercept=np.array([ridge.intercept_]))
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            logistic = LogisticRegression(C=1 / alpha, max_iter=STEPS).fit(features, answers)
        except ConvergenceWarning:
            raise ValueError(f"no read-out was found in {STEPS} steps; a larger --alpha makes it easier") from None
    classes = tuple(str(kind) for kind in logistic.classes_)
    return replace(prepared, coefficients=logistic.coef_, intercept=logistic.intercept_, classes=classes)


def _exact_score(
    prepared: ReadOut,
    universal: Universal,
    values: np.ndarray,
    answers: np.ndarray,
    rows: tuple[np.ndarray, np.ndarray],
    alpha: float,
) -> float | None:
    """The score, on the rows held out, of a read-out that was fitted to exact features."""
    if universal.family is None:
        return None
    train, test = (universal.family.exact(prepared.inputs(values[part])[0]) for part in rows)
    read_out = fitted(prepared, train, answers[rows[0]], alpha)
    return read_out.score(read_out.outputs(test), answers[rows[1]])


def _print(record: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(record)
        return
    score, same, *rest = outcome_rows(record)
    rows = [
        ("rows to fit on", record["training_rows"]),
        ("rows held out", record["rows"]),
        ("features", record["features"]),
        ("penalty", record["alpha"]),
        score,
        same,
        ("a read-out fitted to exact features", record["score_exact_fitted"]),
        *rest,
        (record["readout"], file_size(Path(record["readout"]).stat().st_size)),
    ]
    print_table(f"{record['target']} of {record['data']}: {record['task']}, scores on rows held out", rows)
    print_next("tombola", "universal", "evaluate", record["ticket"], record["readout"], record["data"])
