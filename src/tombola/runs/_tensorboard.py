"""Runs in TensorBoard: event files, one folder for each run."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from ._tracking import file_name


class TensorBoard:
    """The tracker that writes TensorBoard's event files, to `folder/NAME-KEY/`.

    Every level is one record of the file, on the disk before the next level is trained. Parameters are in the HPARAMS
    tab. TensorBoard has no place for files, so tickets are not copied. Show with `tensorboard --logdir FOLDER`.

    Args:
        folder: of all runs that are compared.

    Raises:
        ImportError: when a run begins, if the extra is not installed.

    Example:
        >>> TensorBoard("tracking/tensorboard").folder
        PosixPath('tracking/tensorboard')
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        self._writer: Any = None
        self._ended: Any = None  # the summary that says that the run has ended well

    def begin(self, name: str, parameters: Mapping[str, Any]) -> Collection[int]:
        """See `Tracker`."""
        try:
            from torch.utils.tensorboard import FileWriter
            from torch.utils.tensorboard.summary import hparams
        except ImportError as error:
            raise ImportError(
                "the tracker needs TensorBoard: pip install 'tombola[tensorboard]'", name="tensorboard"
            ) from error
        place = self.folder / file_name(name)
        place.mkdir(parents=True, exist_ok=True)
        found, said = _there(place)
        experiment, begun, ended = hparams({key: _shown(value) for key, value in parameters.items()}, {"accuracy": 0})
        self._writer = FileWriter(str(place))
        if not said & _tags(begun):
            self._writer.add_summary(experiment)
            self._writer.add_summary(begun)
            self._writer.flush()
        self._ended = None if said & _tags(ended) else ended
        return found

    def record(self, metrics: Mapping[str, float], *, step: int) -> None:
        """See `Tracker`."""
        from tensorboard.compat.proto.summary_pb2 import Summary  # pyright: ignore[reportAttributeAccessIssue] - generated

        values = [Summary.Value(tag=name, simple_value=value) for name, value in metrics.items()]
        self._writer.add_summary(Summary(value=values), step)
        self._writer.flush()

    def keep(self, path: Path) -> None:
        """Does nothing: TensorBoard keeps no files."""

    def end(self, *, failed: bool) -> None:
        """See `Tracker`."""
        if self._ended is not None and not failed:
            self._writer.add_summary(self._ended)
        self._writer.close()


def _there(place: Path) -> tuple[set[int], set[str]]:
    """The steps of the event files in a folder, and the tags of what they say of parameters."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(place), size_guidance={"scalars": 0}).Reload()
    steps = {event.step for tag in events.Tags()["scalars"] for event in events.Scalars(tag)}
    try:
        return steps, set(events.PluginTagToContent("hparams"))
    except KeyError:
        return steps, set()


def _tags(summary: Any) -> set[str]:  # noqa: ANN401 - a message of protobuf
    return {value.tag for value in summary.value}


def _shown(value: object) -> bool | int | float | str:
    return value if isinstance(value, bool | int | float | str) else json.dumps(value)
