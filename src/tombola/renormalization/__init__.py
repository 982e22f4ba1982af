"""Iterative magnitude pruning as a flow: what it does to groups of weights, and which tickets are of a kind.

[Redman2022] W. Redman et al., "Universality of winning tickets: a renormalization group perspective", ICML 2022.
"""

from ._flow import Flow, flow_of
from ._groups import Grouping, Groups, by_block, by_layer, by_part, by_pattern

__all__ = ["Flow", "Grouping", "Groups", "by_block", "by_layer", "by_part", "by_pattern", "flow_of"]
