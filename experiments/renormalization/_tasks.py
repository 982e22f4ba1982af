"""Tasks: subsets and transformations of data sets, as centred grey images of one size."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import torch
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).parents[1]))
from _common import dataset

from tombola.data import DataSet, Scaling

TESTED = 2000  # images of a test set, the first ones


@dataclass(frozen=True)
class Task:
    """A data set and what is done to it.

    Attributes:
        data: its name.
        first, last: the classes that are used, both included; they are counted from 0 again.
        images: how many are trained on at most, the first ones.
        rotated: by a quarter turn.
        inverted: after centring, so that every input changes its sign.
    """

    data: str
    first: int = 0
    last: int = 9
    images: int = 10_000
    rotated: bool = False
    inverted: bool = False


@cache
def load(task: Task, side: int) -> DataSet:
    """The task's images `(n, 1, side, side)`, centred over the training set in every pixel, of variance 1 in all."""
    full = dataset(task.data)
    x, y = _chosen(full.x_train, full.y_train, task, task.images)
    x_test, y_test = _chosen(full.x_test, full.y_test, task, TESTED)
    x, x_test = _small(x, side), _small(x_test, side)
    mean = x.mean(dim=0)
    deviation = (x - mean).square().mean().sqrt() * (-1 if task.inverted else 1)
    x, x_test = (x - mean) / deviation, (x_test - mean) / deviation
    if task.rotated:
        x, x_test = (images.rot90(dims=(2, 3)).contiguous() for images in (x, x_test))
    return DataSet(task.data, x, y, x_test, y_test, Scaling("none"))


def _chosen(x: Tensor, y: Tensor, task: Task, images: int) -> tuple[Tensor, Tensor]:
    """The first images of the task's classes."""
    places = torch.nonzero((y >= task.first) & (y <= task.last)).flatten()[:images]
    return x[places], y[places] - task.first


def _small(images: Tensor, side: int) -> Tensor:
    """Means over channels and over cells of pixels."""
    return nn.functional.adaptive_avg_pool2d(images.float().mean(dim=1, keepdim=True), side)
