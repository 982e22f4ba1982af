"""The curves behind the pictures: features beside exact ones with their proved band, and one ticket on many tasks.

Run `python experiments/universal_curves/run.py`; `--tiny` does the same with less of everything and writes nothing.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))
from _common import write

from tombola.universal import Family, Features, build, fourier, polynomial

TASKS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "a bump": lambda x: np.exp(-60 * (x - 0.35) ** 2),
    "a chirp": lambda x: np.sin(12 * x**2),
    "|x - 0.4|": lambda x: np.abs(x - 0.4),
    "a sigmoid": lambda x: 1 / (1 + np.exp(-18 * (x - 0.6))),
}


@dataclass(frozen=True)
class Config:
    """What is drawn."""

    points: int = 161
    degree: int = 4
    tolerance: float = 1.5e-3
    frequency: int = 10
    fourier_tolerance: float = 1e-2
    samples: int = 60
    noise: float = 0.05
    penalty: float = 1e-3
    seed: int = 0


def study(config: Config) -> dict[str, Any]:
    """Curves on an even grid of [0, 1], rounded to seven digits."""
    x = np.linspace(0, 1, config.points)
    powers = polynomial(1, config.degree, tolerance=config.tolerance)
    waves = fourier(1, config.frequency, period=2.0, tolerance=config.fourier_tolerance)
    found = {"x": rounded(x), "features": {"polynomial": features(powers, config.seed, x)}}
    found["features"]["fourier"] = features(fourier(1, 1, tolerance=1.2e-2), config.seed, x)
    return found | {"tasks": tasks(waves, config, x)}


def features(family: Family, seed: int, x: np.ndarray) -> dict[str, Any]:
    """The features of a ticket, the exact ones, and what is proved of their difference."""
    ticket = build(family, seed=seed)
    made, exact = Features.of(ticket)(x[:, None]), family.exact(x[:, None])
    errors = ticket.certificate.errors
    if (np.abs(made - exact) > errors).any():
        raise SystemExit(f"a feature of {family.name} is further from the exact one than was proved")
    return {
        "names": family.label(["x"]),
        "kept": ticket.kept,
        "bounds": errors.tolist(),
        "ticket": [rounded(column) for column in made.T],
        "exact": [rounded(column) for column in exact.T],
    }


def tasks(family: Family, config: Config, x: np.ndarray) -> dict[str, Any]:
    """One ticket, and a ridge regression on its features for each of several functions seen in noise."""
    ticket = build(family, seed=config.seed)
    made, generator = Features.of(ticket), np.random.default_rng(config.seed)
    curves = {}
    for name, function in TASKS.items():
        seen = np.sort(generator.random(config.samples))
        values = function(seen) + config.noise * generator.normal(size=seen.size)
        matrix, centre = made(seen[:, None]), values.mean()
        gram = matrix.T @ matrix + config.penalty * len(seen) * np.eye(matrix.shape[1])
        weights = np.linalg.solve(gram, matrix.T @ (values - centre))
        fitted = made(x[:, None]) @ weights + centre
        curves[name] = {
            "x": rounded(seen),
            "y": rounded(values),
            "fitted": rounded(fitted),
            "true": rounded(function(x)),
            "rms error": float(np.sqrt(np.mean(np.square(fitted - function(x))))),
            "bound": float(ticket.certificate.read_out(weights)),
        }
    return {"features": family.features, "kept": ticket.kept, "effective_sha256": ticket.record["effective_sha256"]} | {
        "curves": curves
    }


def rounded(values: np.ndarray) -> list[float]:
    """Seven digits, so that the record stays small."""
    return [float(f"{value:.7g}") for value in values]


if __name__ == "__main__":
    started, small = time.perf_counter(), "--tiny" in sys.argv
    body = study(Config(points=33, frequency=3) if small else Config())
    for name, curve in body["tasks"]["curves"].items():
        print(
            f"{name}: rms error {curve['rms error']:.3f}, of which the ticket's features at most {curve['bound']:.2g}"
        )
    if not small:
        write(Path(__file__).parent / "result.json", Config(), body, started)
