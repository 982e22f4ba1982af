"""What is proved of the features of a universal ticket."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tombola.rounding import upward


@dataclass(frozen=True, eq=False)
class FeatureCertificate:
    """Bounds on the errors of features over all inputs in `[0, 1]^d`, and so on those of all their combinations.

    Guarantee: exact, for the ticket's numbers as they are; a network run in float32 adds its rounding. Infinite where
    a function's curvature is not known, and nothing is proved.

    Attributes:
        errors: `(features,)` float64.
    """

    errors: np.ndarray

    @property
    def bound(self) -> float:
        """The largest error of any feature."""
        return float(self.errors.max())

    def read_out(self, coefficients: np.ndarray) -> np.ndarray | float:
        """How far a linear combination of the ticket's features can be from that of the exact ones: sum |c_k| errors_k.

        Args:
            coefficients: `(features,)`, or `(outputs, features)` for a bound on each output.

        Raises:
            ValueError: for another number of coefficients.

        Example:
            >>> FeatureCertificate(np.array([0.1, 0.2])).read_out(np.array([1.0, -1.0])).round(6)
            np.float64(0.3)
        """
        weights = np.asarray(coefficients, np.float64)
        if weights.ndim not in {1, 2} or weights.shape[-1] != self.errors.size:
            raise ValueError(f"coefficients are wanted for {self.errors.size} features, got shape {weights.shape}")
        if not np.isfinite(self.errors).all():
            return np.full(weights.shape[:-1], np.inf)[()]
        return np.abs(weights) @ self.errors * upward(self.errors.size)

    def to_json(self) -> dict[str, Any]:
        """The certificate as plain data: a bound for each feature, or none where nothing is proved."""
        proved = bool(np.isfinite(self.errors).all())
        return {"guarantee": "exact" if proved else "none", "errors": self.errors.tolist() if proved else []}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], features: int) -> FeatureCertificate:
        """The certificate that `to_json` wrote, for so many features; of infinite bounds where nothing was proved."""
        return cls(np.array(data["errors"] or [np.inf] * features, np.float64))
