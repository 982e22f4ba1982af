"""Densities that somebody else has found."""

from __future__ import annotations

from collections.abc import Mapping

from tombola.allocate._allocation import Allocation, Shapes, sizes_and_kept, whole


def given(densities: Mapping[str, float]) -> Allocation:
    """The allocation with these densities, for example those of another method's masks, whose positions are not wanted.

    Args:
        densities: the kept fraction of each parameter by name, each in [0, 1].

    Returns:
        An allocation. It raises ValueError unless the names are those of the shapes and the densities add up to the
        density that it is called with, to half a weight for each layer.

    Raises:
        ValueError: if a density is out of [0, 1].

    Example:
        >>> given({"a": 0.5, "b": 0.05})({"a": (2, 10), "b": (10, 10)}, 0.125)
        {'a': 10, 'b': 5}
    """
    for name, value in densities.items():
        if not 0 <= value <= 1:
            raise ValueError(f"densities lie in [0, 1], got {value} for {name!r}")

    def allocate(shapes: Shapes, density: float) -> dict[str, int]:
        sizes, kept = sizes_and_kept(shapes, density)
        if set(densities) != set(sizes):
            raise ValueError(f"there are densities for {sorted(densities)}, and the parameters {sorted(sizes)}")
        shares = {name: densities[name] * size for name, size in sizes.items()}
        wanted, total = sum(shares.values()), sum(sizes.values())
        if abs(wanted - kept) > len(sizes) / 2:
            raise ValueError(f"these densities keep {wanted / total:g} in all, and not {density}; ask for that")
        return whole(_moved(shares, sizes, kept - wanted), sizes, kept)

    return allocate


def _moved(shares: dict[str, float], sizes: dict[str, int], change: float) -> dict[str, float]:
    """Shares whose sum is changed a little: every layer gives or takes in proportion to what it has or lacks."""
    room = {name: sizes[name] - share if change > 0 else share for name, share in shares.items()}
    total = sum(room.values())
    return {name: share + change * room[name] / total if total else share for name, share in shares.items()}
