"""Path exclusion: a bound on the trace of the tangent kernel, from the paths that data make active."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from tombola.masks import Masks

from ._linear_copy import NEAR, LinearCopy, one_input, scores
from ._linear_rules import Rewritten, Rule, identity
from ._masked import MaskedCopy, checked, masked_copy, numbers
from ._score import Batches, Loss

GATED: tuple[str, ...] = (
    "relu",
    "relu_",
    "relu6",
    "gelu",
    "silu",
    "mish",
    "elu",
    "elu_",
    "celu",
    "celu_",
    "selu",
    "selu_",
)
POOLED: tuple[str, ...] = ("max_pool1d", "max_pool2d", "max_pool3d")


def px(
    model: nn.Module,
    batches: Batches,
    *,
    masks: Masks,
    loss: Loss,
    generator: torch.Generator,
    dtype: torch.dtype = torch.float64,
) -> dict[str, Tensor]:
    """`theta^2 dR/d(theta^2)` of `R = sum_x sum_k z1_k(x) z2_k` [Iurada2024].

    `z1_k(x)` sums, over the paths to output k that are active for x, the squares of the inputs at which they begin:
    the network with all kept weights 1 and the gates that its ReLUs had for x. `z2_k` sums the squared products of
    weights over all paths to k. Scores are not negative and conserved as those of `synflow_l2`, which this is if all
    `z1_k` are the same.

    A gate is recorded from the network itself, with its biases and norms in evaluation mode: of a ReLU where its input
    is positive, of a max-pool the place that it took. The paper is about ReLU; here GELU, SiLU and the ELUs have the
    same gate, and activations that let negative inputs through, as tanh and leaky ReLU, have none. The linear copies
    have neither biases nor norms.

    Deviations from the published code: the last layer is squared as all others are; norms are left out of the copies,
    where it has batch norm normalise by the batch; max-pools of `z1` take the places that the network's took. Those of
    `z2` are as in `synflow`.

    Cost: two forwards of each batch, one forward and backward of one example.

    Args:
        model: at the weights to be scored.
        batches: whose inputs are read; targets are not.
        masks: of the parameters to be scored; pruned weights count as zero and score 0.
        loss: not used.
        generator: only of what the model itself draws in evaluation mode, usually nothing.
        dtype: of the linear copies and the scores; the network's gates are computed in its own.

    Raises:
        ValueError: as `synflow`; for outputs that are not finite.

    Example:
        >>> net = nn.Sequential(nn.Linear(1, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False))
        >>> _ = net[0].weight.data.copy_(torch.tensor([[1.0], [-2.0]]))
        >>> _ = net[2].weight.data.copy_(torch.tensor([[3.0, 1.0]]))
        >>> masks = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in net.named_parameters()}
        >>> batches = [(torch.tensor([[2.0]]), torch.zeros(1))]
        >>> found = px(net, batches, masks=masks, loss=nn.MSELoss(), generator=torch.Generator())
        >>> found["0.weight"].tolist()  # one path is active, from an input of 2: R = 4 (1 * 9 + 4 * 1)
        [[36.0], [16.0]]
    """
    with masked_copy(model, masks, generator) as real:
        gates = [_gates(real, checked(batches, number, real.device)[0]) for number in numbers(batches)]
    with masked_copy(model, masks, generator) as ones:
        cotangent = _active_paths(ones, batches, gates, dtype)
    with masked_copy(model, masks, generator) as squares:
        flow = LinearCopy(squares, one_input(batches, squares.device, "px"), power=2, dtype=dtype)
        return scores(flow, flow.slopes(cotangent))


def _gates(model: MaskedCopy, x: Tensor) -> list[Tensor]:
    """What the ReLUs and max-pools of the network let through for a batch, in the order of their calls."""
    found: list[Tensor] = []

    def relu(func: Rule, *args: Any, **settings: Any) -> Tensor:  # noqa: ANN401 - in place of any function
        found.append(identity(func, *args, **settings) > 0)
        return func(*args, **settings)

    rules: dict[str, Rule] = dict.fromkeys(GATED, relu) | dict.fromkeys(POOLED, partial(_pool, found.append))
    with torch.no_grad(), Rewritten(rules):
        outputs = model.outputs(model.weights(), x)
    if not outputs.isfinite().all():
        raise ValueError("the outputs are not finite; the model or a batch holds what is not")
    return found


def _pool(record: Callable[[Tensor], None], func: Rule, *args: Any, **settings: Any) -> Tensor:  # noqa: ANN401
    """A max-pool, whose places are recorded."""
    name = getattr(func, "__name__", "")
    values, places = getattr(nn.functional, name)(*args, **settings | {"return_indices": True})
    record(places)
    return values


def _active_paths(ones: MaskedCopy, batches: Batches, gates: Sequence[Sequence[Tensor]], dtype: torch.dtype) -> Tensor:
    """`sum_x z1(x)`, `(1, outputs)`, times a power of two."""
    for value in ones.module.parameters():
        value.fill_(1)
    flow, sums = LinearCopy(ones, one_input(batches, ones.device, "px"), dtype=dtype), []
    for number, recorded in enumerate(gates):
        with torch.no_grad():
            outputs, exponent = flow.outputs(batches[number][0].to(dtype).square(), _gated(iter(recorded)))
        sums.append((outputs.sum(0, keepdim=True), exponent))
    most = max(exponent for _, exponent in sums)
    total = sum((value * 2.0 ** (exponent - most) for value, exponent in sums), torch.zeros_like(sums[0][0]))
    exponent = math.frexp(total.amax().item())[1]
    return total if abs(exponent) <= NEAR else total * 2.0**-exponent


def _gated(gates: Iterator[Tensor]) -> dict[str, Rule]:
    """Rules by which ReLUs and max-pools let through what they let through before."""

    def relu(func: Rule, *args: Any, **settings: Any) -> Tensor:  # noqa: ANN401 - in place of any function
        return identity(func, *args, **settings) * next(gates)

    def pool(func: Rule, *args: Any, **settings: Any) -> Tensor:  # noqa: ANN401 - in place of any function
        places = next(gates)
        return identity(func, *args, **settings).flatten(2).gather(2, places.flatten(2)).view(places.shape)

    return dict.fromkeys(GATED, relu) | dict.fromkeys(POOLED, pool)
