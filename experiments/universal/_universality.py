"""One ticket, many functions: each is a linear read-out, of its own coefficients or of those of least squares."""

from __future__ import annotations

from math import comb
from typing import Any

import numpy as np
from _common import over_seeds

from tombola.universal import Family, Features, build, fourier, polynomial

ROUNDING = 1e-12  # of sums in float64, a billionth of the bounds


def universality(config: Any) -> dict[str, Any]:  # noqa: ANN401
    """A ticket for polynomials of two inputs, one for band-limited functions, and plain monomials of one input."""
    families = {"polynomial(2, 4)": polynomial(2, 4, tolerance=1e-3), "fourier(2, 3)": fourier(2, 3)}
    runs = {name: functions(config, family) for name, family in families.items()}
    plain = monomials(polynomial(1, 4, tolerance=1e-3))
    counts = {
        name: {
            "sup error above bound": sum(row["sup error"] > row["bound"] for row in found),
            "fit rms above bound": sum(row["fit rms"] > row["bound"] for row in found),
            "fit rms above rms error": sum(row["fit rms"] > row["rms error"] for row in found),
            "fit sup error above bound, none promised": sum(row["fit sup error"] > row["bound"] for row in found),
        }
        for name, found in runs.items()
    }
    violations = [
        row["sup error"] > row["bound"] or row["fit rms"] > row["bound"] for found in runs.values() for row in found
    ]
    return {
        "counts": counts,
        "tables": {
            "read-outs": {name: over_seeds(found) for name, found in runs.items()},
            "plain monomials": {name: over_seeds([row]) for name, row in plain.items()},
        },
        "violations": sum(violations) + sum(row["sup error"] > row["bound"] for row in plain.values()),
    }


def functions(config: Any, family: Family) -> list[dict[str, float]]:  # noqa: ANN401
    """Random functions of a family, all from one ticket: coefficients of l1-norm 1, that of the constant included."""
    generator = np.random.default_rng(0)
    ticket = build(family)
    features = Features.of(ticket)
    axis = np.linspace(0, 1, config.grid)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    places = np.concatenate([grid, generator.random((config.grid**2 // 4, 2))])
    coefficients = generator.standard_normal((config.functions, family.features + 1))
    coefficients /= np.abs(coefficients).sum(axis=1, keepdims=True)
    fitted_on = generator.random((config.points, 2))
    bounds = ticket.certificate.read_out(coefficients[:, 1:]) + ROUNDING
    wanted, ours = with_constant(family.exact(places)), with_constant(features(places))
    at, near = with_constant(family.exact(fitted_on)), with_constant(features(fitted_on))
    rows = []
    for row, bound in zip(coefficients, np.atleast_1d(bounds), strict=True):
        fit = np.linalg.lstsq(near, at @ row, rcond=None)[0]
        errors, fit_errors = np.abs((ours - wanted) @ row), np.abs(ours @ fit - wanted @ row)
        rows.append(
            {
                "bound": float(bound),
                "sup error": float(errors.max()),
                "sup error / bound": float(errors.max() / bound),
                "rms error": rms((near - at) @ row),
                "fit rms": rms(near @ fit - at @ row),
                "fit rms / bound": rms(near @ fit - at @ row) / float(bound),
                "fit sup error": float(fit_errors.max()),
                "fit sup error / bound": float(fit_errors.max() / bound),
            }
        )
    return rows


def monomials(family: Family) -> dict[str, dict[str, float]]:
    """`x^m` from monomials in (1 + x) / 2: how much larger than that of a feature its error is; 3^m at most."""
    ticket = build(family)
    x = np.linspace(0, 1, 200_001)[:, None]
    errors = Features.of(ticket)(x) - family.exact(x)
    found = {}
    for m in range(1, family.features + 1):
        row = np.zeros(family.features)
        row[:m] = [comb(m, j) * 2.0**j * (-1.0) ** (m - j) for j in range(1, m + 1)]
        exact = np.abs((family.exact(x) @ row + (-1.0) ** m) - x[:, 0] ** m).max()
        assert exact < 1e3 * ROUNDING, "these are not the coefficients of the monomial"
        worst, bound = float(np.abs(errors @ row).max()), float(ticket.certificate.read_out(row))
        found[f"x^{m}"] = {
            "sup error": worst,
            "bound": bound,
            "3^m": 3.0**m,
            "sup error / largest of a feature": worst / float(np.abs(errors[:, :m]).max()),
            "bound / largest of a feature": bound / float(ticket.certificate.errors[:m].max()),
        }
    return found


def with_constant(features: np.ndarray) -> np.ndarray:
    """Features with a column of ones in front."""
    return np.concatenate([np.ones((len(features), 1)), features], axis=1)


def rms(values: np.ndarray) -> float:
    """The root of the mean square."""
    return float(np.sqrt(np.square(values).mean()))
