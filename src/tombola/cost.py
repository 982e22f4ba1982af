"""What a network costs for one example, dense and with its kept weights alone.

Counted, not measured: parameters, multiply-adds and bytes. What a machine makes of them is another matter: few run
unstructured zeros faster.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .isolation import bare_copy
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
        kept_bytes: of kept values, and a bit for each number of parameters that are not kept whole.
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
    return cost_of_counts(
        {name: tuple(value.shape) for name, value in parameters.items()},
        {name: int(masks[name].sum()) if name in masks else value.numel() for name, value in parameters.items()},
        uses(model, example),
        bytes_each={name: value.element_size() for name, value in parameters.items()},
    )


def cost_of_counts(
    shapes: Mapping[str, Sequence[int]],
    kept: Mapping[str, int],
    uses: Mapping[str, int],
    *,
    bytes_each: Mapping[str, int],
) -> Cost:
    """The same from numbers alone, where the network is not at hand.

    Args:
        shapes: of all parameters, by name.
        kept: how many numbers of each are kept.
        uses: how often a weight is multiplied for one example, as `uses` says; those without an entry are not counted.
        bytes_each: of a number of each.

    Example:
        >>> cost_of_counts({"weight": (10, 144)}, {"weight": 100}, {"weight": 1}, bytes_each={"weight": 4}).kept_bytes
        580
    """
    sizes = {name: math.prod(shape) for name, shape in shapes.items()}
    pruned = sum(size for name, size in sizes.items() if kept[name] < size)
    return Cost(
        tuple(
            LayerCost(name, size, kept[name], uses[name] * size, uses[name] * kept[name])
            for name, size in sizes.items()
            if name in uses
        ),
        parameters=sum(sizes.values()),
        kept_parameters=sum(kept.values()),
        bytes=sum(size * bytes_each[name] for name, size in sizes.items()),
        kept_bytes=sum(kept[name] * bytes_each[name] for name in sizes) + -(-pruned // 8),
        not_counted=tuple(name for name, shape in shapes.items() if len(shape) > 1 and name not in uses),
    )


def uses(model: nn.Module, example: Tensor) -> dict[str, int]:
    """How often each weight is multiplied for one example, by name, in order of the model's parameters.

    Args:
        model: any module. One forward of a copy of it, in evaluation mode, is run.
        example: a batch that the model takes, of one or more examples.

    Example:
        >>> uses(nn.Sequential(nn.Conv2d(1, 4, 3), nn.Flatten(), nn.Linear(144, 10)), torch.zeros(1, 1, 8, 8))
        {'0.weight': 36, '2.weight': 1}
    """
    copied = bare_copy(model).eval()
    names = {id(value): name for name, value in copied.named_parameters()}
    found: dict[str, int] = {}
    for module in copied.modules():
        if isinstance(module, COUNTED) and id(module.weight) in names:
            module.register_forward_hook(_counter(names[id(module.weight)], len(module.weight), found))
    with torch.no_grad():
        copied(example)
    return {name: found[name] // len(example) for name in names.values() if name in found}


def _counter(name: str, units: int, found: dict[str, int]) -> Callable[..., None]:
    """A hook that adds up at how many places a weight with so many rows is used."""

    def count(module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        spread = inputs[0] if isinstance(module, TRANSPOSED) else output
        found[name] = found.get(name, 0) + spread.numel() // units

    return count
