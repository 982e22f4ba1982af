"""Runs in Weights & Biases, by default as files that are sent when you say so."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from tombola.files import atomic_write

from ._tracking import environment, file_name, one_line

QUIET = {"WANDB_ERROR_REPORTING": "false"}  # no reports of wandb's own errors to its makers
MODES = ("online", "offline")
SECONDS = 30.0  # that an unreachable server has to answer


class WeightsAndBiases:
    """The tracker that logs to Weights & Biases.

    Offline nothing leaves the machine: the run lies in `folder/wandb/offline-run-*`, and `wandb sync` sends it. A run
    that goes on has a folder for each part, all with the same id, which `wandb sync` joins. Tickets are artefacts by
    reference to the files of the run, which have to be there when they are sent.

    Offline, Weights & Biases writes late: what a process that is killed had logged may be lost. So levels count as
    logged (in `folder/wandb/ID.levels.json`) once a process has ended the run, and are logged again otherwise; those
    that had been written after all are there twice.

    Args:
        folder: in which `wandb/` is.
        project: of Weights & Biases.
        mode: "online" or "offline"; default: what `WANDB_MODE` says, else "offline".

    Raises:
        ImportError: when a run begins, if the extra is not installed.
        ConnectionError: likewise, if the server does not answer or knows no key of yours.
        ValueError: if the mode is another.

    Example:
        >>> WeightsAndBiases("tracking", project="digits", mode="offline").project
        'digits'
    """

    def __init__(self, folder: str | os.PathLike[str], *, project: str = "tombola", mode: str | None = None) -> None:
        if mode is not None and mode not in MODES:
            raise ValueError(f"the mode of Weights & Biases is one of {', '.join(MODES)}, or None, got {mode!r}")
        self.folder, self.project, self.mode = Path(folder), project, mode
        self._run: Any = None
        self._logged: set[int] = set()

    def begin(self, name: str, parameters: Mapping[str, Any]) -> Collection[int]:
        """See `Tracker`."""
        with environment(**QUIET):
            try:
                import wandb
            except ImportError as error:
                message = "the tracker needs Weights & Biases: pip install 'tombola[wandb]'"
                raise ImportError(message, name="wandb") from error
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                self._run = wandb.init(
                    project=self.project,
                    mode=self.mode or os.environ.get("WANDB_MODE") or "offline",  # pyright: ignore[reportArgumentType]
                    dir=str(self.folder),
                    id=file_name(name),
                    name=name,
                    config=dict(parameters),
                    resume="allow",
                    reinit="create_new",  # a run of the caller's own stays as it is
                    settings=wandb.Settings(console="off", silent=True, init_timeout=SECONDS),
                )
            except Exception as error:  # of several unrelated classes, some of them private
                advice = "run `wandb login`, or use the mode offline"
                raise ConnectionError(f"Weights & Biases cannot be used: {one_line(error)}; {advice}") from error
        self._logged = self._there() | set(range(self._run.starting_step))
        return set(self._logged)

    def record(self, metrics: Mapping[str, float], *, step: int) -> None:
        """See `Tracker`."""
        self._run.log(dict(metrics), step=step, commit=True)  # else it waits for the next step
        self._logged.add(step)

    def keep(self, path: Path) -> None:
        """See `Tracker`; a version of the artefact `ID-ticket`, with the name of its folder as an alias."""
        import wandb

        artefact = wandb.Artifact(f"{self._run.id}-ticket", type="ticket")
        artefact.add_file(str(path.resolve()), policy="immutable", skip_cache=True)
        self._run.log_artifact(artefact, aliases=["latest", f"level-{path.parent.name}"])

    def end(self, *, failed: bool) -> None:
        """See `Tracker`."""
        self._run.finish(exit_code=int(failed))
        with atomic_write(self._levels()) as file:
            file.write(json.dumps(sorted(self._logged)).encode())

    def _levels(self) -> Path:
        return self.folder / "wandb" / f"{self._run.id}.levels.json"

    def _there(self) -> set[int]:
        """The levels that were logged before; none if that cannot be read."""
        try:
            return {int(step) for step in json.loads(self._levels().read_text(encoding="utf-8"))}
        except (OSError, ValueError, TypeError):
            return set()
