"""What a construction makes of one target layer, and how its tensors are scaled and assembled."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tombola.activations import RELU, Activation
from tombola.engines import Engine, in_process
from tombola.graph import Graph
from tombola.random_source import Source
from tombola.ticket import BitMask, MaskedTensor, Stage

from ._adaptive import Pool, PortSolution, Solver
from ._input_sets import InputSet

Progress = Callable[[int], None]
LAWS = ("uniform", "normal", "signed_constant", "looks_linear")
LISTED = 1000  # failures that are reported one by one


def silent(count: int) -> None:
    """Progress of which nobody hears; a function of the module, so that it can be sent to other processes."""


@dataclass(frozen=True)
class TargetLayer:
    """One layer to be built, with its tolerance resolved.

    A convolution is a matrix too: every tap of every output channel is a row, and the bias of a channel belongs to the
    one tap that never sees padding. The hidden units are then channels that a 1 x 1 convolution makes of the inputs.

    Attributes:
        name: module path of the layer in the target.
        weight: `(outputs, inputs)` float32; `(channels * taps, inputs)` of a convolution, taps innermost.
        bias: `(outputs,)` float32, or None; zero in all rows of a channel but that of its bias tap.
        relu: whether a ReLU follows.
        signed: whether its inputs can be negative.
        tolerance: the largest |effective weight - target weight| allowed, in the target's own unit.
        taps: rows of an output channel; 1 for a dense layer.
        bias_tap: which of them the bias belongs to.
        reach: the largest modulus of an input; it says how small the edges of curved hidden units have to be.
        padded: whether the layer pads its inputs.
        absent: how many of the weights stand between the groups of a grouped convolution, and are none of the target.
    """

    name: str
    weight: np.ndarray
    bias: np.ndarray | None
    relu: bool
    signed: bool
    tolerance: float
    taps: int = 1
    bias_tap: int = 0
    reach: float = 1.0
    padded: bool = False
    absent: int = 0

    @property
    def outputs(self) -> int:
        """How many outputs."""
        return self.weight.shape[0]

    @property
    def inputs(self) -> int:
        """How many inputs, without the constant one that a bias reads."""
        return self.weight.shape[1]

    @property
    def parameters(self) -> np.ndarray:
        """`(k,)`: all weights, and the biases, each once."""
        bias = np.zeros(0, np.float32) if self.bias is None else self.bias[self.bias_tap :: self.taps]
        return np.concatenate([self.weight.ravel(), bias])

    @property
    def augmented(self) -> np.ndarray:
        """`(outputs, inputs [+ 1])`: weight and bias as one matrix; the weight itself where there is no bias."""
        return self.weight if self.bias is None else np.concatenate([self.weight, self.bias[:, None]], axis=1)


@dataclass(frozen=True)
class Miss:
    """A weight whose sum misses the tolerance: output, input (`inputs` means the bias), sign path and error."""

    layer: str
    output: int
    input: int
    sign: int
    error: float


@dataclass(frozen=True)
class BuiltLayer:
    """One target layer as kept edges of the parent.

    Attributes:
        tensors: the parent's tensors and their masks, by name.
        stages: the stages that realise the layer.
        edges: edges kept on the side that has a sum for each weight.
        targets: sums that were asked for: one per weight, for each copy of its output and each sign of its input.
        zeroed: those that keep no edge, because the weight is no larger than the tolerance.
        signed: whether there is a sum for each sign.
        errors: `(k,)` float32, |effective - target| of every sum.
        failures: how many of them miss the tolerance.
        misses: the first of these.
    """

    tensors: dict[str, MaskedTensor]
    stages: tuple[Stage, ...]
    edges: int
    targets: int
    zeroed: int
    signed: bool
    errors: np.ndarray
    failures: int
    misses: list[Miss] = field(default_factory=list)


@dataclass(frozen=True)
class Parent:
    """Which random network is pruned.

    Attributes:
        activation: of the hidden units that stand between the two source layers of a pair; never an emulation.
        law: "uniform", "normal" or "signed_constant", of the edges into hidden units; those out of them are uniform,
            or normal with the second. "looks_linear": uniform, in pairs of units with opposite edges on both sides.
        biases: whether hidden units have random biases; without them, constants need an activation that is not 0 at 0.

    Raises:
        ValueError: for another law.
    """

    activation: Activation = RELU
    law: str = "uniform"
    biases: bool = True

    def __post_init__(self) -> None:
        if self.law not in LAWS:
            raise ValueError(f"unknown law {self.law!r} of a parent; known are {', '.join(LAWS)}")

    @property
    def plain(self) -> bool:
        """Whether it is the ReLU network with uniform weights that constructions are tuned for."""
        return self == Parent()


@dataclass(frozen=True)
class Recipe:
    """How a construction is carried out: the parent, the solver, and what neither of them depends on.

    Attributes:
        graph: the target, whose layers are to be built.
        source: the random parent.
        solver: `subset_sum.sparsest`, `nearest`, `lightest`, or one of the caller's.
        threads: worker threads; the ticket does not depend on it.
        progress: called with the number of weights done.
        engine: has the layers built that do not depend on each other.
        store: a folder for layers that are finished.
        inputs: the set over which the ticket will be certified; None for the unit ball.
    """

    graph: Graph
    source: Source
    solver: Solver
    threads: int | None = None
    progress: Progress = silent
    parent: Parent = Parent()
    engine: Engine = in_process
    store: Path | None = None
    inputs: InputSet | None = None


def half_width(weights: np.ndarray) -> float:
    """The half-width of the outer source weights that suits a layer: a power of two.

    It is the one nearest, on the logarithmic scale, to `max(largest / sqrt 2, 3 rms)`. ReLU is positively homogeneous,
    so this is the same as drawing from (-1, 1) and scaling the layer. Measured: pools then need within 5 % of the
    fewest units for trained, normal, Laplace and uniform weights.

    Example:
        >>> half_width(np.array([0.0, 0.1, 0.0, 0.0])), half_width(np.array([-1.0, 1.0])), half_width(np.zeros(3))
        (0.125, 4.0, 1.0)
    """
    largest = float(np.abs(weights).max(initial=0.0))
    if largest == 0:
        return 1.0
    rms = largest * float(np.sqrt(np.mean(np.square(weights / np.float32(largest), dtype=np.float64))))
    return 2.0 ** min(100, max(-100, round(math.log2(max(largest / math.sqrt(2), 3 * rms)))))


def kept_rows(
    pools: list[Pool], solutions: list[PortSolution], ports: np.ndarray, height: int, *, width: int
) -> tuple[np.ndarray, np.ndarray]:
    """The owner `(height,)` int32 of every unit and the packed kept elements `(height, ceil(width / 8))`."""
    owner = np.full(height, -1, np.int32)
    packed = np.zeros((height, -(-width // 8)), np.uint8)
    for port, pool, solution in zip(ports, pools, solutions, strict=True):
        used = solution.kept.any(axis=1)
        owner[pool.units[used]] = port
        packed[pool.units] = solution.kept
    return owner, packed


def height_of(pools: list[Pool]) -> int:
    """How many units the parent needs: up to the last one that is owned, and one where none is."""
    return max((int(pool.units.max()) + 1 for pool in pools if pool.units.size), default=1)


def column_mask(chosen: np.ndarray) -> BitMask:
    """A bool vector as a mask of one column."""
    return BitMask(chosen.astype(np.uint8)[:, None], 1)


def spread(packed: np.ndarray, used: np.ndarray, width: int) -> np.ndarray:
    """Packed rows over the used columns as packed rows over all columns."""
    wide = np.zeros((len(packed), -(-width // 8)), np.uint8)
    for start in range(0, len(packed), 1024):
        block = np.zeros((len(packed[start : start + 1024]), width), np.uint8)
        block[:, used] = np.unpackbits(packed[start : start + 1024], axis=1, count=used.size, bitorder="little")
        wide[start : start + 1024] = np.packbits(block, axis=1, bitorder="little")
    return wide
