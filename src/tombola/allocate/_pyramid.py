"""Densities that fall from input to output."""

from __future__ import annotations

from tombola.allocate._allocation import Shapes, falling_root, sizes_and_kept, whole


def pyramid(shapes: Shapes, density: float) -> dict[str, int]:
    """Counts with the density `q^l` in layer l = 1, 2, ..., `q` such that the total is right [Gadhikar2023].

    The deeper the network, the emptier its end: the last layers may keep nothing at low densities.

    Args:
        shapes: of the prunable parameters by name, from input to output.
        density: the fraction kept in all.

    Raises:
        ValueError: as `uniform`.

    Example:
        >>> pyramid({"first": (10, 10), "middle": (10, 10), "last": (10, 10)}, 0.875 / 3)  # q = 1/2
        {'first': 50, 'middle': 25, 'last': 13}
    """
    sizes, kept = sizes_and_kept(shapes, density)

    def shares(q: float) -> dict[str, float]:
        return {name: size * q ** (place + 1) for place, (name, size) in enumerate(sizes.items())}

    q = 1 - falling_root(lambda p: sum(shares(1 - p).values()) - kept, 1.0)
    return whole(shares(q), sizes, kept)
