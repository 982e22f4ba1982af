"""Multi-head attention as a target: its weights, and the merged matrices that its output depends on."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class MergedAttention:
    r"""What attention computes with: two matrices for each head, and biases.

    For tokens `x_t` the logits are `x_t query_key x_s + query_bias x_s`, their softmax over `s` averages
    `x_s value_output`; the heads and the bias are added up.

    Attributes:
        query_key: `(heads, d, d)` float64, rows for the query, the softmax scale included.
        query_bias: `(heads, d)` float64, or None. A key bias adds the same to all logits of a query, so that softmax
            does not see it.
        value_output: `(heads, d, outputs)` float64.
        bias: `(outputs,)` float64, or None: the output's bias and, as the rows of softmax sum to one, the value biases.
    """

    query_key: Float[np.ndarray, "heads d d"]
    query_bias: Float[np.ndarray, "heads d"] | None
    value_output: Float[np.ndarray, "heads d outputs"]
    bias: Float[np.ndarray, " outputs"] | None


@dataclass(frozen=True, eq=False)
class AttentionTarget:
    """The weights of multi-head attention, tokens as rows: head h has queries `x query[h] + query_bias[h]`, and so on.

    Attributes:
        query, key: `(heads, d, k)`.
        value: `(heads, d, v)`.
        output: `(heads, v, outputs)`; the heads are added up.
        scale: what the logits are multiplied by, as a rule `1 / sqrt(k)`.
        query_bias, key_bias: `(heads, k)` or None.
        value_bias: `(heads, v)` or None.
        output_bias: `(outputs,)` or None.

    Raises:
        ValueError: if a number is not finite, or a shape does not fit the others.

    Example:
        >>> import torch
        >>> target = AttentionTarget.of(nn.MultiheadAttention(8, 2))
        >>> target.merged().query_key.shape, target.merged().bias.shape
        ((2, 8, 8), (8,))
    """

    query: np.ndarray
    key: np.ndarray
    value: np.ndarray
    output: np.ndarray
    scale: float
    query_bias: np.ndarray | None = None
    key_bias: np.ndarray | None = None
    value_bias: np.ndarray | None = None
    output_bias: np.ndarray | None = None

    def __post_init__(self) -> None:
        arrays = {field.name: getattr(self, field.name) for field in fields(self) if field.name != "scale"}
        for name, array in arrays.items():
            wanted = self._shape(name)
            if array is not None and array.shape != wanted:
                raise ValueError(f"{name} has the shape {array.shape}, the other weights want {wanted}")
            if array is not None and not np.isfinite(array).all():
                raise ValueError(f"{name} holds numbers that are not finite")
        if not (np.isfinite(self.scale) and self.scale > 0):
            raise ValueError(f"scale must be a positive finite number, got {self.scale}")

    def _shape(self, name: str) -> tuple[int, ...]:
        if self.query.ndim != 3 or self.output.ndim != 3:
            raise ValueError(f"query and output have three axes, got {self.query.shape} and {self.output.shape}")
        heads, d, k = self.query.shape
        _, v, outputs = self.output.shape
        return {
            "query": (heads, d, k),
            "key": (heads, d, k),
            "value": (heads, d, v),
            "output": (heads, v, outputs),
            "query_bias": (heads, k),
            "key_bias": (heads, k),
            "value_bias": (heads, v),
            "output_bias": (outputs,),
        }[name]

    @classmethod
    def of(cls, module: nn.MultiheadAttention) -> AttentionTarget:
        """The weights of a torch module of self-attention.

        Raises:
            ValueError: if keys or values have dimensions of their own, extra rows (`add_bias_kv`, `add_zero_attn`).
        """
        weight = module.in_proj_weight
        if weight is None or module.bias_k is not None or module.add_zero_attn:
            raise ValueError("only self-attention is taken: no kdim, vdim, add_bias_kv or add_zero_attn")
        biases = (None,) * 3 if module.in_proj_bias is None else module.in_proj_bias.chunk(3)
        projections = list(zip(weight.chunk(3), biases, strict=True))
        return cls.from_projections(projections, (module.out_proj.weight, module.out_proj.bias), module.num_heads)

    @classmethod
    def from_projections(
        cls, projections: list[tuple[Tensor, Tensor | None]], output: tuple[Tensor, Tensor | None], heads: int
    ) -> AttentionTarget:
        """The target from the weights `(out, in)` and biases of the dense layers of query, key, value and output.

        Each of the first three holds its heads one after the other, the output reads them so.
        """
        weights = [_array(weight) for weight, _ in projections]
        query, key, value = (weight.reshape(heads, -1, weight.shape[1]).transpose(0, 2, 1) for weight in weights)
        biases = [None if bias is None else _array(bias).reshape(heads, -1) for _, bias in projections]
        last = _array(output[0])
        return cls(
            query,
            key,
            value,
            last.T.reshape(heads, -1, last.shape[0]),
            scale=query.shape[2] ** -0.5,
            query_bias=biases[0],
            key_bias=biases[1],
            value_bias=biases[2],
            output_bias=None if output[1] is None else _array(output[1]),
        )

    def merged(self) -> MergedAttention:
        """The matrices that the output depends on, in float64."""
        query, key, value, output = (_double(array) for array in (self.query, self.key, self.value, self.output))
        keys = key.transpose(0, 2, 1) * self.scale
        query_bias = None if self.query_bias is None else (_double(self.query_bias)[:, None] @ keys)[:, 0]
        parts = [] if self.value_bias is None else [np.einsum("hv,hvo->o", _double(self.value_bias), output)]
        parts += [] if self.output_bias is None else [_double(self.output_bias)]
        return MergedAttention(query @ keys, query_bias, value @ output, np.sum(parts, axis=0) if parts else None)


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy()


def _double(array: np.ndarray) -> np.ndarray:
    return array.astype(np.float64)
