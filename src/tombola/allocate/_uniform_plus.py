"""The same density everywhere but at the two ends."""

from __future__ import annotations

from tombola.allocate._allocation import Shapes, sizes_and_kept, whole


def uniform_plus(shapes: Shapes, density: float, *, last: float = 0.2) -> dict[str, int]:
    """Counts with the first convolution dense, the last layer at no less than a fifth, the rest equal [Gale2019].

    A network without convolutions has no layer that is kept dense.

    Args:
        shapes: of the prunable parameters by name, from input to output; a convolution has more than two axes.
        density: the fraction kept in all.
        last: the least density of the last layer, in [0, 1].

    Raises:
        ValueError: as `uniform`, and if the two ends alone hold more than is to be kept.

    Example:
        >>> shapes = {"conv": (4, 1, 3, 3), "middle": (50, 20), "last": (10, 50)}
        >>> uniform_plus(shapes, 0.15)
        {'conv': 36, 'middle': 94, 'last': 100}
    """
    sizes, kept = sizes_and_kept(shapes, density)
    if not 0 <= last <= 1:
        raise ValueError(f"last is the least density of the last layer and lies in [0, 1], got {last}")
    *others, end = sizes
    fixed = {name: float(sizes[name]) for name in [name for name in others if len(shapes[name]) > 2][:1]}
    if last * (sum(sizes.values()) - sum(fixed.values())) > kept - sum(fixed.values()):
        fixed[end] = last * sizes[end]
    left, room = kept - sum(fixed.values()), sum(size for name, size in sizes.items() if name not in fixed)
    if left < 0:
        ends = " and ".join(f"{share:g} weights of {name!r}" for name, share in fixed.items())
        raise ValueError(f"density {density} keeps {kept} weights, fewer than {ends}; raise it or lower last")
    shares = {name: fixed[name] if name in fixed else left * size / room for name, size in sizes.items()}
    return whole(shares, sizes, kept)
