"""Random networks by address: Philox4x32-10, laws, and `initialise` for any module."""

from ._initialise import Scheme, glorot, he, initialise
from ._laws import Law, LogUniform, Mirrored, Normal, Plain, SignedConstant, Uniform, law_from_json, law_to_json
from ._looks_linear import looks_linear
from ._source import Source, matrix_shape

__all__ = [
    "Law",
    "LogUniform",
    "Mirrored",
    "Normal",
    "Plain",
    "Scheme",
    "SignedConstant",
    "Source",
    "Uniform",
    "glorot",
    "he",
    "initialise",
    "law_from_json",
    "law_to_json",
    "looks_linear",
    "matrix_shape",
]
