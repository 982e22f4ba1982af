"""How close a ticket has to come, weight by weight or at the output."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tombola.graph import AffineLayer

FINEST = 1e-5  # of a layer's largest magnitude; the grid of the pools is out of its depth below that


@dataclass(frozen=True)
class Tolerance:
    """The error that is allowed: per weight, or certified at the output.

    Args:
        weight_epsilon: the largest |effective weight - target weight| allowed, relative to the largest weight magnitude
            of the layer (of its biases where all weights are zero).
        absolute: take `weight_epsilon` in the target's own unit instead, the same for all layers.
        epsilon: if given, the certified sup-norm error of the output that is wanted; `weight_epsilon` is then where
            the search for a sufficient weight tolerance starts.

    Raises:
        ValueError: if a tolerance is not a positive finite number.

    Example:
        >>> Tolerance(weight_epsilon=0.0)
        Traceback (most recent call last):
        ValueError: weight_epsilon must be a positive finite number, got 0.0; the default is 0.01
    """

    weight_epsilon: float = 0.01
    absolute: bool = False
    epsilon: float | None = None

    def __post_init__(self) -> None:
        for name, value in (("weight_epsilon", self.weight_epsilon), ("epsilon", self.epsilon)):
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be a positive finite number, got {value}; the default is 0.01")

    def of(self, layer: AffineLayer) -> float:
        """The tolerance of one layer in the target's own unit.

        Raises:
            ValueError: if it is finer than `FINEST` of the layer's largest magnitude.
        """
        sizes = [
            float(part.abs().max()) if part is not None and part.numel() else 0.0 for part in (layer.weight, layer.bias)
        ]
        largest = sizes[0] or sizes[1]
        tolerance = self.weight_epsilon if self.absolute else self.weight_epsilon * (largest or 1.0)
        if tolerance < FINEST * max(sizes):
            raise ValueError(
                f"layer {layer.name!r}: a tolerance of {tolerance:.3g} is below {FINEST:g} of its largest magnitude "
                f"{max(sizes):.3g}; ask for a coarser one"
            )
        return tolerance
