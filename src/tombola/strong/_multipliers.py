"""The search for the multipliers of the slope bound: any positive numbers are valid, good ones make it tight."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

RATE = 0.2  # of Adam, falling to LAST_RATE
LAST_RATE = 0.003
SUBSPACE = 4  # leading singular vectors that are followed along the way
SHARPNESS = 4  # the largest of their values counts to the power 2**SHARPNESS
WORK = 3e8  # steps times matrix entries; beyond it there are fewer steps
LEAST = 1e-6  # start values stay within this factor of the largest


@dataclass(frozen=True, eq=False)
class Multipliers:
    """What the slope bound is evaluated for.

    Attributes:
        slopes: for every hidden layer the numbers T, one for each unit of gate 1/2.
        weights: `(k,)`, of the centre and the groups of the input set, of sum 1 up to rounding; 0 for a centre of size 0.
    """

    slopes: tuple[Float64[np.ndarray, " _"], ...]
    weights: Float64[np.ndarray, " k"]


class _Search:
    """The relaxed bound as a function of the logarithms of all multipliers, in float32.

    It differs from the bound itself in one point: where that has the inverse of a matrix, this has the inverse of its
    smallest eigenvalue, so that a step costs products of the layer matrices with a few vectors only. Vectors are rows.
    """

    def __init__(
        self, matrices: Sequence[np.ndarray], gates: Sequence[np.ndarray], sizes: np.ndarray, index: np.ndarray
    ) -> None:
        self.norms = [float(np.linalg.norm(matrix)) or 1.0 for matrix in matrices]
        self.layers = [torch.from_numpy(part / norm).float() for part, norm in zip(matrices, self.norms, strict=True)]
        self.gates = [torch.from_numpy(gate).float() for gate in gates]
        self.free = [torch.from_numpy(np.flatnonzero(gate < 1)) for gate in gates]
        self.index = torch.from_numpy(index)
        self.present = torch.from_numpy(sizes > 0)
        self.groups = _even(sizes)
        self.gaps = [torch.zeros(()) for _ in gates]
        start = torch.randn(min(SUBSPACE, len(index)), len(index), generator=torch.Generator().manual_seed(0))
        self.inner = _orthonormal(start)
        self.outer: dict[int, Tensor] = {}
        self.slopes = self._start()

    def _start(self) -> list[Tensor]:
        """Slopes that balance the norms of the columns behind a unit with those of the rows before it."""
        slopes = [torch.zeros(0)] * len(self.gates)
        behind = self.layers[-1]
        for position in range(len(self.gates) - 1, -1, -1):
            free, matrix = self.free[position], self.layers[position]
            after, before = behind[:, free].norm(dim=0), matrix[free].norm(dim=1)
            slopes[position] = (_floored(after) / _floored(before)).log()
            if position:
                behind = self._absorb(behind, position, slopes[position])
        return slopes

    def parameters(self) -> list[Tensor]:
        """All that is varied, ready for gradients."""
        chosen = [*self.slopes, *self.gaps, *([self.groups] if self.present.sum() > 1 else [])]
        return [parameter.requires_grad_() for parameter in chosen]

    def _scaled(self, behind: Tensor, position: int, slopes: Tensor) -> tuple[Tensor, Tensor]:
        """T, enlarged until what is taken from the identity is small enough, and what is left of it then."""
        taken = behind[:, self.free[position]] * 0.5
        values = slopes.exp()
        with torch.no_grad():
            rows = self.outer.get(position, torch.ones(1, len(behind)) + torch.eye(SUBSPACE, len(behind)))
            for _ in range(2 if position in self.outer else 8):
                rows = _orthonormal(((rows @ taken) / values) @ taken.T)
            self.outer[position] = rows
        images = (rows @ taken) / values.sqrt()
        odds = self.gaps[position].exp()
        return values * _soft_largest(images @ images.T) * (1 + odds), odds / (1 + odds)

    def _absorb(self, behind: Tensor, position: int, slopes: Tensor) -> Tensor:
        """What stands behind the layer before."""
        values, left = self._scaled(behind, position, slopes)
        matrix = self.layers[position]
        centre = (behind * self.gates[position]) @ matrix
        return torch.cat([values.sqrt()[:, None] * matrix[self.free[position]], centre / left.sqrt()])

    def objective(self) -> Tensor:
        """The logarithm of the relaxed bound, up to a constant; moves the followed vectors on by one power step."""
        scale, first = self._column_scale(), self.layers[0]
        states = (scale * self.inner) @ first.T
        if not self.gates:
            self.inner = _orthonormal(((states @ first) * scale).detach())
            return _soft_largest(states @ states.T).log()
        behind = self.layers[-1]
        for position in range(len(self.gates) - 1, 0, -1):
            behind = self._absorb(behind, position, self.slopes[position])
        values, left = self._scaled(behind, 0, self.slopes[0])
        centre = (states * self.gates[0]) @ behind.T
        free = states[:, self.free[0]]
        with torch.no_grad():
            back = self.gates[0] * ((centre / left) @ behind)
            back.index_add_(1, self.free[0], values * free)
            self.inner = _orthonormal(scale * (back @ first))
        return _soft_largest((values * free) @ free.T + centre @ centre.T / left).log()

    def _weights(self) -> Tensor:
        return torch.softmax(torch.where(self.present, self.groups, -torch.inf), 0)

    def _column_scale(self) -> Tensor:
        """One over the root of the weight of each column's group."""
        return torch.where(self.present, self._weights().clamp_min(1e-30), 1.0).rsqrt()[self.index]

    @torch.no_grad()
    def result(self) -> Multipliers:
        """The multipliers in float64, in the scale of the matrices as they were given."""
        slopes: list[np.ndarray] = [np.zeros(0)] * len(self.gates)
        behind, norm = self.layers[-1], self.norms[-1]
        for position in range(len(self.gates) - 1, -1, -1):
            values, _ = self._scaled(behind, position, self.slopes[position])
            slopes[position] = np.maximum(values.double().numpy(), 1e-30) * norm**2
            if position:
                behind = self._absorb(behind, position, self.slopes[position])
                norm *= self.norms[position]
        weights = np.where(self.present.numpy(), np.maximum(self._weights().double().numpy(), 1e-12), 0.0)
        return Multipliers(tuple(slopes), weights)


