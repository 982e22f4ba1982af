"""Universal tickets: one mask on a random network serves a whole family of functions, each by a linear fit.

The transformers for scikit-learn load on first use, so that nobody else pays for importing scikit-learn.
"""

from importlib import import_module
from typing import TYPE_CHECKING

from ._bases import hats, orthogonal, univariate
from ._bound import block_error, feature_errors
from ._build import build
from ._certificate import FeatureCertificate
from ._family import Family
from ._features import Features
from ._fourier import fourier, frequency_matrix
from ._function import Function
from ._knots import chord_error, equi_error_knots, expected_knots, knots_needed
from ._named_family import named_family
from ._polynomial import exponent_matrix, polynomial

if TYPE_CHECKING:
    from ._estimators import FourierTicket, PolynomialTicket

__all__ = [
    "Family",
    "FeatureCertificate",
    "Features",
    "FourierTicket",
    "Function",
    "PolynomialTicket",
    "block_error",
    "build",
    "chord_error",
    "equi_error_knots",
    "expected_knots",
    "exponent_matrix",
    "feature_errors",
    "fourier",
    "frequency_matrix",
    "hats",
    "knots_needed",
    "named_family",
    "orthogonal",
    "polynomial",
    "univariate",
]


def __getattr__(name: str) -> object:
    """A transformer, imported now that it is asked for."""
    if name not in {"FourierTicket", "PolynomialTicket"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(import_module("._estimators", __name__), name)
    globals()[name] = value
    return value
