"""What the scikit-learn transformers share: a box learned from the data, and a ticket that knows nothing of them."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from functools import lru_cache
from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from tombola.ticket import Ticket

from ._box import first_outside, in_unit_box, is_outside
from ._build import build
from ._certificate import FeatureCertificate
from ._family import checked
from ._features import Features
from ._named_family import named_family

OUTSIDE = ("clip", "warn", "error")


class TicketTransformer(TransformerMixin, BaseEstimator, ABC):
    """What both transformers share; scikit-learn wants parameters, fitting and transforming in one class."""

    tolerance: float
    seed: int
    width: int
    outside: str

    @abstractmethod
    def _wanted(self, dimension: int) -> tuple[str, dict[str, Any], int]:
        """The name of the family, what it takes besides a dimension, and how many features it has."""

    def fit(self, X: object, y: object = None) -> TicketTransformer:
        """Learns the box, the least and the largest value of every column, and nothing else.

        The ticket depends on the parameters and on the number of columns. It is built once in a process and shared by
        all fits that ask for the same.

        Args:
            X: `(n, d)` finite numbers.
            y: ignored.

        Raises:
            ValueError: for data that are not such a table, a parameter out of range, or more features than the source
                has units.
        """
        self._on_outside()
        values = self._rows(X, reset=True)
        self.ticket_ = self._ticket(values.shape[1])
        self.data_min_, self.data_max_ = values.min(axis=0), values.max(axis=0)
        return self

    def transform(self, X: object) -> np.ndarray:
        """The features `(n, features)` float64 of rows `(n, d)`.

        Raises:
            NotFittedError: before `fit`.
            ValueError: for another number of columns, numbers that are not finite, or values outside of the box, if
                `outside` is "error".
        """
        check_is_fitted(self, "ticket_")
        values = self._rows(X)
        if (on_outside := self._on_outside()) != "clip":
            outside = is_outside(values, self.data_min_, self.data_max_)
            if outside.any():
                _tell(first_outside(values, outside, self.data_min_, self.data_max_, self._names()), on_outside)
        return features_of(self.ticket_)(in_unit_box(values, self.data_min_, self.data_max_))

    def count_outside(self, X: object) -> int:
        """How many values of `X` `(n, d)` lie outside of the box, by more than 1e-9 of its width.

        `transform` moves them to the edge. There is no other trace of them if `outside` is "clip".
        """
        check_is_fitted(self, "ticket_")
        return int(is_outside(self._rows(X), self.data_min_, self.data_max_).sum())

    def get_feature_names_out(self, input_features: object = None) -> np.ndarray:
        """The names `(features,)` of the features, made of those of the columns.

        Args:
            input_features: names of the columns; None: those that `fit` saw, or `x0`, `x1`, ...

        Raises:
            NotFittedError: before `fit`.
            ValueError: for other names than `fit` saw, or another number of names.
        """
        check_is_fitted(self, "ticket_")
        names, family = self._names(input_features), self.ticket_.record["family"]
        labels = named_family(family["name"], family["dimension"], **family["settings"]).label(names)
        return np.array(labels, dtype=object)

    @property
    def certificate_(self) -> FeatureCertificate:
        """A proved bound on the error of every feature, over the whole box.

        Its `read_out(model.coef_)` bounds how far the predictions of a linear model are from those of the same
        coefficients on exact features.
        """
        check_is_fitted(self, "ticket_")
        found = self.ticket_.certificate
        assert found is not None
        return found

    def _rows(self, X: object, *, reset: bool = False) -> np.ndarray:
        checked_rows = validate_data(self, X, reset=reset, dtype=np.float64)  # pyright: ignore[reportArgumentType]
        return np.asarray(checked_rows, np.float64)

    def _names(self, input_features: object = None) -> list[str]:
        names = OneToOneFeatureMixin.get_feature_names_out(self, input_features)  # pyright: ignore[reportArgumentType]
        return np.asarray(names, object).tolist()

    def _on_outside(self) -> str:
        if not isinstance(self.outside, str) or self.outside not in OUTSIDE:
            raise ValueError(f"outside must be one of {', '.join(OUTSIDE)}, got {self.outside!r}")
        return self.outside

    def _ticket(self, dimension: int) -> Ticket:
        seed, width = checked("seed", self.seed, 0), checked("width", self.width, 1)
        name, settings, count = self._wanted(dimension)
        if count > width:  # asked before the family is made, which may be too large to make
            raise ValueError(
                f"{self!r} has {count:,} features of {dimension} columns, and the layers of its source have {width:,} "
                f"units; ask for a lower {next(iter(settings))}, take fewer columns, or set width={count} or more"
            )
        settings["tolerance"] = checked_real("tolerance", self.tolerance)
        return built(name, dimension, seed, width, tuple(settings.items()))


def checked_real(name: str, value: object) -> float:
    """A real number as a float.

    Raises:
        ValueError: for anything else.

    Example:
        >>> checked_real("period", "long")
        Traceback (most recent call last):
        ValueError: period must be a number, got 'long'
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise ValueError(f"{name} must be a number, got {value!r}")
    return float(value)


def _tell(found: str, on_outside: str) -> None:
    if on_outside == "error":
        raise ValueError(f"{found}; fit on data that cover them, or set outside='clip' to move them to the edge")
    warnings.warn(f"{found}; they were moved to the edge", UserWarning, stacklevel=4)


@lru_cache(maxsize=32)
def built(name: str, dimension: int, seed: int, width: int, settings: tuple[tuple[str, Any], ...]) -> Ticket:
    return build(named_family(name, dimension, **dict(settings)), seed=seed, width=width)


@lru_cache(maxsize=16)
def features_of(ticket: Ticket) -> Features:
    """The compiled features of a ticket, kept here so that estimators and their pickles stay small."""
    return Features.of(ticket)
