"""The step from stored pixels to a network's inputs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float32, Shaped
from torch import Tensor

KINDS = ("unit", "standard", "none")


@dataclass(frozen=True)
class Scaling:
    """Maps stored values to inputs by `(value - shift) / scale`, one pair of numbers for the whole data set.

    Attributes:
        kind: `unit` (inputs in `[0, 1]`), `standard` (mean 0 and variance 1 over the training set) or `none`.
        shift: what is subtracted, in the unit of the stored values.
        scale: what is divided by, in the same unit; positive.

    Raises:
        ValueError: if the kind is unknown, a number is not finite or `scale` is not positive.

    Example:
        >>> scaling = Scaling("unit", shift=0.0, scale=255.0)
        >>> scaling(torch.tensor([0, 51, 255], dtype=torch.uint8))
        tensor([0.0000, 0.2000, 1.0000])
        >>> Scaling.from_metadata(scaling.metadata()) == scaling
        True
    """

    kind: str
    shift: float = 0.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"unknown scaling {self.kind!r}; known are {', '.join(KINDS)}")
        if not (math.isfinite(self.shift) and math.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"shift and scale must be finite and scale positive; got {self.shift} and {self.scale}")

    def __call__(self, values: Shaped[Tensor, " *shape"]) -> Float32[Tensor, " *shape"]:
        """The inputs for these stored values, on their device."""
        return (values.to(torch.float32) - self.shift) / self.scale

    def metadata(self) -> dict[str, str]:
        """The scaling as text, for the header of a file; `from_metadata` gives it back exactly."""
        return {"scaling": self.kind, "scaling_shift": repr(self.shift), "scaling_scale": repr(self.scale)}

    @classmethod
    def from_metadata(cls, metadata: Mapping[str, str]) -> Scaling:
        """The scaling that `metadata` wrote down.

        Raises:
            ValueError: if an entry is missing or no scaling can be made of it.
        """
        try:
            shift, scale = float(metadata["scaling_shift"]), float(metadata["scaling_scale"])
            return cls(metadata["scaling"], shift, scale)
        except KeyError as error:
            raise ValueError(f"the metadata has no entry {error} for the scaling of the inputs") from error


def fit_scaling(kind: str, values: Tensor) -> Scaling:
    """The scaling of a kind that suits these training values.

    `unit`: bytes are divided by 255; other values are mapped from their range onto `[0, 1]`, unless they lie in it.

    Raises:
        ValueError: if the kind is unknown, or all values are equal where a spread is needed.
    """
    if kind == "standard":
        numbers = values.double()
        return Scaling(kind, float(numbers.mean()), _spread(float(numbers.std(correction=0))))
    if kind != "unit":
        return Scaling(kind)
    if values.dtype == torch.uint8:
        return Scaling(kind, 0.0, 255.0)
    low, high = float(values.min()), float(values.max())
    return Scaling(kind) if low >= 0 and high <= 1 else Scaling(kind, low, _spread(high - low))


def _spread(width: float) -> float:
    if width == 0:
        raise ValueError("all inputs of the training set are equal: there is nothing to scale and nothing to learn")
    return width
