"""A linear layer in torch's compressed rows, which on a CPU runs in MKL where torch has it."""

from __future__ import annotations

import warnings
from functools import cache

import torch
from torch import Tensor, nn
from torch.nn import functional

torch.library.define(
    "tombola::csr_linear", "(Tensor x, Tensor rows, Tensor columns, Tensor values, Tensor? bias) -> Tensor"
)


class CsrLinear(nn.Module):
    """A linear layer of kept weights alone, with a ReLU if asked for: `(..., inputs)` to `(..., outputs)` float32.

    Its buffers are plain tensors, so that it can be copied, pickled, compiled and exported as tensors in compressed
    rows cannot.

    Args:
        layer: with zeros for pruned weights.
        positive: whether a ReLU follows.

    Example:
        >>> layer, x = nn.Linear(3, 2), torch.ones(1, 3)
        >>> with torch.no_grad():
        ...     error = (CsrLinear(layer, positive=False)(x) - layer(x)).abs().max()
        >>> float(error) < 1e-6
        True
    """

    rows: Tensor
    columns: Tensor
    values: Tensor
    bias: Tensor | None

    def __init__(self, layer: nn.Linear, *, positive: bool) -> None:
        super().__init__()
        _warned()
        weight = layer.weight.detach().cpu().float().to_sparse_csr()
        self.positive = positive
        self.inputs = layer.in_features
        self.register_buffer("rows", weight.crow_indices().int())
        self.register_buffer("columns", weight.col_indices().int())
        self.register_buffer("values", weight.values().clone())  # no view of a tensor in compressed rows
        self.register_buffer("bias", None if layer.bias is None else layer.bias.detach().cpu().float().clone())

    def forward(self, x: Tensor) -> Tensor:
        """What the layer makes of inputs."""
        run = torch.ops.tombola.csr_linear if torch.compiler.is_compiling() else _run
        y = run(x, self.rows, self.columns, self.values, self.bias)
        return functional.relu(y) if self.positive else y

    def extra_repr(self) -> str:
        """The sizes, and how many numbers are held."""
        return f"{self.inputs} -> {len(self.rows) - 1}, values={len(self.values)}"


@cache
def _warned() -> None:
    """Makes a first tensor in compressed rows, of which torch says once that it is beta."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.eye(1).to_sparse_csr()


def _run(x: Tensor, rows: Tensor, columns: Tensor, values: Tensor, bias: Tensor | None) -> Tensor:
    _warned()
    if x.requires_grad and torch.is_grad_enabled():
        raise RuntimeError("sparse layers are for inference; take gradients through the masked model")
    size, flat = (len(rows) - 1, x.shape[-1]), x if x.ndim == 2 else x.reshape(-1, x.shape[-1])
    weight = torch.sparse_csr_tensor(rows, columns, values, size, check_invariants=False)
    y = functional.linear(flat, weight, bias)
    return y if x.ndim == 2 else y.reshape(*x.shape[:-1], size[0])


def _shape(x: Tensor, rows: Tensor, columns: Tensor, values: Tensor, bias: Tensor | None) -> Tensor:
    return x.new_empty(*x.shape[:-1], rows.shape[0] - 1)


torch.library.impl("tombola::csr_linear", "cpu", _run)
torch.library.register_fake("tombola::csr_linear", _shape)
