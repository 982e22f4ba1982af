r"""The difference of a ticket and its target as a network of its own.

With `x` the target's activations, `y` the ticket's, `R` the 0/1 matrix that copies target units to their ticket units
and \(\delta_l = y_l - R_l x_l\), the pre-activations differ by

\[A_l y_{l-1} - R_l W_l x_{l-1} = A_l \delta_{l-1} + F_l x_{l-1}, \qquad F_l = A_l R_{l-1} - R_l W_l,\]

and \(\delta_l\) is that, every entry times some number in [0, 1], since a ReLU is monotone and 1-Lipschitz.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float64, Int64
from scipy.sparse import csr_array

from tombola.rounding import gamma, upward

from ._effective import EffectiveLayer, checked_layers, input_size
from ._generators import Generators
from ._input_sets import InputSet, Pinned
from ._parts import is_identity, selected


@dataclass(frozen=True, eq=False)
class Stage:
    """One layer of the difference network.

    Attributes:
        ticket: `(m, k')`, A.
        target: `(n, k)`, W.
        owner: `(m,)`, the rows of the copying matrix R.
        gap: `(m, k)`, F, of the ticket's weights summed over copies minus the target's.
        gap_error: a bound of the Frobenius norm of the rounding error of `gap`.
        inexact: `(m,)`, where the ticket's unit can differ from the target's at all.
    """

    ticket: Float64[np.ndarray, "m kk"]
    target: Float64[np.ndarray, "n k"]
    owner: Int64[np.ndarray, " m"]
    gap: Float64[np.ndarray, "m k"]
    gap_error: float
    inexact: Bool[np.ndarray, " m"]


@dataclass(frozen=True, eq=False)
class Difference:
    """The stages, the set of inputs, and the first stage once more in the coordinates of the set's generators.

    Where the first layer is `signed` its matrices act on `(x+, x-)`, and the generators describe `(x, |x|)`.
    """

    stages: tuple[Stage, ...]
    input_set: InputSet
    size: int
    signed: bool
    generators: Generators
    entry_target: Float64[np.ndarray, "n g"]
    entry_gap: Float64[np.ndarray, "m g"]


def difference(layers: Sequence[EffectiveLayer], input_set: InputSet) -> Difference:
    """The difference network of checked layers over a set of inputs.

    Raises:
        ValueError: if the layers do not fit each other or the set, or the first layer does not see signs and the set
            holds negative inputs.
    """
    layers = checked_layers(layers)
    size = input_size(layers)
    input_set.bounds(size)
    if any(layer.has_bias for layer in layers):
        layers, input_set, size = _homogeneous(layers), _pinned(input_set), size + 1
    first = layers[0]
    if input_set.is_nonnegative():
        layers = (
            replace(first, target=first.target[:, :size], ticket=first.ticket[:, :size], signed=False),
            *layers[1:],
        )
    elif not first.signed:
        raise ValueError(
            f"the first layer takes one sign only, and {input_set.describe(size)} holds negative inputs; "
            "certify it over a non-negative set, or give the layer as split_signs makes it"
        )
    stages = _stages(layers)
    signed = layers[0].signed
    generators = input_set.generators(size, signed=signed)
    entries = (stages[0].target, stages[0].gap)
    if signed:
        entries = tuple(_of_moduli(entry, size) for entry in entries)
        slack = gamma(1) * float(np.linalg.norm(stages[0].gap)) * upward(stages[0].gap.size)
        stages = (replace(stages[0], gap_error=1.5 * stages[0].gap_error + slack), *stages[1:])
    return Difference(stages, input_set, size, signed, generators, *entries)


def _of_moduli(matrix: np.ndarray, size: int) -> np.ndarray:
    """A map of `(x+, x-)` as one of `(x, |x|)`."""
    positive, negative = matrix[:, :size] / 2, matrix[:, size:] / 2
    return np.concatenate([positive - negative, positive + negative], axis=1)


def _stages(layers: Sequence[EffectiveLayer]) -> tuple[Stage, ...]:
    width = layers[0].ticket.shape[1]
    owner, inexact = np.arange(width), np.zeros(width, bool)
    stages = []
    for layer in layers:
        gap, error = _gap(layer, owner)
        inexact = _inexact(layer, gap, owner, inexact)
        owner = layer.owners
        stages.append(Stage(layer.ticket, layer.target, owner, gap, error, inexact))
    return tuple(stages)


def _gap(layer: EffectiveLayer, owner: np.ndarray) -> tuple[np.ndarray, float]:
    """F, and a bound of the Frobenius norm of its rounding error; `owner` is that of the layer before."""
    copies = int(np.bincount(owner, minlength=1).max())
    rows = int(np.bincount(layer.owners, minlength=1).max())
    gap = _gathered(layer.ticket, owner, layer.target.shape[1]) - selected(layer.target, layer.owners)
    sizes = np.linalg.norm(layer.ticket) * np.sqrt(copies) + np.linalg.norm(layer.target) * np.sqrt(rows)
    return gap, float(gamma(copies) * sizes) * upward(layer.ticket.size + layer.target.size)


def _gathered(matrix: np.ndarray, owner: np.ndarray, width: int) -> np.ndarray:
    """The matrix times R: its columns summed over the copies of each unit."""
    if is_identity(owner, width):
        return matrix
    copying = csr_array((np.ones(len(owner)), (owner, np.arange(len(owner)))), shape=(width, len(owner)))
    return np.ascontiguousarray((copying @ matrix.T).T)


def _inexact(layer: EffectiveLayer, gap: np.ndarray, owner: np.ndarray, before: np.ndarray) -> np.ndarray:
    """Units with a gap, or fed by an inexact unit, or whose zero gap may be a matter of rounding."""
    inexact = np.any(gap != 0, axis=1)
    quiet = np.flatnonzero(~inexact)
    inexact[quiet] = np.any(layer.ticket[np.ix_(quiet, before)] != 0, axis=1)
    quiet = np.flatnonzero(~inexact)
    terms = _gathered((layer.ticket[quiet] != 0).astype(np.float64), owner, gap.shape[1])
    inexact[quiet] = (terms > 1).any(axis=1)
    return inexact


def _homogeneous(layers: Sequence[EffectiveLayer]) -> tuple[EffectiveLayer, ...]:
    """The layers with their biases as the weights of a constant unit of value 1 that both networks carry along."""
    bordered = []
    for index, layer in enumerate(layers):
        last = index + 1 == len(layers)
        target = _bordered(layer.target, layer.target_bias, last, layer.signed)
        ticket = _bordered(layer.ticket, layer.ticket_bias, last, layer.signed)
        owner = layer.owners if last else np.append(layer.owners, len(layer.target))
        bordered.append(EffectiveLayer(target, ticket, owner=owner, signed=layer.signed))
    return tuple(bordered)


def _bordered(matrix: np.ndarray, bias: np.ndarray | None, last: bool, signed: bool) -> np.ndarray:
    column = np.zeros(len(matrix)) if bias is None else bias
    half = matrix.shape[1] // 2 if signed else matrix.shape[1]
    wide = np.insert(matrix, [half], column[:, None], axis=1)
    if signed:
        wide = np.pad(wide, ((0, 0), (0, 1)))
    return wide if last else np.concatenate([wide, np.eye(1, wide.shape[1], half)])


def _pinned(input_set: InputSet) -> Pinned:
    if isinstance(input_set, Pinned):
        raise ValueError("biases and a constant input coordinate at once: give the biases as that coordinate's weights")
    return Pinned(input_set, 1.0)
