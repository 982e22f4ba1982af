"""Pruning at initialisation as sketching: masks that are drawn from scores, and what theory says about their error.

The prediction `X w` of a linear model with a random mask is a sketch of a matrix product, for which the best sampling
probabilities and the error are known [Drineas2006]. That a mask at initialisation can be seen so, that the error after
training can be bounded, and that existing criteria may be randomised is what [Bar2023] says in its abstract. We go by
the abstract alone: formulas beyond [Drineas2006] are derived here and are not that paper's.

References:
    [Bar2023] N. Bar, R. Giryes, "Pruning at initialization: a sketching perspective", arXiv:2305.17559, 2023.
    [Drineas2006] P. Drineas, R. Kannan, M. W. Mahoney, "Fast Monte Carlo algorithms for matrices I: approximating
        matrix multiplication", SIAM Journal on Computing 36, 2006.
    [Efraimidis2006] P. S. Efraimidis, P. G. Spirakis, "Weighted random sampling with a reservoir", Information
        Processing Letters 97, 2006.
    [Hutchinson1990] M. F. Hutchinson, "A stochastic estimator of the trace of the influence matrix for Laplacian
        smoothing splines", Communications in Statistics 19, 1990.
"""

import inspect
import sys
from types import ModuleType

from ._bounds import (
    displacement_bound,
    high_probability_bound,
    mixture_bound,
    overlap,
    overlap_bound,
    ratio_bound,
)
from ._expected_error import data_free_error, expected_error, optimal_probabilities, poisson_error
from ._gumbel import sketch
from ._gumbel_inclusion import gumbel_inclusion
from ._linearised import Batches
from ._ntk import column_energies, function_error, kernel_energy, kernel_error, ridge_bound
from ._poisson import poisson, water_filling
from ._probabilities import probabilities
from ._report import SketchReport, SketchRow, sketch_report
from ._residual_energy import sampled_energy, top_energy
from ._sketch import Sketch
from ._tempering import Tempering, tempering
from ._transforms import Transform, absolute, identity, rank, root
from ._with_replacement import draws_for, expected_distinct, with_replacement

__all__ = [
    "Batches",
    "Sketch",
    "SketchReport",
    "SketchRow",
    "Tempering",
    "Transform",
    "absolute",
    "column_energies",
    "data_free_error",
    "displacement_bound",
    "draws_for",
    "expected_distinct",
    "expected_error",
    "function_error",
    "gumbel_inclusion",
    "high_probability_bound",
    "identity",
    "kernel_energy",
    "kernel_error",
    "mixture_bound",
    "optimal_probabilities",
    "overlap",
    "overlap_bound",
    "poisson",
    "poisson_error",
    "probabilities",
    "rank",
    "ratio_bound",
    "ridge_bound",
    "root",
    "sampled_energy",
    "sketch",
    "sketch_report",
    "tempering",
    "top_energy",
    "water_filling",
    "with_replacement",
]


class _Called(ModuleType):
    """A package that is a function too: `tombola.sketch(...)` is `tombola.sketch.sketch(...)`."""

    __call__ = staticmethod(sketch)


__signature__ = inspect.signature(sketch)
sys.modules[__name__].__class__ = _Called
