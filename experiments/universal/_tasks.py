"""Data sets: a linear model on the features of a ticket, beside exact features, kernels' features, and a network."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from _common import interval
from _models import linear, network
from sklearn import datasets
from sklearn.decomposition import PCA
from sklearn.kernel_approximation import Nystroem, RBFSampler
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, MinMaxScaler, StandardScaler

from tombola.universal import FourierTicket, PolynomialTicket, fourier, polynomial

GAMMAS = (0.03, 0.1, 0.3, 1.0)  # of kernels, times the number of inputs; chosen within the training fold
FINER = "polynomial at 1e-4"  # of the others, polynomials have a tolerance of 1e-3 and Fourier features one of 1e-2
OF = {"polynomial": "polynomial", FINER: "polynomial", "Fourier": "Fourier"}
LIMITS = (4, 3)  # the largest degree, and frequency
SETS: dict[str, Callable[[], Any]] = {
    "diabetes": lambda: datasets.load_diabetes(return_X_y=True),
    "friedman1": lambda: datasets.make_friedman1(1000, noise=1.0, random_state=0),
    "friedman2": lambda: datasets.make_friedman2(1000, noise=125.0, random_state=0),
    "friedman3": lambda: datasets.make_friedman3(1000, noise=0.1, random_state=0),
    "digits, 16 components": lambda: datasets.load_digits(return_X_y=True),
    "wine": lambda: datasets.load_wine(return_X_y=True),
    "breast cancer": lambda: datasets.load_breast_cancer(return_X_y=True),
    "iris": lambda: datasets.load_iris(return_X_y=True),
}


def tasks(config: Any) -> dict[str, Any]:  # noqa: ANN401
    """Scores and seconds of every method on every data set, fold by fold and as intervals."""
    for maker in (PolynomialTicket(degree=1), FourierTicket(frequency=1)):
        maker.fit_transform(np.eye(2))  # compiles what the timings should not hold
    runs = {f"{name}, {model}": folds(config, name, model) for name in config.sets for model in models(name)}
    differences = {name: against_exact(found) for name, found in runs.items()}
    misses = [row.get("misses", 0) for found in runs.values() for rows in found["methods"].values() for row in rows]
    columns = {"scores": "score", "trained parameters": "trained", "seconds to fit": "fit"}
    tables = {title: by_method(runs, column) for title, column in columns.items()}
    tables |= {"seconds to transform": by_method(runs, "transform"), "kept edges": by_method(runs, "kept")}
    tables |= {"seconds to build": by_method(runs, "build"), "ticket against exact features": differences}
    return {"runs": runs, "tables": tables, "violations": sum(misses)}


def by_method(runs: dict[str, Any], column: str) -> dict[str, Any]:
    """One column of all methods that have it, as intervals."""
    return {
        name: {
            method: interval([row[column] for row in rows])
            for method, rows in found["methods"].items()
            if column in rows[0]
        }
        for name, found in runs.items()
    }


def against_exact(found: dict[str, Any]) -> dict[str, Any]:
    """Differences of scores fold by fold, and how many values of test folds lay outside of the box."""
    scores = {method: np.array([row["score"] for row in rows]) for method, rows in found["methods"].items()}
    pairs = {kind: scores[f"ticket, {kind}"] - scores[f"exact, {family}"] for kind, family in OF.items()}
    gaps = {f"ticket - exact, {kind}": interval(pair.tolist()) for kind, pair in pairs.items()}
    return gaps | {"clipped, percent": interval(found["clipped"])}


def models(name: str) -> tuple[str, ...]:
    """The linear models that a data set is for."""
    return ("R^2",) if SETS[name]()[1].dtype.kind == "f" else ("ridge", "logistic")


def folds(config: Any, name: str, model: str) -> dict[str, Any]:  # noqa: ANN401
    """Every method on the same folds of one data set; what is learnt of the inputs is learnt from the other folds."""
    inputs, wanted = SETS[name]()
    splitter = (KFold if model == "R^2" else StratifiedKFold)(config.folds, shuffle=True, random_state=0)
    rows: dict[str, list[dict[str, float]]] = {}
    clipped = []
    for train, test in splitter.split(inputs, wanted):
        first, second = inputs[train], inputs[test]
        if name.startswith("digits"):
            reduction = PCA(16, random_state=0).fit(first)
            first, second = reduction.transform(first), reduction.transform(second)
        clipped.append(100 * PolynomialTicket(degree=1).fit(first).count_outside(second) / second.size)
        for method, row in fold(config, model, (first, wanted[train]), (second, wanted[test])).items():
            rows.setdefault(method, []).append(row)
    print(name, model, flush=True)
    sizes = {"rows": len(inputs), "columns": first.shape[1]}
    return {**sizes, "metric": "R^2" if model == "R^2" else "accuracy", "clipped": clipped, "methods": rows}


def fold(config: Any, model: str, train: Any, test: Any) -> dict[str, dict[str, float]]:  # noqa: ANN401
    """Every method on one split: `train` and `test` are inputs and what is wanted of them."""
    d = train[0].shape[1]
    found, count = of_families(config, model, train, test)
    kernels = {
        "random Fourier features": [RBFSampler(gamma=g / d, n_components=count, random_state=0) for g in GAMMAS],
        "Nystroem": [Nystroem(gamma=g / d, n_components=min(count, len(train[0])), random_state=0) for g in GAMMAS],
    }
    found["inputs alone"] = linear([FunctionTransformer()], model, train, test)
    for method, makers in kernels.items():
        found[method] = linear([make_pipeline(StandardScaler(), maker) for maker in makers], model, train, test)
    if model != "logistic":  # there it would be the same as beside ridge regression
        ours = found["ticket, polynomial"]
        found["trained network"] = network(int(ours["kept"] + ours["trained"]), model, train, test)
    return found


def of_families(config: Any, model: str, train: Any, test: Any) -> tuple[dict[str, dict[str, float]], int]:  # noqa: ANN401
    """Features of tickets and exact ones, and how many of them the larger family has."""
    d = train[0].shape[1]
    degree = largest(lambda q: polynomial(d, q).features, LIMITS[0], config.features)
    frequency = largest(lambda q: fourier(d, q).features, LIMITS[1], config.features)
    families = {"polynomial": polynomial(d, degree), "Fourier": fourier(d, frequency, period=2.0)}
    tickets = {
        "polynomial": PolynomialTicket(degree=degree),
        FINER: PolynomialTicket(degree=degree, tolerance=1e-4),
        "Fourier": FourierTicket(frequency=frequency, period=2.0),
    }
    exact = {
        kind: make_pipeline(MinMaxScaler(clip=True), FunctionTransformer(family.exact))
        for kind, family in families.items()
    }
    found = {f"exact, {kind}": linear([maker], model, train, test) for kind, maker in exact.items()}
    for kind, maker in tickets.items():
        maker.fit(train[0])  # builds the ticket, once for all folds
        gap = np.abs(maker.transform(test[0]) - exact[OF[kind]].transform(test[0])).max(axis=0)
        found[f"ticket, {kind}"] = linear([maker], model, train, test) | {
            "kept": maker.ticket_.kept,
            "build": maker.ticket_.record["report"]["seconds"],
            "misses": int((gap > maker.certificate_.errors).sum()),
        }
    return found, max(family.features for family in families.values())


def largest(count: Callable[[int], int], limit: int, features: int) -> int:
    """The largest degree or frequency, up to a limit, with no more than so many features."""
    return max([q for q in range(1, limit + 1) if count(q) <= features], default=1)
