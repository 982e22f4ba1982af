"""What verbs do with `--track`: the run is shown in other tools."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tombola.runs import LevelRecord, Tracker

FOLDER = "tracking"  # beside the folder of the run


def trackers(names: Sequence[str], address: str | None, output: Path) -> list[Tracker]:
    """The trackers of a command line, each once; their files lie beside the run.

    Raises:
        ValueError: if there is no such tracker, or nothing that the address is for, or the run is in their place.
    """
    from tombola.runs import named_tracker

    if address is not None and "mlflow" not in names:
        raise ValueError("--mlflow-address is for --track mlflow; give both or none")
    folder = output.parent / FOLDER
    if names and folder.resolve() == output.resolve():
        raise ValueError(f"{folder} is where trackers keep their files; name another folder for the run")
    if os.environ.get("RANK", "0") != "0":  # of several processes the first one reports
        return []
    given = {"mlflow": address}
    return [named_tracker(name, folder, address=given.get(name)) for name in dict.fromkeys(names)]


@contextmanager
def followed(
    following: Sequence[Tracker], output: Path, parameters: Mapping[str, Any]
) -> Iterator[Callable[[LevelRecord, int], None]]:
    """A block in which trackers are told of levels."""
    from tombola.runs import tracked

    if not following:
        yield lambda record, of: None
        return
    with tracked(following, output, output.name, parameters) as on_level:
        yield on_level
