"""What pruning saves, in the same words and entries for every verb that says it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ._output import file_size, shown

if TYPE_CHECKING:
    from tombola.cost import Cost


def cost_record(found: Cost) -> dict[str, Any]:
    """A cost as JSON data; multiply-adds are None if those of no weight could be counted."""
    counted = bool(found.layers) or not found.not_counted
    adds = {"dense": found.multiply_adds, "kept": found.kept_multiply_adds}
    return {
        "parameters": {"dense": found.parameters, "kept": found.kept_parameters},
        "multiply_adds": adds if counted else None,
        "bytes": {"dense": found.bytes, "kept": found.kept_bytes},
        "not_counted": list(found.not_counted),
    }


def cost_lines(record: dict[str, Any], *, assumed: bool = False) -> list[str]:
    """The same for people, a sentence to a line.

    Args:
        record: what `cost_record` says, and perhaps more.
        assumed: whether nothing but the shapes of weights says how often they are used.

    Example:
        >>> one = {"dense": 200, "kept": 20}
        >>> cost_lines({"parameters": one, "multiply_adds": one, "bytes": one, "not_counted": ["embed.weight"]})[0]
        'multiply-adds: 20 of 200 dense'
    """
    adds, count, size = record["multiply_adds"], record["parameters"], record["bytes"]
    lines = []
    if adds is not None:
        once = ", if each weight is used once" if assumed else ""
        lines.append(f"multiply-adds: {shown(adds['kept'])} of {shown(adds['dense'])} dense{once}")
    stored = f"{file_size(size['kept'])} of {file_size(size['dense'])}"
    lines.append(f"parameters: {shown(count['kept'])} of {shown(count['dense'])} dense, {stored}")
    if record["not_counted"]:
        lines.append(f"multiply-adds not counted: {', '.join(record['not_counted'])}")
    return lines
