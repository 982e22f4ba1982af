"""One record for every data set, and the checks that make it one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int64, Shaped
from torch import Tensor

from tombola.data._scaling import Scaling

KEYS = ("x_train", "y_train", "x_test", "y_test")


@dataclass(frozen=True, eq=False)
class DataSet:
    """A data set in memory: inputs as stored, labels, and the scaling between stored values and a network's inputs.

    Attributes:
        name: as it was asked for.
        x_train: `(train, *shape)`, uint8 or float32. Images are `(channels, height, width)`.
        y_train: `(train,)` int64 labels from 0.
        x_test: `(test, *shape)`, as `x_train`.
        y_test: `(test,)` int64.
        scaling: to be applied to a batch, `scaling(x)`; nothing is scaled before it is needed.

    Example:
        >>> import tombola.data
        >>> digits = tombola.data.load("digits")
        >>> digits.input_shape, digits.classes, len(digits.y_train), len(digits.y_test)
        ((1, 8, 8), 10, 1437, 360)
        >>> inputs, labels = digits.test()
        >>> inputs.dtype, float(inputs.max())
        (torch.float32, 1.0)
    """

    name: str
    x_train: Shaped[Tensor, " train *shape"]
    y_train: Int64[Tensor, " train"]
    x_test: Shaped[Tensor, " test *shape"]
    y_test: Int64[Tensor, " test"]
    scaling: Scaling

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one example."""
        return tuple(self.x_train.shape[1:])

    @property
    def classes(self) -> int:
        """How many classes the training labels tell apart."""
        return int(self.y_train.max()) + 1

    def train(self) -> tuple[Float32[Tensor, " train *shape"], Int64[Tensor, " train"]]:
        """The scaled inputs and the labels of the training set, `(train, *shape)` and `(train,)`."""
        return self.scaling(self.x_train), self.y_train

    def test(self) -> tuple[Float32[Tensor, " test *shape"], Int64[Tensor, " test"]]:
        """The scaled inputs and the labels of the test set, `(test, *shape)` and `(test,)`."""
        return self.scaling(self.x_test), self.y_test


def checked_tensors(origin: str, arrays: dict[str, np.ndarray]) -> dict[str, Tensor]:
    """The four arrays as tensors in the layout of `DataSet`.

    Args:
        origin: where they come from, for messages.
        arrays: `x_train, y_train, x_test, y_test`. Images may be `(n, height, width)` or
            `(n, height, width, channels)`.

    Raises:
        ValueError: if arrays are missing, empty, of different lengths or shapes, not finite, or labels are not whole
            numbers from 0 that the training set knows.
    """
    missing = [key for key in KEYS if key not in arrays]
    if missing:
        raise ValueError(f"{origin}: missing {', '.join(missing)}; wanted are {', '.join(KEYS)}")
    images = {part: _inputs(f"{origin}: x_{part}", arrays[f"x_{part}"]) for part in ("train", "test")}
    labels = {part: _labels(f"{origin}: y_{part}", arrays[f"y_{part}"]) for part in ("train", "test")}
    for part in ("train", "test"):
        if len(images[part]) != len(labels[part]):
            raise ValueError(f"{origin}: {len(images[part])} {part} inputs but {len(labels[part])} labels")
    if images["train"].shape[1:] != images["test"].shape[1:]:
        shapes = " and ".join(str(tuple(images[part].shape[1:])) for part in ("train", "test"))
        raise ValueError(f"{origin}: training and test inputs differ in shape: {shapes}")
    if labels["test"].max() > labels["train"].max():
        known, seen = int(labels["train"].max()), int(labels["test"].max())
        raise ValueError(f"{origin}: test labels go up to {seen}, training labels only to {known}")
    return {f"{kind}_{part}": v[part] for part in ("train", "test") for kind, v in (("x", images), ("y", labels))}


def _inputs(what: str, values: np.ndarray) -> Tensor:
    if values.dtype.kind not in "uif" or values.ndim < 2 or values.size == 0:
        raise ValueError(f"{what} must be numbers of shape (examples, ...); got {values.dtype} {values.shape}")
    if values.dtype != np.uint8:
        values = values.astype(np.float32)
        if not np.isfinite(values).all():
            raise ValueError(f"{what} has {int((~np.isfinite(values)).sum())} values that are not finite")
    return torch.from_numpy(np.ascontiguousarray(_channels_first(values)))


def _channels_first(values: np.ndarray) -> np.ndarray:
    """Images as `(n, channels, height, width)`; anything that is not an image by its number of axes is left alone."""
    if values.ndim == 3:
        return values[:, None]
    is_channels_last = values.ndim == 4 and values.shape[3] in (1, 3, 4) and values.shape[1] not in (1, 3, 4)
    return values.transpose(0, 3, 1, 2) if is_channels_last else values


def _labels(what: str, values: np.ndarray) -> Tensor:
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.dtype.kind not in "ui" or values.ndim != 1 or values.size == 0:
        raise ValueError(f"{what} must be whole numbers of shape (examples,); got {values.dtype} {values.shape}")
    if values.min() < 0:
        raise ValueError(f"{what} must be labels from 0; the smallest is {values.min()}")
    return torch.from_numpy(values.astype(np.int64))
