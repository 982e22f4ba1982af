"""What all allocations share: sizes that are checked, and shares that become whole numbers."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

from tombola.masks import kept_count

Shapes = Mapping[str, Sequence[int]]
Allocation = Callable[[Shapes, float], dict[str, int]]
"""A rule that says how many weights each layer keeps: `(shapes, density) -> counts`."""

NOISE = 1e-9  # a share this little below a whole number is meant to be that number


def sizes_and_kept(shapes: Shapes, density: float) -> tuple[dict[str, int], int]:
    """The number of weights of each parameter, and how many are kept in all.

    Raises:
        ValueError: if there is no parameter, one is empty, or the density is out of (0, 1].
    """
    if not shapes:
        raise ValueError("there are no parameters to share a density out to")
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    for name, size in sizes.items():
        if size < 1:
            raise ValueError(f"{name!r} has the shape {tuple(shapes[name])} and with it no weights; leave it out")
    return sizes, kept_count(sum(sizes.values()), density)


def fans(shapes: Shapes) -> dict[str, tuple[int, int, int]]:
    """Outputs, inputs and the sum of the kernel's sides of each layer, from weights `(out, in, *kernel)`.

    Raises:
        ValueError: if a parameter has fewer than two axes.
    """
    for name, shape in shapes.items():
        if len(shape) < 2:
            raise ValueError(f"{name!r} has the shape {tuple(shape)}; only weights (out, in, ...) have fans")
    return {name: (shape[0], shape[1], sum(shape[2:])) for name, shape in shapes.items()}


def whole(shares: Mapping[str, float], sizes: Mapping[str, int], kept: int) -> dict[str, int]:
    """Shares that add up to `kept` as whole numbers that do, by largest remainders; none above its size.

    Among equal remainders the first layer gets the weight.

    Args:
        shares: real numbers from 0 to the size of each layer.
        sizes: how many weights a layer has.
        kept: how many stay in all.
    """
    counts = {name: min(sizes[name], max(0, math.floor(share + NOISE))) for name, share in shares.items()}
    missing = kept - sum(counts.values())
    assert 0 <= missing <= len(sizes), f"shares add up to {sum(shares.values())}, wanted {kept}"
    order = sorted(counts, key=lambda name: counts[name] - shares[name])
    for name in [name for name in order if counts[name] < sizes[name]][:missing]:
        counts[name] += 1
    assert sum(counts.values()) == kept
    return counts


def proportional(raw: Mapping[str, float], sizes: Mapping[str, int], kept: int) -> dict[str, float]:
    """Shares with densities proportional to `raw`; layers that would be more than dense are dense, the rest makes up.

    Exact: the factor is found anew after each layer of the largest `raw` that does not fit, until all fit.
    """
    open_layers, left, factor = dict(raw), kept, 1.0
    while open_layers:
        factor = left / sum(value * sizes[name] for name, value in open_layers.items())
        largest = max(open_layers.values())
        if factor * largest <= 1:
            break
        for name in [name for name, value in open_layers.items() if value == largest]:
            left -= sizes[name]
            del open_layers[name]
    return {name: factor * raw[name] * size if name in open_layers else float(size) for name, size in sizes.items()}


def falling_root(function: Callable[[float], float], high: float) -> float:
    """Where a falling function from [0, high] crosses zero, by bisection to the last bit."""
    low = 0.0
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if function(middle) > 0 else (low, middle)
    return low
