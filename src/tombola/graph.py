"""Reads the layers of a target network out of any `nn.Module` whose graph is a chain of dense layers."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, redirect_stderr
from dataclasses import dataclass, replace

import torch
from torch import Tensor, fx, nn
from torch._ops import OpOverload

from .errors import UnsupportedModuleError

SUPPORTED = ("Linear", "ReLU", "Flatten", "Dropout (at evaluation)", "Identity")
RESHAPES = {"flatten.using_ints", "view.default", "reshape.default", "_unsafe_view.default"}
NOTHING = {"clone.default", "alias.default", "contiguous.default", "detach.default"}
RELUS = {"relu.default", "relu_.default"}

Named = Mapping[str, tuple[str, Tensor]]


@dataclass(frozen=True, eq=False)
class DenseLayer:
    """One affine map of a target network, with a ReLU after it or not.

    Attributes:
        name: module path of the layer; `a*b` for two that nothing separates (their product is one affine map); `a@2`
            for the second use of a layer that is used more than once.
        weight: `(outputs, inputs)` float32.
        bias: `(outputs,)` float32, or None.
        relu: whether a ReLU follows.
    """

    name: str
    weight: Tensor
    bias: Tensor | None
    relu: bool = False

    @property
    def parameters(self) -> int:
        """How many weights and biases."""
        return self.weight.numel() + (0 if self.bias is None else self.bias.numel())


def dense_layers(model: nn.Module, example: Tensor) -> list[DenseLayer]:
    """The dense layers of a network, in order, read from its graph at evaluation.

    Args:
        model: Linear (with or without bias), ReLU, Flatten, Dropout, Identity, as modules or functions, in a chain. The
            model is not changed, its train/eval mode included.
        example: one batch; it fixes the input shape.

    Returns:
        One record per affine map. Weights are the model's own, detached, on the CPU.

    Raises:
        UnsupportedModuleError: if the graph holds anything else; it names where and what.
        ValueError: if the model does not run on the example, or a weight is NaN or infinite, or is not float32.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2))
        >>> [(layer.name, tuple(layer.weight.shape), layer.relu) for layer in dense_layers(net, torch.zeros(1, 2, 3))]
        [('1', (4, 6), True), ('3', (2, 4), False)]
    """
    with evaluating(model):
        _check_runs(model, example)
        program = _exported(model, example)
    parameters = _parameters(model, program)
    layers: list[DenseLayer] = []
    for node in _chain(program):
        _append(layers, node, parameters, len(example))
    if not layers:
        raise UnsupportedModuleError("", "no Linear layer", SUPPORTED)
    return [_checked(layer) for layer in _uniquely_named(layers)]


@contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """A block in which the model is at evaluation; afterwards every module is in its own mode again."""
    training = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, mode in training.items():
            module.training = mode


def _check_runs(model: nn.Module, example: Tensor) -> None:
    try:
        buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}  # a forward may change them
        with torch.no_grad():
            output = torch.func.functional_call(model, buffers, (example,))
    except Exception as error:
        shape = tuple(example.shape)
        raise ValueError(f"the target does not run on an example of shape {shape}: {_first_line(error)}") from error
    if not isinstance(output, Tensor):
        raise UnsupportedModuleError("", f"a forward that returns {type(output).__name__}, not one tensor", SUPPORTED)


def _exported(model: nn.Module, example: Tensor) -> torch.export.ExportedProgram:
    try:
        with redirect_stderr(io.StringIO()):  # where it fails, torch prints the whole graph
            return torch.export.export(model, (example,))
    except Exception as error:
        found = f"a forward that torch.export cannot read ({_first_line(error)})"
        raise UnsupportedModuleError("", found, SUPPORTED) from error


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines() or ["no message"]
    return f"{type(error).__name__}: {lines[0]}"


def _parameters(model: nn.Module, program: torch.export.ExportedProgram) -> dict[str, tuple[str, Tensor]]:
    """Name in the model and value of every parameter and buffer, by its name in the graph."""
    state = {
        **dict(model.named_parameters(remove_duplicate=False)),
        **dict(model.named_buffers(remove_duplicate=False)),
    }
    signature = program.graph_signature
    names = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    return {key: (name, state[name].detach().cpu()) for key, name in names.items()}


def _chain(program: torch.export.ExportedProgram) -> list[fx.Node]:
    """The operations that lead from the input to the output, each of which takes the result of the one before it."""
    *others, output = program.graph.nodes
    (start,), (node, *more) = program.graph_signature.user_inputs, output.args[0]
    if more:
        raise UnsupportedModuleError("", "a forward that changes the model's buffers", SUPPORTED)
    chain = []
    while node.name != start:
        if node.op != "call_function" or not isinstance(node.args[0], fx.Node):
            raise UnsupportedModuleError(_path(node), "an output that does not come from the input", SUPPORTED)
        chain.append(node)
        node = node.args[0]
    for other in others:
        if other not in chain and isinstance(other.target, OpOverload) and other.target._schema.is_mutable:
            raise UnsupportedModuleError(_path(other), f"{_operation(other)} in place, beside the chain", SUPPORTED)
    return chain[::-1]


def _operation(node: fx.Node) -> str:
    return str(node.target).removeprefix("aten.")


def _append(layers: list[DenseLayer], node: fx.Node, parameters: Named, batch: int) -> None:
    """Adds what one operation of the chain does to the list of layers."""
    operation = _operation(node)
    if operation == "linear.default":
        layer = _linear(node, parameters)
        if layers and not layers[-1].relu:
            layers[-1] = _merged(layers[-1], layer)
        else:
            layers.append(layer)
    elif operation in RELUS:
        if not layers:
            raise UnsupportedModuleError(_path(node), "ReLU before the first Linear", SUPPORTED)
        layers[-1] = replace(layers[-1], relu=True)
    elif operation in RESHAPES:
        shape = node.meta["val"].shape
        if len(shape) != 2 or shape[0] != batch:
            raise UnsupportedModuleError(_path(node), f"{operation}, which does not flatten", SUPPORTED)
    elif operation not in NOTHING and not (operation == "dropout.default" and node.args[2] is False):
        raise UnsupportedModuleError(_path(node), operation.split(".")[0], SUPPORTED)


def _linear(node: fx.Node, parameters: Named) -> DenseLayer:
    """The layer of one `linear` operation, without ReLU."""
    if node.meta["val"].ndim != 2:
        raise UnsupportedModuleError(_path(node), "Linear on other than (batch, features)", SUPPORTED)
    found = [parameters.get(str(argument)) for argument in node.args[1:] if argument is not None]
    if None in found:
        raise UnsupportedModuleError(_path(node), "Linear with a weight or bias that is no parameter", SUPPORTED)
    (name, weight), *bias = [entry for entry in found if entry is not None]
    layer = name.removesuffix(".weight").removesuffix("weight") or "linear"
    return DenseLayer(layer, weight, bias[0][1] if bias else None)


def _merged(first: DenseLayer, second: DenseLayer) -> DenseLayer:
    """Two affine maps in a row as one; the product is computed in float64 and rounded once."""
    outer = second.weight.double()
    bias = None
    if first.bias is not None or second.bias is not None:
        inner = torch.zeros(len(first.weight)) if first.bias is None else first.bias
        bias = outer @ inner.double() + (0 if second.bias is None else second.bias.double())
        bias = bias.float()
    return DenseLayer(f"{first.name}*{second.name}", (outer @ first.weight.double()).float(), bias)


def _uniquely_named(layers: Sequence[DenseLayer]) -> Iterator[DenseLayer]:
    """The layers, those that come again with a number behind their name: addresses must differ."""
    uses: dict[str, int] = {}
    for layer in layers:
        uses[layer.name] = uses.get(layer.name, 0) + 1
        yield layer if uses[layer.name] == 1 else replace(layer, name=f"{layer.name}@{uses[layer.name]}")


def _path(node: fx.Node) -> str:
    stack: Sequence[tuple[str, str]] = list((node.meta.get("nn_module_stack") or {}).values())
    return stack[-1][0] if stack else ""


def _checked(layer: DenseLayer) -> DenseLayer:
    for what, tensor in (("weight", layer.weight), ("bias", layer.bias)):
        if tensor is None:
            continue
        if tensor.dtype != torch.float32:
            raise ValueError(f"{layer.name}.{what} is {tensor.dtype}; convert the target with model.float() first")
        if not torch.isfinite(tensor).all():
            bad = int((~torch.isfinite(tensor)).sum())
            raise ValueError(f"{layer.name}.{what} has {bad} values that are NaN or infinite; a target must be finite")
    return layer
