"""Densities of ideal gas quotas."""

from __future__ import annotations

from tombola.allocate._allocation import Shapes, falling_root, sizes_and_kept, whole


def igq(shapes: Shapes, density: float) -> dict[str, int]:
    """Counts `n / (F n + 1)` for layers of n weights, `F` such that the total is right [Vysogorets2023].

    Small layers stay nearly dense, and all large layers keep nearly the same number: layers are compressed like
    communicating vessels of gas.

    Args:
        shapes: of the prunable parameters by name.
        density: the fraction kept in all.

    Raises:
        ValueError: as `uniform`.

    Example:
        >>> igq({"small": (1, 10), "large": (10, 100), "huge": (100, 100)}, 0.1)
        {'small': 10, 'large': 419, 'huge': 672}
    """
    sizes, kept = sizes_and_kept(shapes, density)

    def shares(force: float) -> dict[str, float]:
        return {name: size / (force * size + 1) for name, size in sizes.items()}

    force = falling_root(lambda value: sum(shares(value).values()) - kept, len(sizes) / kept)
    return whole(shares(force), sizes, kept)
