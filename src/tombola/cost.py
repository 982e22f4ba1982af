"""What a network costs for one example, dense and with its kept weights alone.

Counted, not measured: parameters, multiply-adds and bytes. What a machine makes of them is another matter: few run
unstructured zeros faster.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .masks import Masks, check_masks

TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
COUNTED = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, *TRANSPOSED)


@dataclass(frozen=True)
class LayerCost:
    """What one weight costs.

    Attributes:
        name: of the parameter.
        size: how many numbers it has.
        kept: how many of them are kept.
        multiply_adds: for one example, dense.
        kept_multiply_adds: the same with kept weights alone.
    """

    name: str
    size: int
    kept: int
    multiply_adds: int
    kept_multiply_adds: int


@dataclass(frozen=True)
class Cost:
    """What a network costs for one example.

    Attributes:
        layers: the weights of Linear and convolutional layers that were used.
        parameters: how many numbers all parameters have, biases and norms included.
        kept_parameters: the same without pruned weights.
        bytes: of all parameters, dense.
        kept_bytes: of kept values, and a bit for each number that has a mask.
        not_counted: parameters of two axes or more whose multiply-adds are missing, as those of attention,
            recurrence and embeddings.
    """

    layers: tuple[LayerCost, ...]
    parameters: int
    kept_parameters: int
    bytes: int
    kept_bytes: int
    not_counted: tuple[str, ...]

    @property
    def multiply_adds(self) -> int:
        """Of all layers, dense."""
        return sum(layer.multiply_adds for layer in self.layers)

    @property
    def kept_multiply_adds(self) -> int:
        """Of all layers, with kept weights alone."""
        return sum(layer.kept_multiply_adds for layer in self.layers)


def cost(model: nn.Module, example: Tensor, masks: Masks | None = None) -> Cost:
    """Parameters, multiply-adds and bytes of a network, for each of its layers and in all.

    A weight of a convolution counts once for each place of its output (of its input, if it is transposed), padding
    included; biases, norms and activations are left out. A weight that is used twice counts twice. Cost: one forward of
    a copy of the model, in evaluation mode.

    Args:
        model: any module.
        example: a batch that the model takes, of one or more examples.
        masks: of some of its parameters; the others are kept whole.

    Raises:
        ValueError: if a mask does not fit.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(144, 10))
        >>> masks = {"2.weight": torch.arange(1440).view(10, 144) < 100}
        >>> found = cost(net, torch.zeros(1, 1, 8, 8), masks)
        >>> [(layer.name, layer.multiply_adds, layer.kept_multiply_adds) for layer in found.layers]
        [('0.weight', 1296, 1296), ('2.weight', 1440, 100)]
        >>> found.parameters, found.kept_parameters
        (1490, 150)
    """
    parameters, masks = dict(model.named_parameters()), masks or {}
    check_masks(masks, parameters)
    kept = {name: int(masks[name].sum()) if name in masks else value.numel() for name, value in parameters.items()}
    uses = _uses(model, example)
    layers = [
        LayerCost(name, parameters[name].numel(), kept[name], times * parameters[name].numel(), times * kept[name])
        for name, times in uses.items()
    ]
    masked = sum(mask.numel() for mask in masks.values())
    return Cost(
        tuple(layers),
        parameters=sum(value.numel() for value in parameters.values()),
        kept_parameters=sum(kept.values()),
        bytes=sum(value.numel() * value.element_size() for value in parameters.values()),
        kept_bytes=sum(kept[name] * value.element_size() for name, value in parameters.items()) + -(-masked // 8),
        not_counted=tuple(name for name, value in parameters.items() if value.ndim > 1 and name not in uses),
    )


def _uses(model: nn.Module, example: Tensor) -> dict[str, int]:
    """How often each weight is multiplied for one example, by name, in order of the model's parameters."""
    copied = copy.deepcopy(model).eval()
    for module in copied.modules():
        module._forward_hooks.clear()
        module._forward_pre_hooks.clear()
    names = {id(value): name for name, value in copied.named_parameters()}
    uses: dict[str, int] = {}
    for module in copied.modules():
        if isinstance(module, COUNTED) and id(module.weight) in names:
            module.register_forward_hook(_counter(names[id(module.weight)], len(module.weight), uses))
    with torch.no_grad():
        copied(example)
    return {name: uses[name] // len(example) for name in names.values() if name in uses}


def _counter(name: str, units: int, uses: dict[str, int]) -> Callable[..., None]:
    """A hook that adds up at how many places a weight with so many rows is used."""

    def count(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        spread = inputs[0] if isinstance(module, TRANSPOSED) else output
        uses[name] = uses.get(name, 0) + spread.numel() // units

    return count
