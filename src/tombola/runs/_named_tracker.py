"""Trackers by the names that the command line and sweeps take."""

from __future__ import annotations

import os
from pathlib import Path

from ._mlflow import MLflow
from ._tensorboard import TensorBoard
from ._tracking import Tracker
from ._wandb import WeightsAndBiases

TRACKERS = ("tensorboard", "wandb", "mlflow")


def named_tracker(name: str, folder: str | os.PathLike[str], *, address: str | None = None) -> Tracker:
    """A tracker by name, whose files are in a folder that several runs may share.

    Args:
        name: "tensorboard" (in `folder/tensorboard/`), "wandb" (in `folder/wandb/`; offline unless `WANDB_MODE` says
            otherwise) or "mlflow" (in `folder/mlflow.db` unless there is a server).
        folder: not that of a run: a run begins in an empty one.
        address: of a server; only with "mlflow".

    Raises:
        ValueError: if there is no such tracker, or it takes no address.

    Example:
        >>> type(named_tracker("wandb", "tracking")).__name__
        'WeightsAndBiases'
    """
    if name not in TRACKERS:
        raise ValueError(f"a tracker is one of {', '.join(TRACKERS)}, got {name!r}")
    if name == "mlflow":
        return MLflow(folder, address=address)
    if address is not None:
        raise ValueError(f"an address is for mlflow alone, got {address!r} with {name}; leave it out")
    return TensorBoard(Path(folder) / "tensorboard") if name == "tensorboard" else WeightsAndBiases(folder)
