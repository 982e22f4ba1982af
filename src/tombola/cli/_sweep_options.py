"""The options of `tombola sweep`."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from typer import Argument, Option

if TYPE_CHECKING:
    from tombola.engines import Engine


class SweepEngine(StrEnum):
    """Who runs the cells."""

    IN_PROCESS = "in-process"
    PROCESSES = "processes"
    RAY = "ray"


StudyPath = Annotated[Path, Argument(metavar="STUDY", help="A YAML file: data, model, steps, ...; a list is an axis.")]
Folder = Annotated[
    Path | None,
    Option("-o", "--output", metavar="FOLDER", help="Where runs are kept; the same command goes on there."),
]
EngineName = Annotated[
    SweepEngine,
    Option(
        metavar="NAME",
        help="in-process (one cell after the other), processes (several on this machine) or ray (on a cluster, whose "
        "machines have to share FOLDER). The results do not depend on it.",
    ),
]
RayAddress = Annotated[
    str | None,
    Option(metavar="ADDRESS", help="Of the Ray cluster. Default: RAY_ADDRESS, else one is started on this machine."),
]
WorkerCount = Annotated[
    int | None,
    Option("--workers", min=1, metavar="N", help="Cells that run at a time. Default: one for each core."),
]
Threads = Annotated[int, Option(min=1, metavar="N", help="Of linear algebra in each cell.")]
DryRun = Annotated[bool, Option("--dry-run", help="List the cells; run and write nothing.")]


def engine_of(name: SweepEngine, address: str | None, count: int | None, threads: int) -> Engine:
    """The engine that the options describe.

    Raises:
        ValueError: if they contradict each other.
    """
    from tombola.engines import Processes, Ray, in_process

    if address is not None and name is not SweepEngine.RAY:
        raise ValueError("--ray-address goes with --engine ray")
    if count is not None and name is SweepEngine.IN_PROCESS:
        raise ValueError("--workers goes with --engine processes or ray; in this process cells run one by one")
    if count is not None and name is SweepEngine.RAY and (address or os.environ.get("RAY_ADDRESS")):
        raise ValueError("--workers is for a cluster that is started here; one that is joined has the workers it has")
    if name is SweepEngine.PROCESSES:
        return Processes(count)
    if name is SweepEngine.RAY:
        return Ray(address, None if count is None else count * threads)
    return in_process
