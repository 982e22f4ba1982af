"""The same density everywhere."""

from __future__ import annotations

from tombola.allocate._allocation import Shapes, sizes_and_kept, whole


def uniform(shapes: Shapes, density: float) -> dict[str, int]:
    """Counts with the same density in every layer.

    Args:
        shapes: of the prunable parameters by name.
        density: the fraction kept in all.

    Raises:
        ValueError: if there is no parameter, one is empty, or the density is out of (0, 1].

    Example:
        >>> uniform({"a": (10, 4), "b": (5, 10)}, 0.1)
        {'a': 4, 'b': 5}
    """
    sizes, kept = sizes_and_kept(shapes, density)
    total = sum(sizes.values())
    return whole({name: kept * size / total for name, size in sizes.items()}, sizes, kept)
