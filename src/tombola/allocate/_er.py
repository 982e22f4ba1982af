"""Densities as in random graphs of Erdős and Rényi."""

from __future__ import annotations

from tombola.allocate._allocation import Shapes, fans, proportional, sizes_and_kept, whole


def er(shapes: Shapes, density: float) -> dict[str, int]:
    """Counts with densities in proportion to `(inputs + outputs) / (inputs outputs)` [Mocanu2018].

    Layers that would keep more than they have are dense, and the others make up for it. The kernel of a convolution
    does not count; with it, see `erk`.

    Args:
        shapes: `(out, in, *kernel)` of the prunable parameters by name.
        density: the fraction kept in all.

    Raises:
        ValueError: as `uniform`, and if a parameter has fewer than two axes.

    Example:
        >>> er({"wide": (100, 100), "narrow": (10, 100)}, 0.1)
        {'wide': 710, 'narrow': 390}
    """
    sizes, kept = sizes_and_kept(shapes, density)
    raw = {name: (outputs + inputs) / (outputs * inputs) for name, (outputs, inputs, _) in fans(shapes).items()}
    return whole(proportional(raw, sizes, kept), sizes, kept)
