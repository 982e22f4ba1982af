"""Random networks by address: Philox4x32-10, laws, and `initialise` for any module."""

from ._initialise import Scheme, glorot, he, initialise
from ._laws import Law, LogUniform, Normal, SignedConstant, Uniform, law_from_json, law_to_json
from ._source import Source, matrix_shape

__all__ = [
    "Law",
    "LogUniform",
    "Normal",
    "Scheme",
    "SignedConstant",
    "Source",
    "Uniform",
    "glorot",
    "he",
    "initialise",
    "law_from_json",
    "law_to_json",
    "matrix_shape",
]
