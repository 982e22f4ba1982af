"""The densities of random graphs, but for the classifier."""

from __future__ import annotations

from tombola.allocate._allocation import Shapes, fans, proportional, sizes_and_kept, whole
from tombola.masks import kept_count


def erk_plus(shapes: Shapes, density: float, *, last: float = 1.0, power: float = 1.0) -> dict[str, int]:
    """Counts as with `erk` for all but the last layer, which is dense or has a density of its own [Liu2022].

    Args:
        shapes: `(out, in, *kernel)` of the prunable parameters by name, from input to output.
        density: the fraction kept in all, the last layer included.
        last: the density of the last layer, in [0, 1].
        power: of the proportions, as for `erk`.

    Raises:
        ValueError: as `erk`, and if the last layer alone holds more than is to be kept, or the others cannot hold the
            rest.

    Example:
        >>> erk_plus({"conv": (16, 3, 3, 3), "wide": (32, 16, 3, 3), "last": (10, 32)}, 0.2, last=0.5)
        {'conv': 289, 'wide': 623, 'last': 160}
    """
    sizes, kept = sizes_and_kept(shapes, density)
    if not 0 <= last <= 1 or power < 0:
        raise ValueError(f"last is a density in [0, 1] and power 0 or more, got {last} and {power}")
    *others, end = sizes
    at_end = kept_count(sizes[end], last) if last else 0
    rest = {name: sizes[name] for name in others}
    if not 0 <= kept - at_end <= sum(rest.values()):
        raise ValueError(
            f"density {density} keeps {kept} weights; with {at_end} of {end!r} the other layers would keep "
            f"{kept - at_end} of {sum(rest.values())}; choose another last"
        )
    raw = {name: (sum(found) / sizes[name]) ** power for name, found in fans(shapes).items() if name != end}
    return whole(proportional(raw, rest, kept - at_end), rest, kept - at_end) | {end: at_end}
