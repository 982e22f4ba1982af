"""Densities that fall quadratically from input to output."""

from __future__ import annotations

from tombola.allocate._allocation import Shapes, proportional, sizes_and_kept, whole
from tombola.masks import kept_count


def smart_ratios(shapes: Shapes, density: float, *, last: float = 0.3) -> dict[str, int]:
    """Counts with densities like `k^2 + k`, k = 1 in the layer before the last, which has its own [Su2020].

    With random positions these are the paper's random tickets. Deviations: the paper counts convolutions and fixes all
    linear layers, here all layers but the last count; and where a layer would be more than dense, all others share what
    it leaves, where the paper hands it to the next ones.

    Args:
        shapes: of the prunable parameters by name, from input to output.
        density: the fraction kept in all, the last layer included.
        last: the density of the last layer, in (0, 1].

    Raises:
        ValueError: as `uniform`, if the last layer alone holds more than is to be kept, or the others cannot hold the
            rest.

    Example:
        >>> smart_ratios({"first": (10, 10), "middle": (10, 10), "last": (10, 10)}, 0.2)
        {'first': 22, 'middle': 8, 'last': 30}
    """
    sizes, kept = sizes_and_kept(shapes, density)
    *others, end = sizes
    if not 0 < last <= 1 or not others:
        raise ValueError(f"last is a density in (0, 1], and there are layers before it; got {last} and {list(sizes)}")
    at_end, rest = kept_count(sizes[end], last), {name: sizes[name] for name in others}
    if not 0 < kept - at_end <= sum(rest.values()):
        raise ValueError(
            f"density {density} keeps {kept} weights; with {at_end} of {end!r} the other layers would keep "
            f"{kept - at_end} of {sum(rest.values())}; choose another last"
        )
    raw = {name: float(k * k + k) for k, name in enumerate(reversed(others), 1)}
    shares = proportional({name: raw[name] for name in others}, rest, kept - at_end)
    return whole(shares, rest, kept - at_end) | {end: at_end}
