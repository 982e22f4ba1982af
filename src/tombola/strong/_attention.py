"""Strong tickets for multi-head attention: one pruned product for queries and keys, one for values and output.

[Otsuka2025] Otsuka, Chijiwa, Okoshi, Fujiki, Takeuchi, Motomura, "The strong lottery ticket hypothesis for multi-head
attention mechanisms", arXiv 2511.04217.

Attention depends on the products `W_Q W_K^T / sqrt(k)` and `W_V W_O` alone. A random attention of the same depth and a
greater inner dimension `n` holds, for each, a linear gadget (`_linear_gadget.py`). Its queries and keys are uniform on
(-n^(1/4), n^(1/4)), keys times a power of two that suits the target, and its softmax divides by `sqrt(n)` as any does:
the products of kept weights then have the size that they have for any n. Values and output are uniform on (-1, 1), the
output times a power of two.

Query biases are one more input that is 1. Key biases shift all logits of a query alike and drop out. Value biases and
the output's bias come to one vector, since rows of softmax sum to one: units of the first head that keep their own
value bias alone carry it.

Deviations from the paper: biases; sources scaled to the target instead of targets of norm 1; units are handed out as
needed (`adaptive_units`; the paper's equal blocks are `BlindUnits`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from tombola.engines import Workers
from tombola.graph import AffineLayer
from tombola.random_source import Source
from tombola.subset_sum import sparsest
from tombola.ticket import MaskedTensor

from ._adaptive import Solver
from ._attention_bound import attention_error_bound
from ._attention_target import AttentionTarget, MergedAttention
from ._linear_gadget import Allocation, LinearGadget, adaptive_units, build_gadgets, masked_values
from ._pruned_attention import PrunedAttention
from ._tolerance import Tolerance

PARTS = ("query", "query.bias", "key", "value", "value.bias", "output")


@dataclass(frozen=True, eq=False)
class AttentionTicket:
    """Masks on a random multi-head attention that make it compute what a target attention computes.

    Attributes:
        name: what the names of its tensors begin with.
        source: where all values come from.
        width: query and key dimensions of each head of the source.
        value_width: value dimensions of each head of the source.
        tensors: the source's tensors and their masks: `<name>.<head>.query`, `.query.bias`, `.key`, `.value`,
            `.value.bias` (rows: dimensions of the head) and `.output` (transposed).
        target: the target's merged matrices.
        merged: the ticket's, summed in float64 from masks and source.
        query_key_error: `(heads,)` the largest |merged - target| of an entry, biases included.
        value_output_error: `(heads,)` the same; the bias counts with the first head.
        failures: entries that miss their tolerance.
    """

    name: str
    source: Source
    width: int
    value_width: int
    tensors: dict[str, MaskedTensor]
    target: MergedAttention
    merged: MergedAttention
    query_key_error: np.ndarray
    value_output_error: np.ndarray
    failures: int

    @property
    def heads(self) -> int:
        """How many heads target and source have."""
        return len(self.target.query_key)

    @property
    def kept(self) -> int:
        """How many weights of the source are kept."""
        return sum(tensor.mask.kept for tensor in self.tensors.values())

    @property
    def source_parameters(self) -> int:
        """How many weights the source has, kept or not."""
        return sum(math.prod(tensor.mask.shape) for tensor in self.tensors.values())

    def error_bound(self, radius: float) -> float:
        """A proved bound of the output's error at every token; see `attention_error_bound`."""
        return attention_error_bound(self.target, self.merged, radius)

    def module(self) -> PrunedAttention:
        """The source's attention with its pruned weights at zero."""
        parts = {name: [torch.from_numpy(values) for values in self._values(name)] for name in PARTS}
        return PrunedAttention(
            _linear(torch.cat(parts["query"]), parts["query.bias"]),
            _linear(torch.cat(parts["key"]), []),
            _linear(torch.cat(parts["value"]), parts["value.bias"]),
            _linear(torch.cat(parts["output"]).T, []),
            heads=self.heads,
        )

    def report(self) -> dict[str, Any]:
        """Sizes and errors as JSON data."""
        merged = [part for part in vars(self.target).values() if part is not None]
        return {
            "heads": self.heads,
            "width": self.width,
            "value_width": self.value_width,
            "merged_parameters": sum(part.size for part in merged),
            "source_parameters": self.source_parameters,
            "kept": self.kept,
            "failures": self.failures,
            "max_query_key_error": float(self.query_key_error.max()),
            "max_value_output_error": float(self.value_output_error.max()),
        }

    def _values(self, part: str) -> list[np.ndarray]:
        """The masked values of one tensor of each head; none where the attention has no such bias."""
        names = [f"{self.name}.{head}.{part}" for head in range(self.heads)]
        return [masked_values(self.tensors[name], name, self.source) for name in names if name in self.tensors]


