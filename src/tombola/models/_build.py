"""A network from its name."""

from __future__ import annotations

import importlib
import math
import re
from collections.abc import Callable, Sequence
from functools import partial

import torch
from torch import nn

from tombola.isolation import isolated_random_state
from tombola.models._cifar_resnet import cifar_resnet
from tombola.models._conv_net import conv_net
from tombola.models._imagenet_resnet import imagenet_resnet
from tombola.models._lenet_5 import lenet_5
from tombola.models._lenet_300_100 import lenet_300_100
from tombola.models._mlp import mlp, parse_widths
from tombola.models._univariate import univariate_net
from tombola.models._vgg import vgg

FIXED: dict[str, Callable[..., nn.Module]] = {"lenet-300-100": lenet_300_100, "lenet-5": lenet_5}
SCALABLE: dict[str, Callable[..., nn.Module]] = {
    **{f"conv-{depth}": partial(conv_net, depth) for depth in (2, 4, 6)},
    **{f"vgg-{depth}": partial(vgg, depth) for depth in (16, 19)},
    **{f"resnet-{depth}": partial(cifar_resnet, depth) for depth in (20, 32, 56)},
    **{f"resnet-{depth}": partial(imagenet_resnet, depth) for depth in (18, 50)},
    "univariate-polynomial": partial(univariate_net, 2),
    "univariate-fourier": partial(univariate_net, 1),
}
NAMES = {
    "lenet-300-100": "linear layers of 300, 100 and as many outputs as there are classes, with ReLU",
    "lenet-5": "two 5x5 convolutions and three linear layers, with ReLU and max-pooling",
    "conv-2": "two 3x3 convolutions and three linear layers, for small images",
    "conv-4": "the same with four convolutions",
    "conv-6": "the same with six convolutions",
    "vgg-16": "13 convolutions with batch normalisation and one linear layer, for images of 32 x 32 and more",
    "vgg-19": "the same with 16 convolutions",
    "resnet-20": "a residual network for small images, 9 basic blocks",
    "resnet-32": "the same with 15 blocks",
    "resnet-56": "the same with 27 blocks",
    "resnet-18": "a residual network for photographs, 8 basic blocks",
    "resnet-50": "a residual network for photographs, 16 bottlenecks",
    "univariate-polynomial": "two functions of one number about a linear map, in the shape of universal tickets",
    "univariate-fourier": "the same with one function, behind the linear map",
    "conv-4x0.5": "so for every conv, vgg, resnet and univariate network: all widths times this factor",
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
        input_shape: of one example. Networks fit themselves to it (the default is that of their function), an MLP must
            agree with it.
        classes: number of outputs, likewise.
        bias: whether linear layers have biases, and convolutions without batch normalisation; a factory decides for
            itself.
        generator: source of the weights. A factory runs with torch's global random state seeded from it, put back
            afterwards.

    Raises:
        ValueError: if the name is unknown, or the network does not fit the data.
        TypeError: if a factory returns something else than a module.

    Example:
        >>> net = build("mlp:64-20-10", input_shape=(1, 8, 8), generator=torch.Generator().manual_seed(0))
        >>> net(torch.zeros(5, 1, 8, 8)).shape
        torch.Size([5, 10])
    """
    known = _known(name)
    if known is not None:
        fits = {"input_shape": input_shape, "classes": classes}
        given = {option: value for option, value in fits.items() if value is not None}
        return known(**given, bias=bias, generator=generator)
    if name.startswith("mlp:"):
        widths = parse_widths(name.removeprefix("mlp:"))
        _check_widths(name, widths, input_shape, classes)
        return mlp(widths, bias=bias, generator=generator)
    if ":" in name:
        factory = _imported(name)
        with isolated_random_state(generator):
            return _checked(name, factory())
    raise ValueError(f"unknown model {name!r}; known are {', '.join(NAMES)}")


def _known(name: str) -> Callable[..., nn.Module] | None:
    """The function behind a name without a colon, with its width; None if there is none."""
    if name in FIXED:
        return FIXED[name]
    base, times, width = name.partition("x")
    if base not in SCALABLE or not times:
        return SCALABLE.get(base)
    return partial(SCALABLE[base], width=float(width)) if re.fullmatch(r"[0-9]+(\.[0-9]+)?", width) else None


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
