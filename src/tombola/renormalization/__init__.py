"""Iterative magnitude pruning as a flow: what it does to groups of weights, and which tickets are of a kind.

[Redman2022] W. Redman et al., "Universality of winning tickets: a renormalization group perspective", ICML 2022.
[Frankle2020] J. Frankle et al., "Linear mode connectivity and the lottery ticket hypothesis", ICML 2020.
"""

from ._anomalous import Anomalous, anomalous
from ._coordinates import Observable, clr, log_ratios, magnitudes
from ._defects import SemigroupDefect, semigroup_defect
from ._difference import Difference, difference, distance
from ._ellipsoid import Ellipsoid
from ._equivalence import Equivalence, equivalence
from ._exponents import Exponents, Rate, drift, end_to_end, slope
from ._flow import Flow, flow_of
from ._foreign import ForeignLevels, read_levels
from ._groups import Grouping, Groups, by_block, by_layer, by_part, by_pattern
from ._identity import LocalExponents, local_exponents
from ._initial_laws import initial_laws
from ._intervention import ImpStep, Responses, intervention_operator, responses
from ._markov import MarkovDefect, markov_defect
from ._matching import energy_test, matching_distance, profile
from ._moves import Moves, last_magnitudes, moved_masks
from ._null import deviations, empirical_null, expected_null, gaussian_null
from ._operator import Operator, Spectrum
from ._region import LinearRegion, linear_region
from ._report import FlowReport, flow_report
from ._trajectory import ensemble_operator, trajectory_operator
from ._universality import Universality, universality
from ._window import Window, window_of

__all__ = [
    "Anomalous",
    "Difference",
    "Ellipsoid",
    "Equivalence",
    "Exponents",
    "Flow",
    "FlowReport",
    "ForeignLevels",
    "Grouping",
    "Groups",
    "ImpStep",
    "LinearRegion",
    "LocalExponents",
    "MarkovDefect",
    "Moves",
    "Observable",
    "Operator",
    "Rate",
    "Responses",
    "SemigroupDefect",
    "Spectrum",
    "Universality",
    "Window",
    "anomalous",
    "by_block",
    "by_layer",
    "by_part",
    "by_pattern",
    "clr",
    "deviations",
    "difference",
    "distance",
    "drift",
    "empirical_null",
    "end_to_end",
    "energy_test",
    "ensemble_operator",
    "equivalence",
    "expected_null",
    "flow_of",
    "flow_report",
    "gaussian_null",
    "initial_laws",
    "intervention_operator",
    "last_magnitudes",
    "linear_region",
    "local_exponents",
    "log_ratios",
    "magnitudes",
    "markov_defect",
    "matching_distance",
    "moved_masks",
    "profile",
    "read_levels",
    "responses",
    "semigroup_defect",
    "slope",
    "trajectory_operator",
    "universality",
    "window_of",
]
