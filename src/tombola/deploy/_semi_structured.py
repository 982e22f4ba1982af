"""A linear layer with two of four neighbouring weights, which tensor cores of NVIDIA GPUs multiply as they are.

References:
    [Mishra2021] A. Mishra et al., "Accelerating sparse deep neural networks", 2021.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.sparse import SparseSemiStructuredTensor, to_sparse_semi_structured

FOUR, TWO = 4, 2
HALVES = {torch.float16, torch.bfloat16}


def is_semi_structured(weight: Tensor) -> bool:
    """Whether a matrix has two numbers other than 0 at most in every four neighbours of a row."""
    return weight.shape[1] % FOUR == 0 and bool(((weight != 0).view(len(weight), -1, FOUR).sum(2) <= TWO).all())


def runs_semi_structured(layer: nn.Linear) -> bool:
    """Whether the weight is such a matrix, on a GPU that multiplies it in its shape and precision."""
    weight = layer.weight
    if not weight.is_cuda or weight.dtype not in HALVES or not is_semi_structured(weight):
        return False
    try:
        SemiStructuredLinear(layer, positive=False)(weight.new_zeros(FOUR, layer.in_features))
    except RuntimeError:  # of a GPU or a shape that cannot; which ones is told nowhere else
        return False
    return True


class SemiStructuredLinear(nn.Module):
    """A linear layer of two in four weights [Mishra2021], with a ReLU if asked: `(..., inputs)` to `(..., outputs)`.

    In half precision on CUDA. Its buffers are plain tensors, so that it can be copied and pickled.

    Args:
        layer: with zeros for pruned weights.
        positive: whether a ReLU follows.

    Raises:
        RuntimeError: if torch has no such matrix of the shape on the device.
    """

    packed: Tensor
    meta: Tensor | None
    bias: Tensor | None
    _weight: SparseSemiStructuredTensor | None = None  # made when first used, not copied with the module

    def __init__(self, layer: nn.Linear, *, positive: bool) -> None:
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch says once that these tensors are a prototype
            weight = to_sparse_semi_structured(layer.weight.detach().contiguous())
        self.positive, self.size, self.kind = positive, layer.weight.shape, type(weight)
        self.register_buffer("packed", weight.packed)
        self.register_buffer("meta", weight.meta)
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach().clone())

    def forward(self, x: Tensor) -> Tensor:
        """What the layer makes of inputs."""
        if self._weight is None:
            self._weight = self.kind(self.size, self.packed, self.meta, None, None, None)
        y = functional.linear(x.contiguous(), self._weight, self.bias)
        return functional.relu(y) if self.positive else y

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.size[1]} -> {self.size[0]}, two of four"

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> SemiStructuredLinear:
        self._weight = None
        return super()._apply(fn, recurse)

    def __getstate__(self) -> dict[str, Any]:
        """All but the tensor that wraps the buffers."""
        return {**self.__dict__, "_weight": None}
