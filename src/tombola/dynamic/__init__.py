"""Masks that change while a network trains: connections that are of little use make way for others.

A method is made with its settings, `rigl(steps=..., generator=...)`, and attached with
`method(optimiser, model, masks)`, the signature of `training.keep_pruned_`. From then on any loop of
`loss.backward()` and `optimiser.step()` trains a network that is sparse throughout. The model stays as it is but for
its weights; all that is attached is two hooks of the optimiser.

References:
    [Mocanu2018] D. C. Mocanu et al., "Scalable training of artificial neural networks with adaptive sparse connectivity
        inspired by network science", Nature Communications 9, 2018.
    [Evci2020] U. Evci, T. Gale, J. Menick, P. S. Castro, E. Elsen, "Rigging the lottery: making all tickets winners",
        ICML 2020.
    [Liu2021] S. Liu, L. Yin, D. C. Mocanu, M. Pechenizkiy, "Do we actually need dense over-parameterization? In-time
        over-parameterization in sparse training", ICML 2021.
    [Jayakumar2021] S. M. Jayakumar, R. Pascanu, J. W. Rae, S. Osindero, E. Elsen, "Top-KAST: top-k always sparse
        training", NeurIPS 2020, arXiv 2106.03517.
"""

from ._drop_and_grow import DropAndGrow, Growth
from ._dynamic_masks import DynamicMasks
from ._rigl import rigl
from ._sparse_evolution import sparse_evolution
from ._top_kast import TopKast, top_kast

__all__ = ["DropAndGrow", "DynamicMasks", "Growth", "TopKast", "rigl", "sparse_evolution", "top_kast"]
