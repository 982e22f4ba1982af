"""Plant-and-seek: benchmarks with a known sparse network hidden in a random one.

[Fischer2022] J. Fischer, R. Burkholz, "Plant 'n' Seek: can you find the winning ticket?", ICLR 2022.

Three tasks, each with an exact sparse target and its data, and `plant`, which hides any such target in a random network
without changing what it computes, so that what a pruning method finds can be compared with what is there.
"""

from ._circle_target import circle_target
from ._data import circle_data, helix_data, relu_data
from ._helix_target import helix_target
from ._path_probability import path_probability
from ._plant import Planted, plant
from ._relu_target import relu_target

__all__ = [
    "Planted",
    "circle_data",
    "circle_target",
    "helix_data",
    "helix_target",
    "path_probability",
    "plant",
    "relu_data",
    "relu_target",
]
