"""Reads the layers of a target network out of any `nn.Module` whose graph is a chain of dense layers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor, fx, nn

from .errors import UnsupportedModuleError

SUPPORTED = ("Linear", "ReLU", "Flatten", "Dropout (at evaluation)", "Identity")
RESHAPES = {"flatten.using_ints", "view.default", "reshape.default", "_unsafe_view.default"}
NOTHING = {"dropout.default", "clone.default", "alias.default", "contiguous.default", "detach.default"}
RELUS = {"relu.default", "relu_.default"}


@dataclass(frozen=True)
class DenseLayer:
    """One affine map of a target network, with a ReLU after it or not.

    Attributes:
        name: module path of the layer; `a*b` for two that nothing separates (their product is one affine map).
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
        One record per affine map. Weights are the model's own, detached.

    Raises:
        UnsupportedModuleError: if the graph holds anything else; it names where and what.
        ValueError: if a weight is NaN or infinite, or is not float32.

    Example:
        >>> net = nn.Sequential(nn.Flatten(), nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2))
        >>> [(layer.name, tuple(layer.weight.shape), layer.relu) for layer in dense_layers(net, torch.zeros(1, 2, 3))]
        [('1', (4, 6), True), ('3', (2, 4), False)]
    """
    nodes, parameters = _exported(model, example)
    layers: list[DenseLayer] = []
    current = next(node for node in nodes if node.op == "placeholder" and node.name not in parameters)
    for node in nodes:
        if node.op in {"placeholder", "output"}:
            continue
        operation = str(node.target).removeprefix("aten.")
        if operation == "_assert_tensor_metadata.default" or not node.users:
            continue
        if node.op != "call_function" or not node.args or node.args[0] is not current:
            raise UnsupportedModuleError(_path(node), f"{operation}, which leaves the chain of layers", SUPPORTED)
        _append(layers, node, operation, parameters, example)
        current = node
    if not layers:
        raise UnsupportedModuleError("", "no Linear layer", SUPPORTED)
    return [_checked(layer) for layer in layers]


def _exported(model: nn.Module, example: Tensor) -> tuple[list[fx.Node], dict[str, tuple[str, Tensor]]]:
    training = {name: module.training for name, module in model.named_modules()}
    model.eval()
    try:
        program = torch.export.export(model, (example,))
    finally:
        for name, module in model.named_modules():
            module.training = training[name]
    state = {**dict(model.named_parameters(remove_duplicate=False)), **dict(model.named_buffers())}
    signature = program.graph_signature
    names = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
    return list(program.graph.nodes), {key: (name, state[name].detach()) for key, name in names.items()}


def _append(
    layers: list[DenseLayer], node: fx.Node, operation: str, parameters: dict[str, tuple[str, Tensor]], example: Tensor
) -> None:
    """Adds what one operation of the chain does to the list of layers."""
    if operation == "linear.default":
        tensors = [parameters[argument.name] if isinstance(argument, fx.Node) else None for argument in node.args[1:]]
        name, weight = tensors[0] or ("", torch.empty(0))
        bias = tensors[1][1] if len(tensors) > 1 and tensors[1] else None
        layer = DenseLayer(name.removesuffix(".weight").removesuffix("weight") or "linear", weight, bias)
        if node.meta["val"].ndim != 2:
            raise UnsupportedModuleError(_path(node), "Linear on more than one axis", SUPPORTED)
        if layers and not layers[-1].relu:
            layers[-1] = _merged(layers[-1], layer)
        else:
            layers.append(layer)
    elif operation in RELUS:
        if not layers:
            raise UnsupportedModuleError(_path(node), "ReLU before the first Linear", SUPPORTED)
        layers[-1] = replace(layers[-1], relu=True)
    elif operation in RESHAPES:
        if node.meta["val"].shape != (len(example), node.meta["val"][0].numel()):
            raise UnsupportedModuleError(_path(node), f"{operation}, which does not flatten", SUPPORTED)
    elif operation not in NOTHING or (operation == "dropout.default" and node.args[2]):
        raise UnsupportedModuleError(_path(node), operation.split(".")[0], SUPPORTED)


def _merged(first: DenseLayer, second: DenseLayer) -> DenseLayer:
    """Two affine maps in a row as one; the product is computed in float64 and rounded once."""
    outer = second.weight.double()
    bias = None
    if first.bias is not None or second.bias is not None:
        inner = torch.zeros(len(first.weight)) if first.bias is None else first.bias
        bias = outer @ inner.double() + (0 if second.bias is None else second.bias.double())
        bias = bias.float()
    return DenseLayer(f"{first.name}*{second.name}", (outer @ first.weight.double()).float(), bias)


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
