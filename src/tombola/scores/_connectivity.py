"""Which weights lie on a path from the input of a network to its output."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from tombola.masks import Masks, count

from ._linear_copy import LinearCopy
from ._linear_rules import AFFINE, TRANSPOSED, Rule, average_rules, base_rules
from ._masked import masked_copy


def effective_masks(model: nn.Module, masks: Masks, example: Tensor) -> Masks:
    """The kept weights that lie on a path of kept weights from an input to an output [Vysogorets2023]; exact.

    Only these can change what the network computes as a function of its input: the others feed units that nothing
    reads, or read units that nothing feeds. Values of weights do not matter, biases are no paths, a norm or an
    activation joins nothing and cuts nothing off. Weights without a mask are all kept. A unit of a convolution is a
    channel at a place, so that a tap that sees only padding is on no path.

    Cost: a forward and a backward of one example. Nothing is multiplied up: only whether a unit is reached is passed
    on, so that no depth is too much.

    Args:
        model: any that `synflow` takes; its weights are not read.
        masks: bool tensors by parameter name.
        example: a batch of inputs; only the shape of one counts.

    Raises:
        ValueError: as `synflow`.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
        >>> masks = {"0.weight": torch.eye(2, dtype=torch.bool), "2.weight": torch.tensor([[True, False]])}
        >>> effective_masks(net, masks, torch.zeros(1, 2))["0.weight"].tolist()  # nothing reads the second unit
        [[True, False], [False, False]]
    """
    with reach(model, masks, example) as flow:
        found = connectable(flow, masks)
    return {name: mask & found[name] for name, mask in masks.items()}


def effective_density(model: nn.Module, masks: Masks, example: Tensor) -> float:
    """The fraction of all masked weights that are kept and lie on a path, see `effective_masks`.

    Args:
        model: any that `synflow` takes.
        masks: bool tensors by parameter name.
        example: a batch of inputs; only the shape of one counts.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 1))
        >>> masks = {"0.weight": torch.eye(2, dtype=torch.bool), "2.weight": torch.tensor([[True, False]])}
        >>> effective_density(net, masks, torch.zeros(1, 2))  # 2 of 6 weights; 3 are kept
        0.3333333333333333
    """
    return count(effective_masks(model, masks, example)) / sum(mask.numel() for mask in masks.values())


def is_collapsed(model: nn.Module, masks: Masks, example: Tensor) -> bool:
    """Whether no path is left from the input to the output.

    A layer may be empty in a network that is not collapsed, if a shortcut leads around it; and one may be collapsed
    that has weights in every layer.

    Args:
        model: any that `synflow` takes.
        masks: bool tensors by parameter name.
        example: a batch of inputs; only the shape of one counts.

    Example:
        >>> net = nn.Sequential(nn.Linear(1, 2), nn.Linear(2, 1))
        >>> masks = {"0.weight": torch.tensor([[True], [False]]), "1.weight": torch.tensor([[False, True]])}
        >>> is_collapsed(net, masks, torch.zeros(1, 1))
        True
    """
    with reach(model, masks, example) as flow:
        return not flow.reaches()


@contextmanager
def reach(model: nn.Module, masks: Masks, example: Tensor) -> Iterator[LinearCopy]:
    """A block with a copy of a model in which all kept weights are 1 and results say only what is reached."""
    with masked_copy(model, masks, torch.Generator()) as copy:
        module, device = copy.module, copy.device
        yield LinearCopy(copy, example[:1].to(device), power=0, rules=reach_rules(module), dtype=torch.float32)


def connectable(flow: LinearCopy, masks: Masks) -> Masks:
    """The weights, kept or not, that lie on a path of otherwise kept weights, or would if they were kept alone.

    Args:
        flow: of `reach`; it has these masks afterwards.
        masks: of the kept weights.
    """
    set_masks_(flow, masks)
    return {name: (slope > 0.5).to(masks[name].device) for name, slope in flow.slopes().items()}


def set_masks_(flow: LinearCopy, masks: Masks) -> None:
    """Keeps other weights in a copy of `reach`; call it again with the old masks to undo it."""
    for name, mask in masks.items():
        flow.weights[name].detach().copy_(mask)


def reach_rules(module: nn.Module) -> dict[str, Rule]:
    """Rules by which layers pass on, both ways, only whether a unit is reached; max-pools let everything through."""
    scored = {id(weight) for weight in module.parameters() if weight.ndim > 1}
    rules, base = average_rules(), base_rules(scored, {})
    return rules | {name: partial(_reached, base[name]) for name in (*AFFINE, *TRANSPOSED)}


class _Flags(torch.autograd.Function):
    """Whether numbers are above a bound, as 0 and 1; and gradients above another."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, bound: float, gradient_bound: float) -> Tensor:  # noqa: ANN401
        ctx.bound = gradient_bound
        return (x > bound).to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN401
        return (gradients[0] > ctx.bound).to(gradients[0].dtype), None, None


def _reached(rule: Rule, func: Rule, input: Tensor, *args: Any, **settings: Any) -> Tensor:  # noqa: ANN401
    """A layer between flags: within it are whole numbers, whose rounding errors are below 1/2 in any algorithm."""
    found = rule(func, _flags(input, 0.0, 0.5), *args, **settings)
    return _flags(found, 0.5, 0.0)


def _flags(x: Tensor, bound: float, gradient_bound: float) -> Tensor:
    return cast(Tensor, _Flags.apply(x, bound, gradient_bound))
