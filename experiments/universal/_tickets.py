"""How large one-dimensional universal tickets are and how close they come; and what all inputs share."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np
from _common import interval, over_seeds

from tombola import two_layer
from tombola.ticket import Ticket
from tombola.universal import Family, Features, Function, build, fourier, polynomial, univariate

LINE = np.linspace(0, 1, 200_001)[:, None]
PUBLISHED = {  # what the authors' script gives, run again; parameters before pruning are those of its comments
    "monomials 1 to 4": {
        "sup errors": [5.98e-4, 5.83e-4, 9.09e-4, 1.11e-3],
        "kept": 1074,
        "source parameters": 431_800,
    },
    "sin alone": {"sup errors": [1.119e-2], "kept": 436, "source parameters": 68_292},
}


def sine(tolerance: float) -> Family:
    """`sin(2 pi x)` alone."""

    def curvature(low: np.ndarray, high: np.ndarray) -> np.ndarray:
        return np.full_like(low, 4 * np.pi**2)

    one = Function("sine", lambda x: np.sin(2 * np.pi * x), 0.0, 1.0, curvature, rounding=2.0**-48)
    return univariate([one], tolerance=tolerance)


def tickets(config: Any) -> dict[str, Any]:  # noqa: ANN401
    """One-dimensional tickets from several sources, the error of their knots alone, and the blocks that are shared."""
    families = {
        "monomials 1 to 4 at 1.5e-3": polynomial(1, 4, tolerance=1.5e-3),
        "monomials 1 to 4 at 1.5e-4": polynomial(1, 4, tolerance=1.5e-4),
        "sin and cos at 1.2e-2": fourier(1, 1, tolerance=1.2e-2),
        "sin and cos at 1.2e-3": fourier(1, 1, tolerance=1.2e-3),
        "sin alone at 1.2e-2": sine(1.2e-2),
    }
    runs: dict[str, list[dict[str, Any]]] = {}
    for name, family in families.items():
        for construction in (None, two_layer)[: 1 if name.endswith(("-4", "1.2e-3")) else 2]:
            build(family, construction=construction)  # compiles what the timings should not hold
            label = f"{name}, {'paths' if construction is None else 'two-layer'}"
            runs[label] = [measured(family, construction, seed) for seed in config.seeds]
    return {
        "runs": runs,
        "tables": {
            "sizes and errors": {name: over_seeds(rows) for name, rows in runs.items()},
            "sup errors": {name: by_feature(rows) for name, rows in runs.items()},
            "sharing, degree 2": sharing(config),
        },
        "error of knots alone": knots(),
        "published": PUBLISHED,
        "violations": sum(misses(row) for rows in runs.values() for row in rows),
    }


def measured(family: Family, construction: Any, seed: int) -> dict[str, Any]:  # noqa: ANN401
    """One ticket: its size, what is proved of it, and the largest error on a grid, by feature as well."""
    started = time.perf_counter()
    ticket = build(family, seed=seed, construction=construction)
    seconds = time.perf_counter() - started
    errors = np.abs(Features.of(ticket)(LINE) - family.exact(LINE)).max(axis=0)
    return {
        "seed": seed,
        "kept": ticket.kept,
        "source parameters": ticket.source_parameters,
        "density": ticket.density,
        "bound": ticket.certificate.bound,
        "sup error": float(errors.max()),
        "knots": sum(sum(step["knots"]) for step in ticket.record["steps"] if "knots" in step),
        "seconds": seconds,
        "sup errors": dict(zip(family.label(["x"]), errors.tolist(), strict=True)),
        "bounds": ticket.certificate.errors.tolist(),
        "knots of blocks": {step["name"]: step["knots"] for step in ticket.record["steps"] if "knots" in step},
    }


def misses(row: dict[str, Any]) -> int:
    """How many features were seen to be further off than is proved."""
    return sum(error > bound for error, bound in zip(row["sup errors"].values(), row["bounds"], strict=True))


def by_feature(rows: list[dict[str, Any]]) -> dict[str, Any]:
    """The largest error of every feature as intervals."""
    return {name: interval([row["sup errors"][name] for row in rows]) for name in rows[0]["sup errors"]}


def sharing(config: Any) -> dict[str, Any]:  # noqa: ANN401
    """Kept edges and parameters of the blocks that all coordinates and all features share, by dimension."""
    rows: dict[str, list[dict[str, Any]]] = {}
    for seed in config.seeds:
        found = [build(polynomial(dimension, 2), seed=seed) for dimension in config.dimensions]
        for dimension, ticket in zip(config.dimensions, found, strict=True):
            row = {f"{step}, {what}": n for step in ("log", "exponents", "exp") for what, n in part(ticket, step)}
            same = {f"{step}, masks of d = 1": is_shared(ticket, found[0], step) for step in ("log", "exp")}
            rows.setdefault(f"d = {dimension}", []).append({"seed": seed, **row, **same})
    return {name: over_seeds(found) for name, found in rows.items()}


def is_shared(ticket: Ticket, other: Ticket, step: str) -> bool:
    """Whether a step keeps the same edges of the same source in both."""
    names = [name for name in ticket.tensors if name.split(".")[0] == step]
    pairs = [
        [one.tensors[name].mask.edges(0, one.tensors[name].mask.shape[0]) for one in (ticket, other)] for name in names
    ]
    return all(np.array_equal(mine, theirs) for pair in pairs for mine, theirs in zip(*pair, strict=True))


def part(ticket: Ticket, step: str) -> list[tuple[str, int]]:
    """Kept edges and parameters of one step."""
    tensors = [tensor for name, tensor in ticket.tensors.items() if name.split(".")[0] == step]
    return [
        ("kept", sum(one.mask.kept for one in tensors)),
        ("all", sum(int(np.prod(one.mask.shape)) for one in tensors)),
    ]


def knots() -> dict[str, Any]:
    """The largest error of chords between knots, before anything is pruned, beside that of the derivation."""
    found = {
        "log((1 + x) / 2), N = 10": (chords(lambda x: np.log((1 + x) / 2), lambda x: 1 / (1 + x), 0, 1, 10), 1.25e-3),
        "sin(2 pi x), N = 21": (chords(lambda x: np.sin(2 * np.pi * x), np.ones_like, 0, 1, 21), 1.12e-2),
        "exp, N = 40": (chords(np.exp, lambda z: np.exp(z / 2), -4 * np.log(2) - 0.07, 0, 40), 6.4e-4),
    }
    return {name: {"error": error, "derived limit": limit} for name, (error, limit) in found.items()}


def chords(value: Callable[..., Any], density: Callable[..., Any], low: float, high: float, count: int) -> float:
    """The error of `count` chords between knots of a density: that of equal errors is the root of the curvature."""
    x = np.linspace(low, high, 400_001)
    total = np.concatenate([[0.0], np.cumsum((density(x[:-1]) + density(x[1:])) / 2)])
    places = np.interp(np.linspace(0, total[-1], count + 1), total, x)
    return float(np.abs(np.interp(x, places, value(places)) - value(x)).max())
