"""The search for the multipliers of the slope bound: any positive numbers are valid, good ones make it tight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float64
from torch import Tensor

RATE, LAST_RATE = 0.2, 0.003  # of the descent, falling from one to the other
SUBSPACE = 4  # leading singular vectors that are followed along the way
SHARPNESS = 4  # the largest of their values counts to the power 2**SHARPNESS
WORK = 3e8  # steps times matrix entries; beyond it there are fewer steps, but at least LEAST_STEPS
LEAST_STEPS = 8
TINY = 1e-30
FLOAT = torch.float32


@dataclass(frozen=True, eq=False)
class Multipliers:
    """What the slope bound is evaluated for.

    Attributes:
        slopes: for every hidden layer the numbers T, one for each unit of gate 1/2.
        weights: `(k,)`, of the centre and the groups of the input set, of sum 1 up to rounding; 0 where the size is 0.
    """

    slopes: tuple[Float64[np.ndarray, " _"], ...]
    weights: Float64[np.ndarray, " k"]


def multipliers(
    matrices: Sequence[np.ndarray], gates: Sequence[np.ndarray], sizes: np.ndarray, index: np.ndarray, *, steps: int
) -> Multipliers:
    """Multipliers for which the slope bound is tight, by gradient descent on a relaxed form of it.

    Heuristic. Deterministic. A step costs a few products of each matrix with a handful of vectors.

    Args:
        matrices: the chain of layer matrices, the first on the columns of the input set.
        gates: of every hidden layer, 1 or 1/2 for each unit.
        sizes: `(k,)`, of the centre and the groups of the input set.
        index: `(c,)`, the group of each column.
        steps: gradient steps; fewer where the matrices have more than five million entries. 0 for the balanced start.
    """
    entries = sum(matrix.size for matrix in matrices)
    steps = min(steps, max(int(WORK / max(entries, 1)), LEAST_STEPS))
    with torch.inference_mode(False), torch.enable_grad():
        search = _Search(matrices, gates, sizes, index)
        found = _descend(search.objective, search.start, steps)
        if not bool(torch.isfinite(found).all()):
            search = _Search(matrices, gates, sizes, index)
            found = search.start
        return search.result(found)


def _descend(objective: Callable[[Tensor], Tensor], start: Tensor, steps: int) -> Tensor:
    """The point after so many steps of Adam with a falling rate."""
    point, mean, square = start.clone(), torch.zeros_like(start), torch.zeros_like(start)
    for step in range(steps):
        variable = point.requires_grad_()
        (gradient,) = torch.autograd.grad(objective(variable), variable)
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        rate = RATE * (1 - step / steps) + LAST_RATE
        scaled = (square / (1 - 0.999 ** (step + 1))).sqrt() + 1e-8
        point = variable.detach() - rate * mean / (1 - 0.9 ** (step + 1)) / scaled
    return point.detach()


class _Search:
    """The relaxed bound as a function of the logarithms of all multipliers, in float32.

    It differs from the bound itself in one point: where that has the inverse of a matrix, this has the inverse of its
    smallest eigenvalue, so that a step costs products of the layer matrices with a few vectors only. Vectors are rows.
    The variable is one vector: the slopes of every hidden layer, one number per layer that keeps the matrix that is
    taken from the identity below it, and the weights of centre and groups.
    """

    def __init__(
        self, matrices: Sequence[np.ndarray], gates: Sequence[np.ndarray], sizes: np.ndarray, index: np.ndarray
    ) -> None:
        self.norms = [float(np.linalg.norm(matrix)) or 1.0 for matrix in matrices]
        self.layers = [torch.from_numpy(part / norm).to(FLOAT) for part, norm in zip(matrices, self.norms, strict=True)]
        self.gates = [torch.from_numpy(gate).to(FLOAT) for gate in gates]
        self.free = [torch.from_numpy(np.flatnonzero(gate < 1)) for gate in gates]
        self.index, self.present = torch.from_numpy(index), torch.from_numpy(sizes > 0)
        random = torch.Generator().manual_seed(0)
        self.inner = _orthonormal(torch.randn(min(SUBSPACE, len(index)), len(index), generator=random, dtype=FLOAT))
        self.outer: dict[int, Tensor] = {}
        self.parts = [*map(len, self.free), len(gates), len(sizes)]
        self.start = torch.cat([*self._balanced(), torch.zeros(len(gates), dtype=FLOAT), _even(sizes)])

    def _balanced(self) -> list[Tensor]:
        """Slopes that balance the norms of the columns behind a unit with those of the rows before it."""
        slopes = [torch.zeros(0, dtype=FLOAT)] * len(self.gates)
        behind = self.layers[-1]
        for position in range(len(self.gates) - 1, -1, -1):
            free, matrix = self.free[position], self.layers[position]
            after, before = behind[:, free].norm(dim=0), matrix[free].norm(dim=1)
            slopes[position] = (_floored(after) / _floored(before)).log()
            if position:
                behind = self._absorb(behind, position, slopes[position], behind.new_zeros(()))
        return slopes

    def _scaled(self, behind: Tensor, position: int, slopes: Tensor, gap: Tensor) -> tuple[Tensor, Tensor]:
        """T, enlarged until what is taken from the identity is small enough, and what is left of it then."""
        taken = behind[:, self.free[position]] * 0.5
        values = slopes.exp()
        with torch.no_grad():
            known = position in self.outer
            rows = self.outer[position] if known else 1 + torch.eye(SUBSPACE, len(behind), dtype=FLOAT)
            for _ in range(2 if known else 8):
                rows = _orthonormal(((rows @ taken) / values) @ taken.T)
            self.outer[position] = rows
        images = (rows @ taken) / values.sqrt()
        odds = gap.exp()
        return values * _soft_largest(images @ images.T) * (1 + odds), odds / (1 + odds)

    def _absorb(self, behind: Tensor, position: int, slopes: Tensor, gap: Tensor) -> Tensor:
        """What stands behind the layer before."""
        values, left = self._scaled(behind, position, slopes, gap)
        matrix = self.layers[position]
        centre = (behind * self.gates[position]) @ matrix
        return torch.cat([values.sqrt()[:, None] * matrix[self.free[position]], centre / left.sqrt()])

    def objective(self, variable: Tensor) -> Tensor:
        """The logarithm of the relaxed bound, up to a constant; moves the followed vectors on by one power step."""
        *slopes, gaps, groups = variable.split(self.parts)
        weights = torch.where(self.present, self._weights(groups).clamp_min(TINY), 1.0)
        scale, first = weights.rsqrt()[self.index], self.layers[0]
        states = (scale * self.inner) @ first.T
        if not self.gates:
            self.inner = _orthonormal(((states @ first) * scale).detach())
            return _soft_largest(states @ states.T).log()
        behind = self.layers[-1]
        for position in range(len(self.gates) - 1, 0, -1):
            behind = self._absorb(behind, position, slopes[position], gaps[position])
        values, left = self._scaled(behind, 0, slopes[0], gaps[0])
        centre, free = (states * self.gates[0]) @ behind.T, states[:, self.free[0]]
        with torch.no_grad():
            back = self.gates[0] * ((centre / left) @ behind)
            back.index_add_(1, self.free[0], values * free)
            self.inner = _orthonormal(scale * (back @ first))
        return _soft_largest((values * free) @ free.T + centre @ centre.T / left).log()

    def _weights(self, groups: Tensor) -> Tensor:
        return torch.softmax(torch.where(self.present, groups, -torch.inf), 0)

    @torch.no_grad()
    def result(self, variable: Tensor) -> Multipliers:
        """The multipliers in float64, in the scale of the matrices as they were given."""
        *parts, gaps, groups = variable.split(self.parts)
        slopes: list[np.ndarray] = [np.zeros(0)] * len(self.gates)
        behind, norm = self.layers[-1], self.norms[-1]
        for position in range(len(self.gates) - 1, -1, -1):
            values, _ = self._scaled(behind, position, parts[position], gaps[position])
            slopes[position] = np.maximum(values.double().numpy(), TINY) * norm**2
            if position:
                behind = self._absorb(behind, position, parts[position], gaps[position])
                norm *= self.norms[position]
        weights = np.where(self.present.numpy(), np.maximum(self._weights(groups).double().numpy(), 1e-12), 0.0)
        return Multipliers(tuple(slopes), weights)


def _floored(norms: Tensor) -> Tensor:
    largest = float(norms.max()) if len(norms) else 1.0
    return norms.clamp_min(1e-6 * largest or 1.0)


def _soft_largest(gram: Tensor) -> Tensor:
    """A smooth stand-in for the largest eigenvalue of a small matrix, not below it."""
    size = gram.detach().diagonal().sum().clamp_min(TINY)
    power = gram / size
    for _ in range(SHARPNESS):
        power = power @ power
    return (power.diagonal().sum() + TINY) ** (0.5**SHARPNESS) * size


def _even(sizes: np.ndarray) -> Tensor:
    """Logarithms of weights that are even between centre and groups, and as the squared sizes among the groups."""
    squares = torch.from_numpy(sizes / (sizes.max(initial=0.0) or 1.0)).to(FLOAT) ** 2
    rest = squares[1:].sum()
    squares[1:] *= (squares[0] if squares[0] > 0 else 1.0) / (rest if rest > 0 else 1.0)
    return (squares + TINY).log()


def _orthonormal(rows: Tensor) -> Tensor:
    return torch.linalg.qr(rows.T)[0].T.contiguous()
