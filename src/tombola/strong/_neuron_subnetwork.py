"""Tickets of whole neurons, which are random features [Malach2020, Sec. 3].

[Malach2020] Malach, Yehudai, Shalev-Shwartz, Shamir, "Proving the lottery ticket hypothesis: pruning is all you need".
[Yehudai2019] Yehudai, Shamir, "On the power and limitations of random features for understanding neural networks".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from jaxtyping import Bool, Float, Float32
from torch import Tensor, nn

from tombola.random_source import Normal, Source, Uniform


@dataclass(frozen=True, eq=False)
class NeuronSubnetwork:
    """A random two-layer network of which only some neurons are kept.

    Attributes:
        kept: `(neurons,)`, which neurons of the random network are kept.
        scale: what the kept network's output is multiplied by, 4 bound / neurons.
        network: the kept neurons with their random weights as drawn, `(batch, dimension) -> (batch, 1)` float32.
    """

    kept: Bool[Tensor, " neurons"]
    scale: float
    network: nn.Sequential

    def __call__(self, x: Float[Tensor, "batch dimension"]) -> Float[Tensor, "batch 1"]:
        """The scaled output, an estimate of the mean of `coefficient(w) relu(<w, x>)`."""
        return self.scale * self.network(x)


def neuron_subnetwork(
    coefficient: Callable[[Float32[Tensor, "k d"]], Float32[Tensor, " k"]],
    *,
    bound: float | int,
    neurons: int,
    dimension: int,
    source: Source,
) -> NeuronSubnetwork:
    """Neurons of a random network whose scaled sum is the mean over w of `coefficient(w) relu(<w, x>)`.

    Neuron i has input weights w, uniform on the unit sphere, and an output weight u, uniform on (-1, 1). It is kept
    iff u has the sign of the coefficient alpha(w) and `|u| <= sqrt(|alpha(w)| / C)`. Then
    `E[kept u | w] = alpha(w) / (4 C)`, so that `4 C / neurons` times the kept sum is unbiased: random features, by
    pruning neurons alone. The thinning itself is ours; the equivalence is [Malach2020]'s.

    Probabilistic: where |x| <= 1 the mean squared error over any law of x is at most `8 C^2 / (3 k)` in expectation
    over the network, k the number of neurons, see `required_neurons`. What random features cannot do,
    these networks cannot either, under any mask and scale: a single ReLU neuron with large weights in many dimensions
    [Yehudai2019], which pruning single weights (`construct`) does with ease.

    Args:
        coefficient: alpha, from weights `(neurons, dimension)` to one number for each row.
        bound: C, no smaller than any |alpha(w)|.
        neurons: k, of the random network.
        dimension: d, of its inputs.
        source: of the weights: `in.weight` `(neurons, dimension)` holds normal numbers, whose rows are divided by their
            lengths, and `out.weight` `(1, neurons)` uniform ones.

    Raises:
        ValueError: if a number is not positive, or a coefficient is not finite or exceeds the bound.

    Example:
        >>> import torch
        >>> found = neuron_subnetwork(lambda w: w[:, 0], bound=1.0, neurons=4000, dimension=4, source=Source(0))
        >>> x = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
        >>> abs(found(x).item() - 1 / 8) < math.sqrt(8 / 3 / 4000)  # E[w_1 max(w_1, 0)] = E[w_1^2] / 2 = 1/8
        True
        >>> round(found.kept.float().mean().item(), 1)
        0.3
    """
    _check_positive(bound=bound, neurons=neurons, dimension=dimension)
    normal = source.tensor("in.weight", Normal(1.0), (neurons, dimension)).double()
    inner = (normal / normal.norm(dim=1, keepdim=True)).float()
    outer = source.tensor("out.weight", Uniform(1.0), (1, neurons))
    alpha = _coefficients(coefficient, inner, bound)
    kept = (outer[0].sign() == alpha.sign()) & (outer[0].square() <= alpha.abs() / bound)
    network = nn.Sequential(_linear(inner[kept]), nn.ReLU(), _linear(outer[:, kept]))
    return NeuronSubnetwork(kept, 4 * bound / neurons, network)


def required_neurons(epsilon: float, delta: float, bound: float | int) -> int:
    """How many random neurons `neuron_subnetwork` needs: `8 C^2 / (3 epsilon^2 delta)`, rounded up.

    Probabilistic: with probability at least `1 - delta` the L2 error is then at most `epsilon`, by Markov's inequality
    on its mean square; for |x| <= 1.

    Args:
        epsilon: the L2 error wanted.
        delta: the probability with which it may be missed, in (0, 1].
        bound: C, no smaller than any coefficient.

    Raises:
        ValueError: if a number is not positive, or delta above one.

    Example:
        >>> required_neurons(0.1, 0.05, bound=2.0)
        21334
    """
    _check_positive(epsilon=epsilon, delta=delta, bound=bound)
    if delta > 1:
        raise ValueError(f"delta is a probability in (0, 1], got {delta}")
    return math.ceil(8 * bound**2 / (3 * epsilon**2 * delta))


def _coefficients(
    coefficient: Callable[[Float32[Tensor, "k d"]], Float32[Tensor, " k"]],
    inner: Float32[Tensor, "k d"],
    bound: float | int,
) -> Float32[Tensor, " k"]:
    alpha = coefficient(inner)
    if alpha.shape != inner.shape[:1]:
        raise ValueError(f"coefficient must give one number per row, {(len(inner),)}; got {tuple(alpha.shape)}")
    largest = float(alpha.abs().max())
    if not largest <= bound:
        raise ValueError(f"no coefficient may be above the bound {bound} in magnitude; the largest is {largest:.6g}")
    return alpha


def _linear(weight: Float32[Tensor, "out in"]) -> nn.Linear:
    outputs, inputs = weight.shape
    layer = nn.Linear(max(1, inputs), max(1, outputs), bias=False, device="meta")  # torch warns of layers of size 0
    layer.in_features, layer.out_features, layer.weight = inputs, outputs, nn.Parameter(weight.contiguous())
    return layer


def _check_positive(**numbers: float | int) -> None:
    for name, number in numbers.items():
        if not (math.isfinite(number) and number > 0):
            raise ValueError(f"{name} must be a positive finite number, got {number}")
