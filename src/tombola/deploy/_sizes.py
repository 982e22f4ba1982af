"""The bytes of a ticket next to those of other forms of its weights, and what no code could do without."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tombola.masks import Masks
from tombola.ticket import Ticket, half, kept_only, ticket_arrays, write_ticket

FORMS = {"float32": 4, "float16": 2, "int8": 1}  # bytes of a number


@dataclass(frozen=True)
class LayerSize:
    """The bytes of one tensor.

    Attributes:
        name: of it.
        shape: rows and columns, as it is addressed.
        kept: how many of its numbers are kept.
        mask: in the file, of the mask and of the generations of values that were drawn again.
        values: in the file, of saved values; 0 where they are addresses.
        bound: entropy of the mask if each number is kept with the same probability on its own, and the values of kept
            numbers as wide as the file has them.
    """

    name: str
    shape: tuple[int, int]
    kept: int
    mask: int
    values: int
    bound: float

    @property
    def numbers(self) -> int:
        """How many numbers it has, kept or not."""
        return self.shape[0] * self.shape[1]

    @property
    def csr(self) -> int:
        """In compressed rows: float32 values, 32-bit columns and row ends; dense if nothing is pruned."""
        return self.numbers * 4 if self.kept == self.numbers else 8 * self.kept + 4 * (self.shape[0] + 1)

    def dense(self, form: str) -> int:
        """In "float32", "float16" or "int8", all numbers; for the last 4 bytes more, of a scale."""
        return self.numbers * FORMS[form] + (4 if form == "int8" else 0)


@dataclass(frozen=True)
class Rate:
    """What a constructed ticket spends on each weight of its target, in bits.

    Attributes:
        weights: how many the target has.
        ticket: bits in the file's masks for each of them.
        bound: log2(1 / epsilon): weights anywhere up to the largest of their layer cannot all be told apart to within
            epsilon times that largest with fewer bits.
        uniform: log2 of the number of steps that round every weight to within the same.
    """

    weights: int
    ticket: float
    bound: float
    uniform: float


@dataclass(frozen=True)
class Sizes:
    """The bytes of a ticket and of other forms.

    Attributes:
        layers: of every tensor.
        ticket: of the file, with its header.
        kept_float32: of the file without values that are pruned; None if no values are saved.
        kept_float16: of the same with values rounded to float16; None likewise, or if one is too large for that.
        rate: of a constructed ticket with a relative tolerance, otherwise None.
    """

    layers: tuple[LayerSize, ...]
    ticket: int
    kept_float32: int | None
    kept_float16: int | None
    rate: Rate | None

    @property
    def csr(self) -> int:
        """In compressed rows."""
        return sum(layer.csr for layer in self.layers)

    @property
    def bound(self) -> float:
        """Of all tensors."""
        return sum(layer.bound for layer in self.layers)

    def dense(self, form: str) -> int:
        """In "float32", "float16" or "int8"."""
        return sum(layer.dense(form) for layer in self.layers)

    def to_json(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {
            "bytes": {
                **{form: self.dense(form) for form in FORMS},
                "csr": self.csr,
                "ticket": self.ticket,
                "kept_float32": self.kept_float32,
                "kept_float16": self.kept_float16,
            },
            "bound": self.bound,
            "rate": None if self.rate is None else vars(self.rate).copy(),
            "layers": [_layer_json(layer) for layer in self.layers],
        }


def sizes(ticket: Ticket) -> Sizes:
    """How many bytes a ticket takes, its dense and sparse forms, and the entropy of its masks.

    Forms are those of the parent network: what the masks are over. Its float32 form is a checkpoint without a header.

    Args:
        ticket: of any kind.

    Example:
        >>> import torch
        >>> from torch import nn
        >>> from tombola import Source, initialise
        >>> from tombola.random_source import he
        >>> layer = nn.Linear(300, 100, bias=False)
        >>> layer.load_state_dict(initialise(layer, Source(7)))
        <All keys matched successfully>
        >>> masks = {"weight": torch.rand(100, 300, generator=torch.Generator().manual_seed(0)) < 0.05}
        >>> found = sizes(Ticket.from_masks(layer, masks, source=Source(7), scheme=he))
        >>> found.dense("float32"), found.layers[0].values
        (120000, 0)
        >>> found.dense("float32") > 50 * found.ticket
        True
    """
    arrays = ticket_arrays(ticket)
    layers = tuple(_layer(name, ticket, arrays) for name in ticket.tensors)
    bare = kept_only(ticket) if ticket.values and ticket.kind == "masked" else None
    rate = _rate(ticket, sum(layer.mask for layer in layers))
    return Sizes(layers, _file(ticket, arrays), None if bare is None else _file(bare), _short(bare), rate)


def mask_entropy(masks: Masks) -> float:
    """Bits that masks take at least if in each of them every weight is kept with the same probability on its own.

    Example:
        >>> import torch
        >>> mask_entropy({"weight": torch.tensor([True, False, True, False])})
        4.0
    """
    return sum(binary_entropy(int(mask.sum()), mask.numel()) for mask in masks.values())


def binary_entropy(kept: int, count: int) -> float:
    """Bits of `count` decisions of which `kept` are yes: `count` times the entropy of their share."""
    shares = (part / count for part in (kept, count - kept) if part)
    return -count * sum(share * math.log2(share) for share in shares)


def _layer_json(layer: LayerSize) -> dict[str, Any]:
    forms = {form: layer.dense(form) for form in FORMS}
    return {
        "name": layer.name,
        "numbers": layer.numbers,
        "kept": layer.kept,
        "bytes": {**forms, "csr": layer.csr, "mask": layer.mask, "values": layer.values},
        "bound": layer.bound,
    }


def _layer(name: str, ticket: Ticket, arrays: Mapping[str, np.ndarray]) -> LayerSize:
    mask = ticket.tensors[name].mask
    parts = {key: array for key, array in arrays.items() if key.partition("/")[2].startswith(f"{name}/")}
    coded = sum(array.nbytes for key, array in parts.items() if key.startswith(("mask/", "generation/")))
    saved = [arrays[key] for key in (f"value/{name}", f"kept/{name}") if key in arrays]
    width = saved[0].itemsize if saved else 0
    bound = binary_entropy(mask.kept, mask.shape[0] * mask.shape[1]) / 8 + width * mask.kept
    return LayerSize(name, mask.shape, mask.kept, coded, sum(array.nbytes for array in saved), bound)


def _rate(ticket: Ticket, mask_bytes: int) -> Rate | None:
    report = ticket.record.get("report", {})
    weights, epsilon = report.get("target_parameters"), report.get("weight_epsilon")
    if ticket.kind != "strong" or report.get("absolute") or not weights or not epsilon or epsilon > 1:
        return None
    return Rate(weights, 8 * mask_bytes / weights, math.log2(1 / epsilon), math.log2(math.ceil(1 / epsilon)))


def _short(ticket: Ticket | None) -> int | None:
    try:
        return None if ticket is None else _file(half(ticket))
    except ValueError:
        return None


def _file(ticket: Ticket, arrays: Mapping[str, np.ndarray] | None = None) -> int:
    with tempfile.TemporaryFile() as file:
        return write_ticket(ticket, ticket_arrays(ticket) if arrays is None else arrays, file)