def attention_ticket(
    target: AttentionTarget,
    *,
    seed: int = 0,
    name: str = "attention",
    solver: Solver = sparsest,
    tolerance: Tolerance | None = None,
    allocation: Allocation = adaptive_units,
    workers: Workers | None = None,
) -> AttentionTicket:
    """A strong ticket for multi-head attention [Otsuka2025, Thm. 3]: masks on a random one of the same depth.

    Every entry of a merged matrix is a subset sum of products of two kept weights. That all entries meet the tolerance
    is heuristic and reported; the sums, the errors and `error_bound` are exact.

    Args:
        target: the weights; `AttentionTarget.of` takes them from a torch module.
        seed: of the random parent.
        name: what the parent's tensors are called; attentions of one network need different ones.
        solver: `sparsest` (fewest edges), `nearest` (smallest error) or `lightest`.
        tolerance: for the entries of the merged matrices, head by head; default: 1 % of the largest of each.
        allocation: `adaptive_units`, or `BlindUnits` of one size for each input.
        workers: threads and progress; the ticket does not depend on them.

    Raises:
        ValueError: for a tolerance of the output (see `error_bound` instead), or one too fine for the solvers.

    Example:
        >>> module = nn.MultiheadAttention(6, 2, batch_first=True)
        >>> ticket = attention_ticket(AttentionTarget.of(module), seed=5)
        >>> x = torch.nn.functional.normalize(torch.ones(1, 9, 6), dim=2)  # nine tokens of norm 1
        >>> error = (ticket.module()(x) - module(x, x, x)[0]).norm(dim=2).max()
        >>> ticket.failures, bool(error <= ticket.error_bound(1.0))
        (0, True)
    """
    tolerance, hands, merged, source = tolerance or Tolerance(), workers or Workers(), target.merged(), Source(seed)
    if tolerance.epsilon is not None:
        raise ValueError("attention takes tolerances of weights only; error_bound says what they come to at the output")
    queries, values = (
        build_gadgets(gadgets, source, by_width=by_width, allocate=lambda problem: allocation(problem, solver, hands))
        for gadgets, by_width in (
            (_query_key(merged, name, tolerance), True),
            (_value_output(merged, name, tolerance), False),
        )
    )
    return AttentionTicket(
        name,
        source,
        queries.width,
        values.width,
        queries.tensors | values.tensors,
        merged,
        _as_merged(merged, queries.products, values.products),
        queries.errors,
        values.errors,
        queries.failures + values.failures,
    )


def _query_key(merged: MergedAttention, name: str, tolerance: Tolerance) -> list[LinearGadget]:
    """The gadgets of the heads' logits; the constant input carries the query bias."""
    biases = [None] * len(merged.query_key) if merged.query_bias is None else list(merged.query_bias)
    heads = enumerate(zip(merged.query_key, biases, strict=True))
    return [
        _gadget(matrix, bias, (f"{name}.{head}.query", f"{name}.{head}.key"), tolerance)
        for head, (matrix, bias) in heads
    ]


def _value_output(merged: MergedAttention, name: str, tolerance: Tolerance) -> list[LinearGadget]:
    """The gadgets of the heads' values; the first carries the bias, the others prune all of theirs."""
    bias, made = merged.bias, []
    for head, matrix in enumerate(merged.value_output):
        own = bias if bias is None or not head else np.zeros_like(bias)
        made.append(_gadget(matrix, own, (f"{name}.{head}.value", f"{name}.{head}.output"), tolerance))
    return made


def _gadget(matrix: np.ndarray, bias: np.ndarray | None, names: tuple[str, str], tolerance: Tolerance) -> LinearGadget:
    tensor = None if bias is None else torch.from_numpy(bias)
    allowed = tolerance.of(AffineLayer(names[1], torch.from_numpy(matrix), tensor))
    target = matrix if bias is None else np.vstack([matrix, bias])
    return LinearGadget(target, bias is not None, *names, transposed=names[1].endswith("output"), tolerance=allowed)


def _as_merged(target: MergedAttention, query_key: np.ndarray, value_output: np.ndarray) -> MergedAttention:
    """Products with their constant rows, if they have them, as matrices and biases."""
    d = target.query_key.shape[1]
    return MergedAttention(
        query_key[:, :d],
        None if target.query_bias is None else query_key[:, d],
        value_output[:, :d],
        None if target.bias is None else value_output[:, d].sum(axis=0),
    )


def _linear(weight: Tensor, biases: list[Tensor]) -> nn.Linear:
    """A dense layer of a weight `(outputs, inputs)` and the biases of its heads."""
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bool(biases), device="meta")
    layer.weight = nn.Parameter(weight.contiguous())
    if biases:
        layer.bias = nn.Parameter(torch.cat(biases)[:, 0])
    return layer
