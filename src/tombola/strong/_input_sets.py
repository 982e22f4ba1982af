"""The sets of inputs over which a certificate holds, and their form in files."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ._ball import Ball
from ._box import Box
from ._pinned import Pinned

__all__ = ["Ball", "Box", "InputSet", "Pinned", "input_set_from_json"]

InputSet = Ball | Box | Pinned

FIELDS = {"ball": {"radius", "nonnegative"}, "box": {"low", "high"}, "pinned": {"inner", "value"}}


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
    if kind not in FIELDS or set(fields) != FIELDS[kind]:
        shown = "; ".join(f"{known} with {', '.join(sorted(names))}" for known, names in FIELDS.items())
        raise ValueError(f"no input set is written as {dict(data)!r}; known are {shown}")
    if kind == "pinned":
        inner = input_set_from_json(fields["inner"])
        if isinstance(inner, Pinned):
            raise ValueError("a pinned set of a pinned set is not an input set; pin a ball or a box")
        return Pinned(inner, float(fields["value"]))
    if kind == "ball":
        return Ball(float(fields["radius"]), bool(fields["nonnegative"]))
    return Box(fields["low"], fields["high"])
