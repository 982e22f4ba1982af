"""What the operations of an exported program mean, one by one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, fx

from tombola.errors import UnsupportedModuleError

from ._fold import ungrouped
from ._graph import AffineLayer, Window

SUPPORTED = (
    "Linear, Conv1d, Conv2d (zero padding)",
    "BatchNorm, Dropout (at evaluation)",
    "ReLU, LeakyReLU, tanh, sigmoid, softplus, SiLU, GELU, ELU, softsign",
    "MaxPool, AvgPool, AdaptiveAvgPool, mean over an image",
    "Flatten, Identity, residual additions",
)
RESHAPES = {"flatten.using_ints", "view.default", "reshape.default", "_unsafe_view.default"}
ALIASES = {"clone.default", "alias.default", "contiguous.default", "detach.default"}

Named = Mapping[str, tuple[str, Tensor]]


@dataclass(frozen=True)
class Translated:
    """One operation without parameters.

    Attributes:
        op: its name in a graph.
        inputs: the arguments that are results.
        settings: of it.
        before: operations, each with its settings and the shape of its result, that come before it on its one input.
    """

    op: str
    inputs: tuple[Any, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    before: tuple[tuple[str, Mapping[str, Any], tuple[int, ...]], ...] = ()


def operation_of(node: fx.Node) -> str:
    """The operation's name, such as `relu.default`."""
    name = getattr(node.target, "__name__", str(node.target))
    return "getitem" if name == "getitem" else str(node.target).removeprefix("aten.")


def path_of(node: fx.Node) -> str:
    """The path of the module that an operation belongs to."""
    stack = list((node.meta.get("nn_module_stack") or {}).values())
    return stack[-1][0] if stack else ""


def _refused(node: fx.Node, found: str) -> UnsupportedModuleError:
    return UnsupportedModuleError(path_of(node), found, SUPPORTED)


def _arguments(node: fx.Node, names: str) -> dict[str, Any]:
    """The arguments of an operation by the names of its schema; what was not given has its default."""
    given = {argument.name: argument.default_value for argument in node.target._schema.arguments}  # pyright: ignore
    given |= dict(zip(given, node.args, strict=False)) | node.kwargs
    return {name: given[name] for name in names.split()}


def shape_of(node: Any) -> tuple[int, ...]:  # noqa: ANN401 - arguments are anything
    """The shape of an operation's result, or of the first of several, the batch included."""
    value = node.meta["val"]
    return tuple((value[0] if isinstance(value, tuple) else value).shape)


def _parameters_of(node: fx.Node, named: Named, kind: str) -> tuple[str, Tensor, Tensor | None]:
    """The path of a layer, its weight and its bias."""
    given = _arguments(node, "weight bias")
    found = [named.get(str(argument)) for argument in given.values() if argument is not None]
    if None in found:
        raise _refused(node, f"{kind} with a weight or bias that is no parameter")
    (name, weight), *bias = [entry for entry in found if entry is not None]
    path = name.removesuffix(".weight").removesuffix("weight") or kind.lower()
    return path, weight, bias[0][1] if bias else None


def _linear(node: fx.Node, named: Named) -> AffineLayer:
    if len(shape_of(node)) != 2:
        raise _refused(node, "Linear on other than (batch, features)")
    path, weight, bias = _parameters_of(node, named, "Linear")
    return AffineLayer(path, weight, bias)


def _convolution(node: fx.Node, named: Named) -> AffineLayer:
    path, weight, bias = _parameters_of(node, named, "Conv")
    rank = weight.ndim - 2
    if len(shape_of(node)) != rank + 2:
        raise _refused(node, "a convolution of something without a batch")
    given = _arguments(node, "stride padding dilation groups")
    kernel, stride, dilation = tuple(weight.shape[2:]), _spread(given["stride"], rank), _spread(given["dilation"], rank)
    padding = _padding(node, given["padding"], kernel, dilation)
    window = Window(kernel, stride, padding, dilation)
    groups = int(given["groups"])
    return AffineLayer(path, ungrouped(weight, groups), bias, window=window, groups=groups)


