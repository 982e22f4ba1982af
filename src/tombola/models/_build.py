"""A network from its name."""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Sequence

import torch
from torch import nn

from tombola.isolation import isolated_random_state
from tombola.models._lenet_300_100 import lenet_300_100
from tombola.models._mlp import mlp, parse_widths

NAMES = {
    "lenet-300-100": "linear layers of 300, 100 and as many outputs as there are classes, with ReLU",
    "mlp:A-B-C": "a ReLU network with these widths, from input to output; any number of them",
    "package.module:factory": "what the function `factory` of an importable module returns, called without arguments",
}


def build(
    name: str,
    *,
    input_shape: Sequence[int] | None = None,
    classes: int | None = None,
    bias: bool = True,
    generator: torch.Generator,
) -> nn.Module:
    """The network that `name` stands for, with fresh weights from `generator`.

    Args:
        name: one of `NAMES`.
        input_shape: of one example. LeNet fits itself to it (default `(1, 28, 28)`); an MLP must agree with it.
        classes: number of outputs, likewise (default 10).
        bias: whether linear layers have biases; a factory decides for itself.
        generator: source of the weights. A factory runs with torch's global random state seeded from it, put back
            afterwards.

    Raises:
        ValueError: if the name is unknown, or its widths do not fit the data.
        TypeError: if a factory returns something else than a module.

    Example:
        >>> net = build("mlp:64-20-10", input_shape=(1, 8, 8), generator=torch.Generator().manual_seed(0))
        >>> net(torch.zeros(5, 1, 8, 8)).shape
        torch.Size([5, 10])
    """
    if name == "lenet-300-100":
        return lenet_300_100(
            input_shape=input_shape or (1, 28, 28), classes=classes or 10, bias=bias, generator=generator
        )
    if name.startswith("mlp:"):
        widths = parse_widths(name.removeprefix("mlp:"))
        _check_widths(name, widths, input_shape, classes)
        return mlp(widths, bias=bias, generator=generator)
    if ":" in name:
        factory = _imported(name)
        with isolated_random_state(generator):
            return _checked(name, factory())
    raise ValueError(f"unknown model {name!r}; known are {', '.join(NAMES)}")


def _check_widths(name: str, widths: list[int], input_shape: Sequence[int] | None, classes: int | None) -> None:
    if input_shape is not None and widths[0] != math.prod(input_shape):
        size = " x ".join(map(str, input_shape))
        raise ValueError(f"{name} takes {widths[0]} inputs, but an example has {size} = {math.prod(input_shape)}")
    if classes is not None and widths[-1] != classes:
        raise ValueError(f"{name} has {widths[-1]} outputs, but there are {classes} classes")


def _imported(name: str) -> Callable[[], object]:
    module_name, _, attribute = name.partition(":")
    try:
        module = importlib.import_module(module_name)
    except (ModuleNotFoundError, ValueError) as error:
        reason = f"cannot import {module_name!r} ({error}); is its folder on PYTHONPATH?"
        raise ValueError(f"unknown model {name!r}: {reason} Other names are {', '.join(NAMES)}") from error
    factory = getattr(module, attribute, None)
    if not callable(factory):
        raise ValueError(f"unknown model {name!r}: the module {module_name!r} has no function {attribute!r}")
    return factory


def _checked(name: str, model: object) -> nn.Module:
    if not isinstance(model, nn.Module):
        raise TypeError(f"{name} returned {type(model).__name__}, wanted a torch.nn.Module")
    return model
