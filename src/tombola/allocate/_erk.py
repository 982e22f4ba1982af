"""Densities as in random graphs of Erdős and Rényi, with the kernels of convolutions."""

from __future__ import annotations

from tombola.allocate._allocation import Shapes, fans, proportional, sizes_and_kept, whole


def erk(shapes: Shapes, density: float, *, power: float = 1.0) -> dict[str, int]:
    """Counts with densities in proportion to `(inputs + outputs + height + width) / weights` to a power [Evci2020].

    Linear layers have no kernel, and so the same proportion as with `er`. Layers that would keep more than they have
    are dense, and the others make up for it: those with the largest proportion first, until all fit.

    Args:
        shapes: `(out, in, *kernel)` of the prunable parameters by name; of a grouped convolution as they are stored.
        density: the fraction kept in all.
        power: of the proportions; 0 is the uniform allocation.

    Raises:
        ValueError: as `uniform`, if a parameter has fewer than two axes, or the power is negative.

    Example:
        >>> erk({"conv": (16, 3, 3, 3), "wide": (32, 16, 3, 3), "last": (10, 32)}, 0.2)
        {'conv': 238, 'wide': 514, 'last': 320}
    """
    sizes, kept = sizes_and_kept(shapes, density)
    if power < 0:
        raise ValueError(f"power must be 0 or more, got {power}")
    raw = {name: (sum(found) / sizes[name]) ** power for name, found in fans(shapes).items()}
    return whole(proportional(raw, sizes, kept), sizes, kept)
