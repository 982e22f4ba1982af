"""Reads the graph of a target network out of an `nn.Module`."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch._ops import OpOverload

from tombola.errors import UnsupportedModuleError

from ._aten import ALIASES, RESHAPES, SUPPORTED, TRANSLATED, Translated, operation_of, path_of, shape_of
from ._fold import diagonal, merged, normalised
from ._graph import INPUT, LAYER, AffineLayer, Graph, Node
from ._run import run

PROBE = 2  # random inputs on which the graph has to do what the model does
AGREEMENT = 1e-3  # relative, float32 against folded float32


def read_graph(model: nn.Module, example: Tensor) -> Graph:
    """The layers of a network and what lies between them, read at evaluation.

    Batch normalisation is folded into the layer before it, or becomes a diagonal layer of its own; dropout vanishes.

    Args:
        model: a network of the operations in `SUPPORTED`, as modules or functions. It is not changed, its train/eval
            mode included.
        example: one batch; it fixes the input shape.

    Returns:
        The graph. Weights are the model's own, detached, on the CPU.

    Raises:
        UnsupportedModuleError: if the graph holds anything else; it names where and what.
        ValueError: if the model does not run on the example, or a weight is NaN or infinite, or is not float32.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 2))
        >>> graph = read_graph(net, torch.zeros(1, 1, 4, 4))
        >>> [(node.name, node.op, node.shape) for node in graph.nodes]
        [('0', 'layer', (4, 2, 2)), ('flatten', 'flatten', (16,)), ('4', 'layer', (2,))]
        >>> [(layer.name, tuple(layer.weight.shape), layer.relu) for layer in graph.layers]
        [('0', (4, 1, 3, 3), True), ('4', (2, 16), False)]
    """
    with evaluating(model):
        _check_runs(model, example)
        graph = _Reader(model, _exported(model, example), len(example)).graph(tuple(example.shape[1:]))
        if not graph.is_dense_chain():
            _check_agrees(model, graph, example)
    return graph


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


def _run_once(model: nn.Module, example: Tensor) -> Any:  # noqa: ANN401 - what a forward returns
    buffers = {name: buffer.clone() for name, buffer in model.named_buffers()}  # a forward may change them
    with torch.no_grad():
        return torch.func.functional_call(model, buffers, (example,))


def _check_runs(model: nn.Module, example: Tensor) -> None:
    try:
        output = _run_once(model, example)
    except Exception as error:
        shape = tuple(example.shape)
        raise ValueError(f"the target does not run on an example of shape {shape}: {_first_line(error)}") from error
    if not isinstance(output, Tensor):
        raise UnsupportedModuleError("", f"a forward that returns {type(output).__name__}, not one tensor", SUPPORTED)


def _check_agrees(model: nn.Module, graph: Graph, example: Tensor) -> None:
    """Raises unless the graph does what the model does: a view that is written through would escape the reading."""
    generator = torch.Generator().manual_seed(0)
    probe = torch.randn((min(PROBE, len(example)), *example.shape[1:]), generator=generator)
    wanted = _run_once(model, probe.to(example.device)).cpu()
    found = run(graph, probe)
    if not torch.isfinite(wanted).all():
        return  # nothing to be learned where the model itself overflows
    if (found - wanted).abs().max() > AGREEMENT * wanted.abs().max().clamp(min=1e-30):
        raise UnsupportedModuleError("", "a forward that does not do what its graph says (a view?)", SUPPORTED)


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


class _Reader:
    """Nodes and layers so far, and which node holds the result of which operation of the exported program."""

    def __init__(self, model: nn.Module, program: torch.export.ExportedProgram, batch: int) -> None:
        self._program, self._batch = program, batch
        state = {
            **dict(model.named_parameters(remove_duplicate=False)),
            **dict(model.named_buffers(remove_duplicate=False)),
        }
        signature = program.graph_signature
        names = {**signature.inputs_to_parameters, **signature.inputs_to_buffers}
        self.parameters = {key: (name, state[name].detach().cpu()) for key, name in names.items()}
        self.nodes: list[Node] = []
        self.layers: dict[str, AffineLayer] = {}
        self._results: dict[fx.Node, str] = {}
        self._uses: dict[str, int] = {}

    def graph(self, input_shape: tuple[int, ...]) -> Graph:
        """Reads everything that the output depends on."""
        end, live = self._live()
        for node in live:
            self._results[node] = self._read(node)
        output = self._results[end]
        if not self.layers:
            raise UnsupportedModuleError("", "no Linear layer and no convolution", SUPPORTED)
        assert self.nodes[-1].name == output
        layers = tuple(_checked(self.layers[node.name]) for node in self.nodes if node.op == LAYER)
        return Graph(tuple(self.nodes), layers, input_shape)

    def _live(self) -> tuple[fx.Node, list[fx.Node]]:
        """The output, and the operations that it depends on, in order."""
        *others, output = self._program.graph.nodes
        (start,), (end, *more) = self._program.graph_signature.user_inputs, output.args[0]
        if more:
            raise UnsupportedModuleError("", "a forward that changes the model's buffers", SUPPORTED)
        wanted, fed = _ancestors(others, end), _descendants(others, str(start))
        self._results.update({node: INPUT for node in fed if node.op == "placeholder"})
        if end not in fed:
            raise UnsupportedModuleError(path_of(end), "an output that does not come from the input", SUPPORTED)
        live = [node for node in others if node in wanted and node in fed and node.op == "call_function"]
        _check_nothing_written(others, wanted)
        self._wanted = wanted
        return end, live

    def _read(self, node: fx.Node) -> str:
        """The name of the node that holds what an operation of the program computes."""
        name = operation_of(node)
        if name in ALIASES or (name == "dropout.default" and node.args[2] is False) or name == "getitem":
            return self._input(node)
        if name in RESHAPES:
            return self._reshape(node)
        if name == "batch_norm.default":
            return self._normalise(node)
        translate = TRANSLATED.get(name)
        if translate is None:
            raise UnsupportedModuleError(path_of(node), name.split(".")[0], SUPPORTED)
        result = translate(node, self.parameters)
        if result is None:
            return ""  # a part of a later operation
        return self._layer(node, result) if isinstance(result, AffineLayer) else self._node(node, result)

    def _input(self, node: fx.Node, argument: Any = None) -> str:  # noqa: ANN401 - arguments are anything
        """The name of the result that an operation takes."""
        taken = node.args[0] if argument is None else argument
        if not isinstance(taken, fx.Node) or not self._results.get(taken):
            found = f"{operation_of(node).split('.')[0]} of something that does not come from the input"
            raise UnsupportedModuleError(path_of(node), found, SUPPORTED)
        return self._results[taken]

    def _sole(self, node: fx.Node) -> bool:
        """Whether nothing else reads what this operation takes, through operations that change nothing included."""
        taken = node.args[0]
        while True:
            assert isinstance(taken, fx.Node)
            if sum(user in self._wanted or user.op == "output" for user in taken.users) > 1:
                return False
            if operation_of(taken) not in ALIASES | {"dropout.default"} | RESHAPES:
                return True
            taken = taken.args[0]

    def _reshape(self, node: fx.Node) -> str:
        before, after = shape_of(node.args[0]), shape_of(node)
        if after == before:
            return self._input(node)
        if len(after) != 2 or after[0] != self._batch:
            found = f"{operation_of(node)}, which does not flatten"
            raise UnsupportedModuleError(path_of(node), found, SUPPORTED)
        return self._append(node, Node("flatten", "flatten", (self._input(node),), after[1:]))

    def _node(self, node: fx.Node, found: Translated) -> str:
        inputs = tuple(self._input(node, argument) for argument in found.inputs)
        if found.op == "relu":
            layer = self.layers.get(inputs[0])
            if layer is not None and (layer.relu or self._sole(node)):
                self.layers[layer.name] = replace(layer, relu=True)
                return layer.name
        shape = shape_of(node)[1:]
        for op, settings, inner in found.before:
            inputs = (self._append(node, Node(op, op, inputs, inner, settings)),)
        return self._append(node, Node(node.name, found.op, inputs, shape, found.settings))

    def _append(self, node: fx.Node, made: Node) -> str:
        name = self._free(made.name)
        self.nodes.append(replace(made, name=name))
        return name

    def _free(self, name: str) -> str:
        """The name, with a number behind it if there is such a node already: addresses must differ."""
        self._uses[name] = self._uses.get(name, 0) + 1
        return name if self._uses[name] == 1 else self._free(f"{name}@{self._uses[name]}")

    def _layer(self, node: fx.Node, layer: AffineLayer) -> str:
        taken = self._input(node)
        before = self.layers.get(taken)
        if before and not before.relu and before.window is None and layer.window is None and self._sole(node):
            return self._replaced(taken, merged(before, layer), node)
        return self._new_layer(node, layer, taken)

    def _new_layer(self, node: fx.Node, layer: AffineLayer, taken: str) -> str:
        name = self._append(node, Node(layer.name, LAYER, (taken,), shape_of(node)[1:]))
        self.layers[name] = replace(layer, name=name)
        return name

    def _replaced(self, name: str, layer: AffineLayer, node: fx.Node) -> str:
        """The layer in place of the one of that name, which was the last to be read on its path."""
        position = next(k for k, one in enumerate(self.nodes) if one.name == name)
        shape = shape_of(node)[1:]
        self.nodes[position] = replace(self.nodes[position], name=layer.name, shape=shape)
        del self.layers[name]
        self.layers[layer.name] = layer
        for one, result in self._results.items():
            if result == name:
                self._results[one] = layer.name
        return layer.name

    def _normalise(self, node: fx.Node) -> str:
        """Batch normalisation: into the layer that alone it reads, or a diagonal layer."""
        entries = [None if argument is None else self.parameters[str(argument)] for argument in node.args[1:5]]
        if node.args[5] or entries[2] is None or entries[3] is None:
            raise UnsupportedModuleError(path_of(node), "batch_norm with the statistics of the batch", SUPPORTED)
        values = [None if entry is None else entry[1] for entry in entries]
        taken = self._input(node)
        before = self.layers.get(taken)
        if before is not None and not before.relu and self._sole(node):
            self.layers[taken] = normalised(before, values, float(node.args[7]))  # pyright: ignore
            return taken
        rank = len(shape_of(node)) - 2
        return self._new_layer(node, diagonal(path_of(node) or "norm", values, float(node.args[7]), rank), taken)  # pyright: ignore


def _ancestors(nodes: list[fx.Node], end: fx.Node) -> set[fx.Node]:
    """All that a node depends on, itself included."""
    wanted = {end}
    for node in reversed(nodes):
        if node in wanted:
            wanted.update(node.all_input_nodes)
    return wanted


def _descendants(nodes: list[fx.Node], start: str) -> set[fx.Node]:
    """All that depends on the placeholder of a name, itself included."""
    fed = {node for node in nodes if node.op == "placeholder" and node.name == start}
    for node in nodes:
        if not fed.isdisjoint(node.all_input_nodes):
            fed.add(node)
    return fed


def _check_nothing_written(nodes: list[fx.Node], wanted: set[fx.Node]) -> None:
    """Raises where something is changed in place that the output does not read through that operation."""
    for node in nodes:
        if node not in wanted and isinstance(node.target, OpOverload) and node.target._schema.is_mutable:
            found = f"{operation_of(node)} in place, beside the chain"
            raise UnsupportedModuleError(path_of(node), found, SUPPORTED)


def _checked(layer: AffineLayer) -> AffineLayer:
    for what, tensor in (("weight", layer.weight), ("bias", layer.bias)):
        if tensor is None:
            continue
        if tensor.dtype != torch.float32:
            raise ValueError(f"{layer.name}.{what} is {tensor.dtype}; convert the target with model.float() first")
        if not torch.isfinite(tensor).all():
            bad = int((~torch.isfinite(tensor)).sum())
            raise ValueError(f"{layer.name}.{what} has {bad} values that are NaN or infinite; a target must be finite")
    return layer