def _padding(node: fx.Node, padding: Any, kernel: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[int, ...]:  # noqa: ANN401
    if padding == "valid":
        return (0,) * len(kernel)
    if padding != "same":
        return _spread(padding, len(kernel))
    whole = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
    if any(one % 2 for one in whole):
        raise _refused(node, f"padding 'same' of a kernel of shape {kernel}: one more zero on one side")
    return tuple(one // 2 for one in whole)


def _spread(value: Any, rank: int) -> tuple[int, ...]:  # noqa: ANN401 - one number or one for each axis
    entries = tuple(int(one) for one in value)
    return entries * rank if len(entries) == 1 else entries


def _activation(op: str, **settings: str) -> Callable[[fx.Node, Named], Translated]:
    """A translation of an activation; `settings` says which argument gives which setting."""

    def translate(node: fx.Node, named: Named) -> Translated:
        given = _arguments(node, " ".join(settings.values()))
        return Translated(op, (node.args[0],), {name: given[argument] for name, argument in settings.items()})

    return translate


def _elu(node: fx.Node, named: Named) -> Translated:
    given = _arguments(node, "alpha scale input_scale")
    if given["scale"] != 1 or given["input_scale"] != 1:
        raise _refused(node, "selu")
    return Translated("elu", (node.args[0],), {"alpha": given["alpha"]})


def _max_pool(node: fx.Node, named: Named) -> Translated:
    given = _arguments(node, "kernel_size stride padding dilation ceil_mode")
    rank = len(shape_of(node)) - 2
    kernel = _spread(given["kernel_size"], rank)
    settings = {
        "kernel": list(kernel),
        "stride": list(_spread(given["stride"] or kernel, rank)),
        "padding": list(_spread(given["padding"], rank)),
        "dilation": list(_spread(given["dilation"], rank)),
        "ceil": bool(given["ceil_mode"]),
    }
    return Translated("max_pool", (node.args[0],), settings)


def _avg_pool(node: fx.Node, named: Named) -> Translated:
    given = _arguments(node, "kernel_size stride padding ceil_mode count_include_pad")
    if node.kwargs.get("divisor_override") or len(tuple(node.args)) > 6:
        raise _refused(node, "avg_pool with a divisor of its own")
    rank = len(shape_of(node)) - 2
    kernel = _spread(given["kernel_size"], rank)
    settings = {
        "kernel": list(kernel),
        "stride": list(_spread(given["stride"] or kernel, rank)),
        "padding": list(_spread(given["padding"], rank)),
        "ceil": bool(given["ceil_mode"]),
        "count_padding": bool(given["count_include_pad"]),
    }
    return Translated("avg_pool", node.args[:1], settings)


def _plain_average(kernel: list[int]) -> dict[str, Any]:
    zeros = [0] * len(kernel)
    return {"kernel": kernel, "stride": kernel, "padding": zeros, "ceil": False, "count_padding": True}


def _adaptive_avg_pool(node: fx.Node, named: Named) -> Translated:
    sizes, wanted = shape_of(node.args[0])[2:], shape_of(node)[2:]
    if any(size % want for size, want in zip(sizes, wanted, strict=True)):
        return Translated("adaptive_avg_pool", (node.args[0],), {"size": list(wanted)})
    kernel = [size // want for size, want in zip(sizes, wanted, strict=True)]
    return Translated("avg_pool", (node.args[0],), _plain_average(kernel))


def _adaptive_max_pool(node: fx.Node, named: Named) -> Translated:
    sizes, wanted = shape_of(node.args[0])[2:], shape_of(node)[2:]
    if any(size % want for size, want in zip(sizes, wanted, strict=True)):
        raise _refused(node, "adaptive_max_pool to a size that does not divide the image's")
    kernel = [size // want for size, want in zip(sizes, wanted, strict=True)]
    ones, zeros = [1] * len(kernel), [0] * len(kernel)
    settings = {"kernel": kernel, "stride": kernel, "padding": zeros, "dilation": ones, "ceil": False}
    return Translated("max_pool", (node.args[0],), settings)


def _mean(node: fx.Node, named: Named) -> Translated:
    """The mean over all spatial axes: a pooling, and a flatten unless the axes stay."""
    given, shape = _arguments(node, "dim keepdim dtype"), shape_of(node.args[0])
    rank = len(shape) - 2
    axes = sorted(axis % len(shape) for axis in given["dim"] or ())
    if rank < 1 or axes != list(range(2, rank + 2)) or given["dtype"] is not None:
        raise _refused(node, "mean over other than all axes of an image")
    pooled = _plain_average(list(shape[2:]))
    if given["keepdim"]:
        return Translated("avg_pool", (node.args[0],), pooled)
    before = (("avg_pool", pooled, (shape[1], *[1] * rank)),)
    return Translated("flatten", (node.args[0],), before=before)


def _add(node: fx.Node, named: Named) -> Translated | None:
    first, second = node.args[:2]
    if any(operation_of(user) == "div.Tensor" for user in node.users):
        return None  # the denominator of softsign; the division says whether it is one
    if not isinstance(second, fx.Node) or node.kwargs.get("alpha", 1) != 1 or shape_of(first) != shape_of(second):
        raise _refused(node, "add of other than two results of one shape")
    return Translated("add", (first, second))


def _softsign(node: fx.Node, named: Named) -> Translated:
    """`x / (|x| + 1)`, as torch writes softsign."""
    x, divisor = node.args[:2]
    if isinstance(divisor, fx.Node) and operation_of(divisor) == "add.Tensor" and divisor.args[1] == 1:
        magnitude = divisor.args[0]
        if isinstance(magnitude, fx.Node) and operation_of(magnitude) == "abs.default" and magnitude.args[0] is x:
            return Translated("softsign", (x,))
    raise _refused(node, "div")


def _magnitude(node: fx.Node, named: Named) -> None:
    if not all(operation_of(user) == "add.Tensor" for user in node.users):
        raise _refused(node, "abs")


TRANSLATED: dict[str, Callable[[fx.Node, Named], Translated | AffineLayer | None]] = {
    "linear.default": _linear,
    "relu.default": _activation("relu"),
    "leaky_relu.default": _activation("leaky_relu", slope="negative_slope"),
    "tanh.default": _activation("tanh"),
    "sigmoid.default": _activation("sigmoid"),
    "softplus.default": _activation("softplus", beta="beta", threshold="threshold"),
    "silu.default": _activation("silu"),
    "gelu.default": _activation("gelu", approximate="approximate"),
    "elu.default": _elu,
    "abs.default": _magnitude,
    "div.Tensor": _softsign,
    "add.Tensor": _add,
    "mean.dim": _mean,
}
for _rank in ("1d", "2d"):
    TRANSLATED |= {f"conv{_rank}.{form}": _convolution for form in ("default", "padding")}
    TRANSLATED |= {f"max_pool{_rank}.default": _max_pool, f"avg_pool{_rank}.default": _avg_pool}
    TRANSLATED |= {f"adaptive_avg_pool{_rank}.default": _adaptive_avg_pool}
    TRANSLATED |= {f"adaptive_max_pool{_rank}.default": _adaptive_max_pool}
TRANSLATED |= {
    f"{name.partition('.')[0]}_.{name.partition('.')[2]}": translate
    for name, translate in list(TRANSLATED.items())
    if name.partition(".")[0] in {"relu", "leaky_relu", "tanh", "sigmoid", "silu", "elu", "add"}
}
