"""Layers that hold and multiply kept weights alone, as operators that torch knows of; for inference on a CPU."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from math import prod
from operator import is_
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.utils import _pair

from ._quads import FOUR, quads

SHORT = 2**16  # columns that an index of 16 bits tells apart
BUFFERS = ("values", "columns", "starts", "bias")
OF_BUFFERS = ", ".join(f"Tensor {name}" for name in BUFFERS)

torch.library.define("tombola::sparse_chain", f"(Tensor x, int inputs, int[] layers, {OF_BUFFERS}) -> Tensor")
torch.library.define(
    "tombola::sparse_convolution",
    f"(Tensor x, int[] inputs, int[] geometry, bool positive, int[] size, {OF_BUFFERS}) -> Tensor",
)


class _Sparse(nn.Module):
    """The four arrays of a matrix and its bias, as buffers, and as NumPy arrays over the same memory."""

    values: Tensor
    columns: Tensor
    starts: Tensor
    bias: Tensor
    _views: tuple[np.ndarray, ...] | None = None  # made when first used, not copied with the module
    _viewed: tuple[Tensor | None, ...] = ()

    def _hold(self, *buffers: Tensor) -> None:
        for name, buffer in zip(BUFFERS, buffers, strict=True):
            self.register_buffer(name, buffer)

    def _buffers_in_order(self) -> list[Tensor]:
        return [getattr(self, name) for name in BUFFERS]

    def _arrays(self) -> tuple[np.ndarray, ...]:
        buffers = tuple(self._buffers.values())
        if self._views is None or not all(map(is_, buffers, self._viewed)):  # others may have been put in their place
            self._views, self._viewed = _arrays(*self._buffers_in_order()), buffers
        return self._views

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> _Sparse:
        self._views, self._viewed = None, ()
        return super()._apply(fn, recurse)

    def __getstate__(self) -> dict[str, Any]:
        """All but the arrays."""
        return {**self.__dict__, "_views": None, "_viewed": ()}


class SparseChain(_Sparse):
    """Linear layers, some with a ReLU behind them, in one call: `(..., inputs)` to `(..., outputs)` float32.

    Args:
        layers: in order, with zeros for pruned weights.
        positive: whether a ReLU follows each of them.
        blocks: whether each is held in bands of four rows, a column of which is held if one of them keeps a weight.
        flat: whether all axes behind that of the batch are flattened first.

    Example:
        >>> layer = nn.Linear(3, 2)
        >>> _ = layer.weight.detach()[0].zero_()
        >>> with torch.no_grad():
        ...     error = (SparseChain([layer], [False], [False])(torch.ones(1, 3)) - layer(torch.ones(1, 3))).abs().max()
        >>> float(error) < 1e-6
        True
    """

    def __init__(
        self, layers: Sequence[nn.Linear], positive: Sequence[bool], blocks: Sequence[bool], *, flat: bool = False
    ) -> None:
        super().__init__()
        heights = [_height(each) for each in blocks]
        self.inputs, self.flat = layers[0].in_features, flat
        parts = [quads(layer.weight, height) for layer, height in zip(layers, heights, strict=True)]
        outputs = [layer.out_features for layer in layers]
        self.layers = [int(each) for layer in zip(outputs, heights, positive, strict=True) for each in layer]
        self._layers = np.array(self.layers).reshape(-1, 3)
        widest = max(layer.in_features for layer in layers)
        self._hold(
            torch.cat([part.values for part in parts]),
            _index(torch.cat([part.columns for part in parts]), widest),
            torch.cat([part.starts for part in parts]),
            torch.cat([_bias(layer, height) for layer, height in zip(layers, heights, strict=True)]),
        )

    def forward(self, x: Tensor) -> Tensor:
        """What the layers make of inputs."""
        if torch.compiler.is_compiling():
            x = x.flatten(1) if self.flat else x
            return torch.ops.tombola.sparse_chain(x, self.inputs, self.layers, *self._buffers_in_order())
        return _run_chain(x, self.inputs, self._layers, self._arrays(), flat=self.flat)

    def extra_repr(self) -> str:
        """The sizes, and how many numbers are held."""
        return f"{' -> '.join(map(str, [self.inputs, *self.layers[::3]]))}, values={len(self.values)}"


class SparseConv2d(_Sparse):
    """A convolution `(batch, inputs, rows, columns)` float32 of kept weights alone, with a ReLU behind it if asked for.

    Args:
        layer: with one group and zeros as padding, and zeros for pruned weights.
        size: rows and columns of its inputs.
        positive: whether a ReLU follows.
        blocks: whether it is held in bands of four output channels.

    Example:
        >>> layer, x = nn.Conv2d(2, 3, 3, padding=1, stride=2), torch.ones(1, 2, 7, 7)
        >>> with torch.no_grad():
        ...     error = (SparseConv2d(layer, (7, 7), positive=False, blocks=False)(x) - layer(x)).abs().max()
        >>> float(error) < 1e-6
        True
    """

    def __init__(self, layer: nn.Conv2d, size: Sequence[int], *, positive: bool, blocks: bool) -> None:
        super().__init__()
        padding, stride, dilation = (_pair(each) for each in (layer.padding, layer.stride, layer.dilation))
        reach = [d * (k - 1) for d, k in zip(dilation, layer.kernel_size, strict=True)]
        planes = [-(-(n + 2 * p) // s) for n, p, s in zip(size, padding, stride, strict=True)]
        self.positive, self.inputs = positive, [layer.in_channels, *size]
        made = [(n + 2 * p - r - 1) // s + 1 for n, p, r, s in zip(size, padding, reach, stride, strict=True)]
        self.size = [layer.out_channels, *made]
        self.geometry = [value for each in zip(padding, stride, planes, strict=True) for value in each]
        height, places = _height(blocks), _places(layer, stride, dilation, planes)
        found = quads(layer.weight.flatten(1), height)
        columns = _index(places[found.columns.long()], int(places.max()) + 1)
        self._hold(found.values, columns, found.starts, _bias(layer, height))

    def forward(self, x: Tensor) -> Tensor:
        """The convolution of inputs."""
        plan = self.inputs, self.geometry, self.positive, self.size
        if torch.compiler.is_compiling():
            return torch.ops.tombola.sparse_convolution(x, *plan, *self._buffers_in_order())
        return _run_convolution(x, *plan, self._arrays())

    def extra_repr(self) -> str:
        """The shapes, and how many numbers are held."""
        return f"{self.inputs} -> {self.size}, values={len(self.values)}"


def _places(layer: nn.Conv2d, stride: Sequence[int], dilation: Sequence[int], planes: Sequence[int]) -> Tensor:
    """Where the inputs begin that each weight of an output channel meets, in planes by remainders of the stride."""
    down, right = (torch.arange(k) * d for k, d in zip(layer.kernel_size, dilation, strict=True))
    plane = (down % stride[0])[:, None] * stride[1] + right % stride[1]
    within = (down // stride[0])[:, None] * planes[1] + right // stride[1]
    channel = torch.arange(layer.in_channels)[:, None, None] * stride[0] * stride[1]
    return ((channel + plane) * planes[0] * planes[1] + within).flatten().int()


def _index(columns: Tensor, count: int) -> Tensor:
    """Columns in 16 bits, if that is enough; with a sign, since torch does not load others everywhere."""
    return columns.to(torch.uint16).view(torch.int16) if count <= SHORT else columns.int()


def _height(blocks: bool) -> int:
    """Rows of a band."""
    return FOUR if blocks else 1


def _bias(layer: nn.Linear | nn.Conv2d, height: int) -> Tensor:
    """Of each row, with zeros where rows fill up a band."""
    rows = len(layer.weight)
    found = torch.zeros(rows + -rows % height)
    if layer.bias is not None:
        found[:rows] = layer.bias.detach()
    return found


@cache
def _kernels() -> ModuleType:
    """Imported, and compiled, when first used."""
    from . import _kernels as kernels

    return kernels


def _arrays(*tensors: Tensor) -> tuple[np.ndarray, ...]:
    """The numbers of a layer.

    Raises:
        TypeError: if they are not float32 on the CPU any more.
    """
    if tensors[0].dtype != torch.float32 or tensors[0].device.type != "cpu":
        raise TypeError(f"sparse layers run in float32 on the CPU, not in {tensors[0].dtype} on {tensors[0].device}")
    values, columns, starts, bias = (tensor.numpy() for tensor in tensors)
    return values, columns.view(np.uint16) if columns.itemsize == 2 else columns, starts, bias


def _checked(x: Tensor) -> np.ndarray:
    """Inputs as an array.

    Raises:
        TypeError: for numbers that are not float32 on the CPU.
        RuntimeError: if a gradient is asked for.
    """
    if x.dtype != torch.float32 or x.is_cuda:
        raise TypeError(f"sparse layers take float32 on the CPU, got {x.dtype} on {x.device}")
    if x.requires_grad:
        if torch.is_grad_enabled():
            raise RuntimeError("sparse layers are for inference; take gradients through the masked model")
        x = x.detach()
    return x.contiguous().numpy()


def _run_chain(
    x: Tensor, inputs: int, layers: np.ndarray, arrays: tuple[np.ndarray, ...], *, flat: bool = False
) -> Tensor:
    taken = _checked(x)
    if flat and taken.ndim != 2:  # (batch, features)
        taken = taken.reshape(len(taken), prod(taken.shape[1:]))
    if taken.shape[-1] != inputs:
        raise ValueError(f"inputs have {taken.shape[-1]} numbers each, the first layer takes {inputs}")
    if taken.ndim == 2:  # (batch, features)
        made = np.empty((taken.shape[0], layers[-1, 0]), np.float32)
        _kernels().chain(taken, layers, *arrays, made)
        return torch.from_numpy(made)
    made = _run_chain(x.reshape(-1, inputs), inputs, layers, arrays)
    return made.reshape(*x.shape[:-1], made.shape[1])


def _run_convolution(
    x: Tensor, inputs: list[int], geometry: list[int], positive: bool, size: list[int], arrays: tuple[np.ndarray, ...]
) -> Tensor:
    if list(x.shape[1:]) != inputs:
        raise ValueError(f"this layer was made for images of {inputs}, got {list(x.shape[1:])}")
    y = torch.empty(len(x), *size)
    _kernels().convolution(_checked(x), np.array(geometry).reshape(2, 3), positive, *arrays, y.numpy())
    return y


def _chain(x: Tensor, inputs: int, layers: list[int], *buffers: Tensor) -> Tensor:
    return _run_chain(x, inputs, np.array(layers).reshape(-1, 3), _arrays(*buffers))


def _convolution(
    x: Tensor, inputs: list[int], geometry: list[int], positive: bool, size: list[int], *buffers: Tensor
) -> Tensor:
    return _run_convolution(x, inputs, geometry, positive, size, _arrays(*buffers))


def _chain_shape(x: Tensor, inputs: int, layers: list[int], *buffers: Tensor) -> Tensor:
    return x.new_empty(*x.shape[:-1], layers[-3])


def _convolution_shape(
    x: Tensor, inputs: list[int], geometry: list[int], positive: bool, size: list[int], *buffers: Tensor
) -> Tensor:
    return x.new_empty(x.shape[0], *size)


torch.library.impl("tombola::sparse_chain", "cpu", _chain)
torch.library.impl("tombola::sparse_convolution", "cpu", _convolution)
torch.library.register_fake("tombola::sparse_chain", _chain_shape)
torch.library.register_fake("tombola::sparse_convolution", _convolution_shape)
