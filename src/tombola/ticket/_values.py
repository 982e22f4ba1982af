"""Saved values in a file: kept ones alone where pruned ones are zero, in float16 where that loses nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ._encoding import BitMask, Mask, unpack
from ._ticket import Ticket

EXPANSION = 4096  # values take at most this many times the space in memory that they take in the file


def kept_only(ticket: Ticket) -> Ticket:
    """The ticket with zeros for saved values that are pruned: the same network in a smaller file.

    What was pruned is gone, so that no other mask can be put over the values.

    Example:
        >>> import torch
        >>> layer = torch.nn.Linear(300, 100, bias=False)
        >>> whole = Ticket.from_masks(layer, {"weight": torch.rand(100, 300) < 0.05})
        >>> found = kept_only(whole)
        >>> found.record["effective_sha256"] == whole.record["effective_sha256"]
        True
    """
    values = {
        name: np.where(unpack(ticket.tensors[name].mask), value, np.float32(0)) for name, value in ticket.values.items()
    }
    return replace(ticket, values=values).sealed()


def half(ticket: Ticket) -> Ticket:
    """The ticket with saved values rounded to float16, which a file holds in 2 bytes each. It is another ticket.

    Raises:
        ValueError: if a value is too large for float16.

    Example:
        >>> import torch
        >>> layer = torch.nn.Linear(2, 1, bias=False)
        >>> torch.nn.init.constant_(layer.weight, 0.1).shape
        torch.Size([1, 2])
        >>> float(half(Ticket.from_masks(layer, {})).values["weight"][0, 0])
        0.0999755859375
    """
    values = {}
    for name, value in ticket.values.items():
        values[name] = _halved(value).astype(np.float32)
        if not np.isfinite(values[name]).all() and np.isfinite(value).all():
            raise ValueError(f"{name!r} has values beyond 65504, the largest of float16; keep float32")
    return replace(ticket, values=values).sealed()


def encode_values(value: np.ndarray, mask: Mask) -> dict[str, np.ndarray]:
    """Values `(rows, columns)` float32 as one array, called `kept` if it holds those alone, row by row, or `value`."""
    if isinstance(mask, BitMask) and mask.kept < value.size:
        dense = unpack(mask)
        kept = _narrow(value[dense])
        if not value[~dense].view(np.uint32).any() and value.nbytes <= EXPANSION * kept.nbytes:
            return {"kept": kept}
    return {"value": _narrow(value)}


def decode_values(name: str, part: str, stored: np.ndarray, mask: Mask) -> np.ndarray:
    """The values that `encode_values` encoded.

    Raises:
        ValueError: if there are more or fewer than the mask keeps, or too few for so large a mask.
    """
    if part == "value":
        return stored.astype(np.float32) if stored.dtype == np.float16 else stored
    rows, columns = mask.shape
    if not isinstance(mask, BitMask) or stored.ndim != 1 or stored.dtype not in (np.float16, np.float32):
        raise ValueError(f"the kept values of {name!r} are no list of numbers, or their mask has no bits")
    if stored.size != mask.kept or 4 * rows * columns > EXPANSION * stored.nbytes:
        raise ValueError(f"{stored.size} values of {name!r} do not fit a mask of {mask.kept} in {rows * columns}")
    values = np.zeros(mask.shape, np.float32)
    values[unpack(mask)] = stored
    return values


def _narrow(value: np.ndarray) -> np.ndarray:
    """In float16 if every bit comes back, else in float32; little-endian."""
    short = _halved(value)
    same = np.array_equal(short.astype("<f4").view(np.uint32), value.astype("<f4").view(np.uint32))
    return short if same else value.astype("<f4")


def _halved(value: np.ndarray) -> np.ndarray:
    with np.errstate(over="ignore"):
        return value.astype("<f2")
