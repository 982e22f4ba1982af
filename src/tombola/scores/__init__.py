"""Criteria of pruning at initialisation: from a model and batches to a score for each weight.

A criterion is a function of one signature, `Score`; options are bound by `functools.partial`. The largest scores stay.

References:
    [Lee2019] N. Lee, T. Ajanthan, P. H. S. Torr, "SNIP: single-shot network pruning based on connection sensitivity",
        ICLR 2019.
    [Wang2020] C. Wang, G. Zhang, R. Grosse, "Picking winning tickets before training by preserving gradient flow",
        ICLR 2020.
    [deJorge2021] P. de Jorge et al., "Progressive skeletonization: trimming more fat from a network at initialization",
        ICLR 2021.
    [Alizadeh2022] M. Alizadeh et al., "Prospect pruning: finding trainable weights at initialization using
        meta-gradients", ICLR 2022.
    [Wang2023] Y. Wang, D. Li, R. Sun, "NTK-SAP: improving neural network pruning by aligning training dynamics",
        ICLR 2023.
    [Gollini2025] I. Gollini Navarrete, N. M. Cuadrado Avila, M. Takac, S. Horvath, "What scalable second-order
        information knows for pruning at initialization", arXiv 2502.11450, 2025.
    [Tanaka2020] H. Tanaka, D. Kunin, D. L. K. Yamins, S. Ganguli, "Pruning neural networks without any data by
        iteratively conserving synaptic flow", NeurIPS 2020.
    [Patil2021] S. M. Patil, C. Dovrolis, "PHEW: constructing sparse networks that learn fast and generalize well
        without training data", ICML 2021.
    [Gebhart2021] T. Gebhart, U. Saxena, P. Schrater, "A unified paths perspective for pruning at initialization",
        arXiv 2101.10552, 2021.
    [Vysogorets2023] A. Vysogorets, J. Kempe, "Connectivity matters: neural network pruning through the lens of
        effective sparsity", JMLR 24, 2023.
    [Iurada2024] L. Iurada, M. Ciccone, T. Tommasi, "Finding lottery tickets in vision models via data-driven spectral
        foresight pruning", CVPR 2024.
    [Pham2023] H. Pham, T. A. Ta, S. Liu, L. Xiang, D. Le, H. Wen, L. Tran-Thanh, "Towards data-agnostic pruning at
        initialization: what makes a good sparse mask?", NeurIPS 2023.
"""

from ._class_balanced import balanced_batches
from ._connectivity import effective_density, effective_masks, is_collapsed
from ._force import force
from ._grasp import grasp
from ._magnitude import magnitude, relative_magnitude
from ._noise import noise
from ._npb import npb_masks
from ._npb_layer import Balance
from ._ntk_sap import Redraw, he_normal, ntk_sap
from ._phew import phew
from ._prospr import InnerSteps, prospr
from ._px import px
from ._random import random
from ._repair import repair
from ._score import Batches, Loss, Score
from ._second_order import fts, hts
from ._snip import snip
from ._synflow import synflow
from ._synflow_l2 import synflow_l2
from ._synflow_masks import synflow_masks

__all__ = [
    "Balance",
    "Batches",
    "InnerSteps",
    "Loss",
    "Redraw",
    "Score",
    "balanced_batches",
    "effective_density",
    "effective_masks",
    "force",
    "fts",
    "grasp",
    "he_normal",
    "hts",
    "is_collapsed",
    "magnitude",
    "noise",
    "npb_masks",
    "ntk_sap",
    "phew",
    "prospr",
    "px",
    "random",
    "relative_magnitude",
    "repair",
    "snip",
    "synflow",
    "synflow_l2",
    "synflow_masks",
]
