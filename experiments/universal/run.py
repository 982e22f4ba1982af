"""Universal tickets: sizes and errors, a hundred functions from one ticket, data sets, and depth for width.

Run `python experiments/universal/run.py`; `--tiny` does the same on less in seconds and writes nothing. What
`result.json` holds already is not done again: delete it to do so. Ends with an error if a guarantee is violated.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from _common import markdown, write
from _depth import depth
from _tasks import tasks
from _tickets import tickets
from _universality import universality

RESULT = Path(__file__).parent / "result.json"
STAGES: dict[str, Callable[..., dict[str, Any]]] = {
    "tickets": tickets,
    "universality": universality,
    "depth": depth,
    "tasks": tasks,
}


@dataclass(frozen=True)
class Config:
    """What every stage takes.

    Attributes:
        seeds: of the random sources of stage `tickets`.
        dimensions: at which blocks are counted.
        functions: how many of each family are read out of one ticket.
        grid: points on each side of the box in the plane.
        points: that a read-out is fitted to.
        stages: hidden source layers for each target layer.
        depth_seeds: of sources and targets of stage `depth`.
        inputs: random ones on which the outputs of a ticket and its target are compared.
        sets: the data sets.
        folds: of cross-validation.
        features: that a family may have, at most; its degree or frequency is the largest one that keeps to it.
    """

    seeds: tuple[int, ...] = tuple(range(10))
    dimensions: tuple[int, ...] = (1, 2, 5, 20)
    functions: int = 100
    grid: int = 400
    points: int = 2000
    stages: tuple[int, ...] = (1, 2, 4, 8, 16)
    depth_seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    inputs: int = 10_000
    sets: tuple[str, ...] = (
        *("diabetes", "friedman1", "friedman2", "friedman3"),
        *("digits, 16 components", "wine", "breast cancer", "iris"),
    )
    folds: int = 5
    features: int = 500


TINY = Config((0, 1), (1, 2), 10, 60, 300, (1, 4), (0, 1), 500, ("iris", "friedman2"), 2, 40)


def main() -> None:
    """Every stage that has no result yet, its tables, and the guarantees."""
    small = "--tiny" in sys.argv
    config = TINY if small else Config()
    body = {} if small else earlier(config)
    for name, stage in STAGES.items():
        if name not in body:
            started = time.perf_counter()
            body[name] = stage(config)
            body[name]["seconds"] = time.perf_counter() - started
            if not small:
                save(config, body)
        for title, table in body[name]["tables"].items():
            columns = list(dict.fromkeys(column for row in table.values() for column in row))
            print(f"\n{name}, {title}\n\n{markdown(table, columns)}", flush=True)
        print(f"\n{name}: {body[name]['seconds']:.0f} s", flush=True)
    violations = {name: body[name]["violations"] for name in STAGES if "violations" in body[name]}
    print(f"\nviolations: {violations}")
    if any(violations.values()):
        sys.exit("a guarantee was violated")


def earlier(config: Config) -> dict[str, Any]:
    """The stages that were recorded with this configuration."""
    if not RESULT.exists():
        return {}
    record = json.loads(RESULT.read_text())
    same = record["config"] == json.loads(json.dumps(asdict(config)))
    return {name: record[name] for name in STAGES if name in record} if same else {}


def save(config: Config, body: dict[str, Any]) -> None:
    """The stages so far; the seconds are those of all of them."""
    spent = sum(body[name]["seconds"] for name in STAGES if name in body)
    write(RESULT, config, body | {"scikit-learn": version("scikit-learn")}, time.perf_counter() - spent)


if __name__ == "__main__":
    main()
