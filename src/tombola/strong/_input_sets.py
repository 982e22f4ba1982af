"""The sets of inputs over which a certificate holds, and their form in files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._ball import Ball
from ._box import Box
from ._pinned import Pinned

__all__ = ["Ball", "Box", "InputSet", "Pinned", "input_set_from_json"]

InputSet = Ball | Box | Pinned


def input_set_from_json(data: Mapping[str, Any]) -> InputSet:
    """The input set that `to_json` wrote.

    Raises:
        ValueError: if the kind is unknown, a field is missing or unknown, or a value is not allowed.

    Example:
        >>> input_set_from_json({"kind": "box", "low": -1.0, "high": 1.0})
        Box(low=-1.0, high=1.0)
    """
    fields = dict(data)
    kind = fields.pop("kind", None)
    known = {"ball": (Ball, {"radius", "nonnegative"}), "box": (Box, {"low", "high"}), "pinned": (Pinned, {"inner", "value"})}
    if kind not in known or set(fields) != known[kind][1]:
        raise ValueError(f"no input set is written as {dict(data)!r}; kinds and their fields are {_shown(known)}")
    if kind == "pinned":
        fields["inner"] = input_set_from_json(fields["inner"])
    return known[kind][0](**fields)


def _shown(known: Mapping[str, tuple[type, set[str]]]) -> str:
    return "; ".join(f"{kind}: {', '.join(sorted(fields))}" for kind, (_, fields) in known.items())
