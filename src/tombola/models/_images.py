"""The sizes of images that a network can take, checked before it is made."""

from __future__ import annotations

import math
from collections.abc import Sequence


def checked_image(
    network: str, input_shape: Sequence[int], classes: int, *, width: float = 1.0, smallest: int = 1
) -> tuple[int, int, int]:
    """Channels, height and width of one example, if a network can be made for them.

    Args:
        network: its name, for messages.
        input_shape: of one example.
        classes: number of outputs.
        width: the factor on the numbers of channels.
        smallest: the shortest side of an image that leaves something after the last pool.

    Raises:
        ValueError: if an example is no image or too small, or there are no classes, or the factor is not positive.

    Example:
        >>> checked_image("conv-4", (3, 32, 32), 10, smallest=4)
        (3, 32, 32)
    """
    size = " x ".join(map(str, input_shape)) or "a single number"
    if len(input_shape) != 3 or min(input_shape) < 1 or min(input_shape[1:]) < smallest:
        wanted = f"images (channels, height, width) of at least {smallest} x {smallest}"
        raise ValueError(f"{network} takes {wanted}, but an example has {size}")
    if classes < 1:
        raise ValueError(f"{network} needs at least one class, got {classes}")
    if not (math.isfinite(width) and width > 0):
        raise ValueError(f"the widths of {network} can be multiplied by a positive number, got {width}")
    channels, rows, columns = input_shape
    return channels, rows, columns


def scaled(units: int, width: float) -> int:
    """`units * width`, rounded to the nearest whole number (halves to even), and at least 1.

    Example:
        >>> scaled(64, 0.5), scaled(16, 1e-3)
        (32, 1)
    """
    return max(1, round(units * width))
