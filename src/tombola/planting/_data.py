"""The data of the three planted tasks."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float32, Int64
from torch import Tensor

from ._circle_target import BOUNDARIES, SLOPES, score_offsets
from ._helix_target import helix


def relu_data(
    count: int, *, noise: float = 0.01, generator: torch.Generator
) -> tuple[Float32[Tensor, "count 1"], Float32[Tensor, "count 1"]]:
    """Inputs uniform on [-1, 1] and their ReLU with normal noise, `(count, 1)` each [Fischer2022].

    Args:
        count: how many examples.
        noise: standard deviation of what is added to the outputs.
        generator: of all randomness.

    Raises:
        ValueError: if the count is not positive or the noise negative.

    Example:
        >>> x, y = relu_data(100, noise=0.0, generator=torch.Generator().manual_seed(0))
        >>> bool((y == x.clamp(min=0)).all())
        True
    """
    _check(count, noise, "noise", largest=float("inf"))
    x = _uniform(count, 1, generator)
    return x, x.clamp(min=0) + noise * torch.randn(count, 1, generator=generator)


def circle_data(
    count: int, *, flipped: float = 0.01, generator: torch.Generator
) -> tuple[Float32[Tensor, "count 2"], Int64[Tensor, " count"]]:
    """Points uniform on [-1, 1]^2 and their classes by squared radius, `(count, 2)` and `(count,)` [Fischer2022].

    Args:
        count: how many examples.
        flipped: the probability with which a label is replaced by the runner-up, the neighbouring class whose score
            (see `circle_target`) is the second largest; independently for each label.
        generator: of all randomness.

    Raises:
        ValueError: if the count is not positive or the probability not in [0, 1].

    Example:
        >>> x, y = circle_data(4000, flipped=0.0, generator=torch.Generator().manual_seed(0))
        >>> (x.square().sum(dim=1)[y == 0].max() < 0.2).item(), y.unique().tolist()
        (True, [0, 1, 2, 3])
    """
    _check(count, flipped, "flipped", largest=1.0)
    x = _uniform(count, 2, generator)
    radius = x.double().square().sum(dim=1)
    label = torch.bucketize(radius, torch.tensor(BOUNDARIES, dtype=torch.float64), right=True)
    scores = radius[:, None] * torch.tensor(SLOPES, dtype=torch.float64) + torch.from_numpy(score_offsets())
    runner_up = scores.scatter(1, label[:, None], -torch.inf).argmax(dim=1)
    return x, torch.where(torch.rand(count, generator=generator) < flipped, runner_up, label)


def helix_data(
    count: int, *, noise: float = 0.01, generator: torch.Generator
) -> tuple[Float32[Tensor, "count 1"], Float32[Tensor, "count 3"]]:
    """Parameters uniform on [-1, 1] and points of the helix with normal noise, `(count, 1)` and `(count, 3)`.

    Args:
        count: how many examples.
        noise: standard deviation of what is added to each coordinate.
        generator: of all randomness.

    Raises:
        ValueError: if the count is not positive or the noise negative.

    Example:
        >>> x, y = helix_data(100, noise=0.0, generator=torch.Generator().manual_seed(0))
        >>> bool((y[:, :2].norm(dim=1) - y[:, 2]).abs().max() < 1e-6)  # as far from the axis as along it
        True
    """
    _check(count, noise, "noise", largest=float("inf"))
    x = _uniform(count, 1, generator)
    points = torch.from_numpy(helix(x[:, 0].numpy().astype(np.float64))).float()
    return x, points + noise * torch.randn(count, 3, generator=generator)


def _uniform(count: int, size: int, generator: torch.Generator) -> Tensor:
    return 2 * torch.rand(count, size, generator=generator) - 1


def _check(count: int, level: float, name: str, *, largest: float) -> None:
    if count < 1:
        raise ValueError(f"the number of examples must be positive, got {count}")
    if not 0 <= level <= largest:
        raise ValueError(f"{name} must lie in [0, {largest:g}], got {level}")
