"""The two kinds of step that a feature network is made of, as they are wanted and as they are realised."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tombola.ticket import MaskedTensor, Stage

from ._function import Function
from ._piecewise import PiecewiseLinear


@dataclass(frozen=True, eq=False)
class Block:
    """A block: functions of one variable, the same for every coordinate (a 1 x 1 convolution, if there are several).

    Attributes:
        name: of the step.
        functions: what its channels stand for; each coordinate becomes one coordinate per channel, channel by channel.
        tolerance: the largest error wanted.
        relu: whether a ReLU follows; then the functions are never negative.
    """

    name: str
    functions: tuple[Function, ...]
    tolerance: float
    relu: bool = True


@dataclass(frozen=True, eq=False)
class Linear:
    """An affine map of the coordinates, with a ReLU behind it; on what comes in it is never negative.

    Attributes:
        name: of the step.
        weight: `(outputs, inputs)` float64.
        bias: `(outputs,)`, or None.
        tolerance: the largest error wanted of a weight, and of a bias.
    """

    name: str
    weight: np.ndarray
    bias: np.ndarray | None
    tolerance: float


Step = Block | Linear


@dataclass(frozen=True, eq=False)
class Built:
    """A step as kept edges of the random parent.

    Attributes:
        tensors: the parent's tensors and their masks, by name.
        stages: the stages that realise the step.
    """

    tensors: dict[str, MaskedTensor]
    stages: tuple[Stage, ...]


@dataclass(frozen=True, eq=False)
class RealisedBlock:
    """What a block has become: one piecewise-linear function for each channel."""

    name: str
    functions: tuple[PiecewiseLinear, ...]


@dataclass(frozen=True, eq=False)
class RealisedLinear:
    """What an affine map has become: `(outputs, inputs)` and `(outputs,)` float64."""

    name: str
    weight: np.ndarray
    bias: np.ndarray


Realised = RealisedBlock | RealisedLinear
