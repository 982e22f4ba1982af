"""How many weights each layer keeps, and masks that keep exactly so many at random.

An allocation is a function from the shapes of the prunable parameters, in order, and a density to one count for each.
Counts are whole numbers that add up to `masks.kept_count(total, density)`; none is larger than its parameter.

References:
    [Mocanu2018] D. C. Mocanu et al., "Scalable training of artificial neural networks with adaptive sparse connectivity
        inspired by network science", Nature Communications 9, 2018.
    [Evci2020] U. Evci, T. Gale, J. Menick, P. S. Castro, E. Elsen, "Rigging the lottery: making all tickets winners",
        ICML 2020.
    [Gale2019] T. Gale, E. Elsen, S. Hooker, "The state of sparsity in deep neural networks", 2019.
    [Su2020] J. Su et al., "Sanity-checking pruning methods: random tickets can win the jackpot", NeurIPS 2020.
    [Liu2022] S. Liu et al., "The unreasonable effectiveness of random pruning", ICLR 2022.
    [Gadhikar2023] A. Gadhikar, S. Mukherjee, R. Burkholz, "Why random pruning is all we need to start sparse",
        ICML 2023.
    [Vysogorets2023] A. Vysogorets, J. Kempe, "Connectivity matters: neural network pruning through the lens of
        effective sparsity", JMLR 24, 2023.
"""

from ._allocation import Allocation
from ._balanced import balanced
from ._er import er
from ._erk import erk
from ._erk_plus import erk_plus
from ._given import given
from ._igq import igq
from ._pyramid import pyramid
from ._random_masks import random_masks
from ._smart_ratios import smart_ratios
from ._uniform import uniform
from ._uniform_plus import uniform_plus

__all__ = [
    "Allocation",
    "balanced",
    "er",
    "erk",
    "erk_plus",
    "given",
    "igq",
    "pyramid",
    "random_masks",
    "smart_ratios",
    "uniform",
    "uniform_plus",
]
