"""Studies that are done a block at a time: what is recorded is not done again, what is done is written at once."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from _common import write

from tombola.engines import Processes, Workers

Block = Any  # what tells it from others, such as a part and a seed; JSON data


def option(name: str, default: Iterable[object]) -> list[str]:
    """What follows an option of the command line, with commas between."""
    return sys.argv[sys.argv.index(name) + 1].split(",") if name in sys.argv else [str(one) for one in default]


def recorded(folder: Path) -> dict[str, Any]:
    """The record of a study; without one, of no runs."""
    path = folder / "result.json"
    return json.loads(path.read_text()) if path.exists() else {"runs": []}


def seeds(config: Any) -> list[int]:  # noqa: ANN401 - the configuration of any study
    """Those that are asked for: `--seeds`, or all."""
    return [int(seed) for seed in option("--seeds", config.seeds)]


def do_blocks(
    folder: Path,
    config: object,
    run: Callable[[Any, Any, Workers], dict[str, Any]],
    wanted: Sequence[Block],
    *,
    key: Callable[[dict[str, Any]], Block],
    table: Callable[[list[dict[str, Any]]], Any],
    place: Callable[[dict[str, Any]], Any] | None = None,
) -> None:
    """Does the blocks that are not recorded on `--workers` processes, and writes what is there after each.

    Args:
        folder: where the record is.
        config: of the study, the first argument of `run`.
        run: does a block, and returns what is recorded of it.
        wanted: the blocks.
        key: of what is recorded, the block that it is of.
        table: of all that is recorded.
        place: in the record; by default in order of keys.
    """
    there = {key(one) for one in recorded(folder)["runs"]}
    blocks, started = [block for block in wanted if block not in there], time.perf_counter()
    engine = Processes(int(option("--workers", [1])[0]))
    for _, made in engine(partial(run, config), blocks, Workers(1)):
        runs = sorted([*recorded(folder)["runs"], made], key=place or key)
        write(folder / "result.json", config, {"runs": runs, "table": table(runs)}, started)
        print(f"{key(made)}: done at {time.perf_counter() - started:.0f} s", flush=True)
