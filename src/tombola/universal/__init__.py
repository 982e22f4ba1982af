"""Universal tickets: one mask on a random network serves a whole family of functions, each by a linear fit."""

from ._bases import hats, orthogonal, univariate
from ._bound import block_error, feature_errors
from ._build import build
from ._certificate import FeatureCertificate
from ._family import Family
from ._features import Features
from ._fourier import fourier, frequency_matrix
from ._function import Function
from ._named_family import named_family
from ._polynomial import exponent_matrix, polynomial

__all__ = [
    "Family",
    "FeatureCertificate",
    "Features",
    "Function",
    "block_error",
    "build",
    "exponent_matrix",
    "feature_errors",
    "fourier",
    "frequency_matrix",
    "hats",
    "named_family",
    "orthogonal",
    "polynomial",
    "univariate",
]