def multipliers(
    matrices: Sequence[np.ndarray], gates: Sequence[np.ndarray], sizes: np.ndarray, index: np.ndarray, *, steps: int
) -> Multipliers:
    """Multipliers for which the slope bound is tight, by gradient descent on a relaxed, jointly convex form of it.

    Heuristic. Deterministic. A step costs a few products of each matrix with a handful of vectors.

    Args:
        matrices: the chain of layer matrices, the first on the columns of the input set.
        gates: of every hidden layer, 1 or 1/2 for each unit.
        sizes: `(k,)`, of the centre and the groups of the input set.
        index: `(c,)`, the group of each column.
        steps: gradient steps; fewer where the matrices have more than five million entries. 0 for the balanced start.
    """
    search = _Search(matrices, gates, sizes, index)
    best = search.result()
    entries = sum(matrix.size for matrix in matrices)
    steps = min(steps, max(int(WORK / max(entries, 1)), 8))
    parameters = search.parameters()
    if not parameters:
        return best
    optimizer = torch.optim.Adam(parameters, RATE)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = RATE * (1 - step / steps) + LAST_RATE
        objective = search.objective()
        if not torch.isfinite(objective):
            return best
        optimizer.zero_grad()
        objective.backward()
        optimizer.step()
    result = search.result()
    finite = all(np.isfinite(part).all() for part in (*result.slopes, result.weights))
    return result if finite else best


def _floored(norms: Tensor) -> Tensor:
    largest = norms.max() if len(norms) else norms.new_ones(())
    return norms.clamp_min(LEAST * float(largest) or 1.0)


def _soft_largest(gram: Tensor) -> Tensor:
    """A smooth stand-in for the largest eigenvalue of a small matrix, not below it."""
    size = gram.detach().diagonal().sum().clamp_min(1e-30)
    power = gram / size
    for _ in range(SHARPNESS):
        power = power @ power
    return power.diagonal().sum() ** (0.5**SHARPNESS) * size


def _even(sizes: np.ndarray) -> Tensor:
    """Logarithms of weights that are even between centre and groups, and as the squared sizes among the groups."""
    squares = torch.from_numpy(sizes / (sizes.max(initial=0.0) or 1.0)).float() ** 2
    rest = squares[1:].sum()
    squares[1:] *= (squares[0] if squares[0] > 0 else 1.0) / (rest if rest > 0 else 1.0)
    return (squares + 1e-30).log()


def _orthonormal(rows: Tensor) -> Tensor:
    return torch.linalg.qr(rows.T)[0].T.contiguous()
