"""Universal tickets as scikit-learn transformers: features of the columns of a table, for any linear model."""

from __future__ import annotations

import math
from typing import Any, no_type_check

import numpy as np

from ._build import WIDTH
from ._family import checked
from ._ticket_transformer import TicketTransformer, checked_real


class PolynomialTicket(TicketTransformer):
    """Polynomial features of the columns of a table, from a pruned random network in which nothing is trained.

    `fit` learns the box that the columns fill. With every column scaled to `[0, 1]`, the features are all products of
    total degree 1 to `degree` of the `(1 + x_i) / 2`; with an intercept they span all polynomials of that degree, of
    the columns as they are. Names are short: "a^2 b" is `((1 + a) / 2)^2 (1 + b) / 2`, of the scaled columns. There is
    no constant feature: let the model behind fit an intercept. Values outside of the box are moved to its edge.

    Guarantee: exact, as `certificate_` says, for the ticket's numbers as they are.

    Args:
        degree: the largest total degree.
        tolerance: the largest error wanted of any feature, 1e-6 to 1.
        seed: of the random source network.
        width: units that the widest layer of the source may have, and so the most features.
        outside: what `transform` does besides, if values lie outside of the box: nothing ("clip"), warn ("warn"), or
            raise an error instead ("error"). `count_outside` counts them.

    Attributes:
        ticket_: the ticket; the same for all data with so many columns.
        data_min_: `(d,)` float64, the least value of every column.
        data_max_: `(d,)` float64, the largest.
        n_features_in_: d.
        feature_names_in_: `(d,)`, if `X` has names of columns.

    Example:
        >>> from sklearn.linear_model import LinearRegression
        >>> from sklearn.pipeline import make_pipeline
        >>> x = np.random.default_rng(0).uniform(-3, 3, (200, 2))
        >>> model = make_pipeline(PolynomialTicket(degree=2), LinearRegression()).fit(x, x[:, 0] * x[:, 1])
        >>> print(*model[0].get_feature_names_out(), sep=", ")
        x0, x1, x0^2, x0 x1, x1^2
        >>> round(float(model.predict(np.array([[2.0, -1.0]]))[0]), 1), model[0].certificate_.bound < 1e-3
        (-2.0, True)
    """

    @no_type_check  # scikit-learn wants whatever comes to be stored, and looked at in fit
    def __init__(
        self,
        degree: int = 2,
        *,
        tolerance: float = 1e-3,
        seed: int = 0,
        width: int = WIDTH,
        outside: str = "clip",
    ) -> None:
        self.degree = degree
        self.tolerance = tolerance
        self.seed = seed
        self.width = width
        self.outside = outside

    def _wanted(self, dimension: int) -> tuple[str, dict[str, Any], int]:
        degree = checked("degree", self.degree, 1)
        return "polynomial", {"degree": degree}, math.comb(dimension + degree, degree) - 1


class FourierTicket(TicketTransformer):
    """Sines and cosines of the columns of a table, from a pruned random network in which nothing is trained.

    `fit` learns the box that the columns fill. With every column scaled to `[0, 1]`, the features are the sine and the
    cosine of `2 pi n.x / period` for all n with `0 < |n|_1 <= frequency`, one of n and -n. Names are those of the
    columns, but the scaled ones are meant. There is no constant feature: let the model behind fit an intercept. Values
    outside of the box are moved to its edge, so that nothing is continued periodically.

    Guarantee: exact, as `certificate_` says, for the ticket's numbers as they are.

    Args:
        frequency: the largest |n|_1.
        period: in lengths of the box. 2 suits functions that are not periodic, 1 those with the box as their period.
        fold: whether the network reflects, so that its sine does not grow with the frequency.
        tolerance: the largest error wanted of any feature, 1e-6 to 1.
        seed: of the random source network.
        width: units that the widest layer of the source may have, and so the most features.
        outside: what `transform` does besides, if values lie outside of the box: nothing ("clip"), warn ("warn"), or
            raise an error instead ("error"). `count_outside` counts them.

    Attributes:
        ticket_: the ticket; the same for all data with so many columns.
        data_min_: `(d,)` float64, the least value of every column.
        data_max_: `(d,)` float64, the largest.
        n_features_in_: d.
        feature_names_in_: `(d,)`, if `X` has names of columns.

    Example:
        >>> hours = np.array([[0.0], [6.0], [24.0]])
        >>> day = FourierTicket(1, period=1.0).fit(hours)
        >>> print(*day.get_feature_names_out(["hour"]), sep=", ")
        sin(2 pi hour), cos(2 pi hour)
        >>> bool(np.abs(day.transform(hours[1:2]) - [1.0, 0.0]).max() <= day.certificate_.bound)
        True
    """

    @no_type_check  # as above
    def __init__(
        self,
        frequency: int = 2,
        *,
        period: float = 2.0,
        fold: bool = False,
        tolerance: float = 1e-2,
        seed: int = 0,
        width: int = WIDTH,
        outside: str = "clip",
    ) -> None:
        self.frequency = frequency
        self.period = period
        self.fold = fold
        self.tolerance = tolerance
        self.seed = seed
        self.width = width
        self.outside = outside

    def _wanted(self, dimension: int) -> tuple[str, dict[str, Any], int]:
        frequency = checked("frequency", self.frequency, 1)
        if not isinstance(self.fold, bool | np.bool_):
            raise ValueError(f"fold must be True or False, got {self.fold!r}")
        settings = {"frequency": frequency, "period": checked_real("period", self.period), "fold": bool(self.fold)}
        vectors = sum(
            2**k * math.comb(dimension, k) * math.comb(frequency, k) for k in range(min(dimension, frequency) + 1)
        )
        return "fourier", settings, vectors - 1
