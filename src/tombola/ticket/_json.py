"""JSON that means one thing: no name twice, no NaN, no infinity; and what a JSON object has to look like."""

from __future__ import annotations

import json
import math
from typing import Any

NAMES = {
    str: "a text",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    dict: "an object",
    type(None): "null",
}


def strict_json(text: str, what: str) -> Any:  # noqa: ANN401 - JSON is anything
    """The value of a JSON text.

    Args:
        text: the JSON.
        what: what it is, for the message.

    Raises:
        ValueError: if it is not JSON, names an entry twice, or holds a number that is not finite.
    """
    try:
        return json.loads(text, object_pairs_hook=_unique, parse_constant=_refused, parse_float=_finite)
    except json.JSONDecodeError:
        raise ValueError(f"{what} is not JSON") from None
    except RecursionError:
        raise ValueError(f"{what} is nested too deep") from None


def check_json(value: object, pattern: object, where: str) -> None:
    """Raises ValueError unless a JSON value looks like a pattern.

    Args:
        value: any JSON value.
        pattern: a type, or a tuple of types, that the value has to have (an int is a float, a bool is not an int); a
            dict of the entries that an object must have (others may be there); a list of the one pattern of all items;
            a dict `{str: pattern}` of the one pattern of all entries.
        where: what the value is, for the message.
    """
    if isinstance(pattern, dict):
        _need(isinstance(value, dict), value, "an object", where)
        assert isinstance(value, dict)
        inner = dict.fromkeys(value, pattern[str]) if str in pattern else pattern
        for name, part in inner.items():
            _need(name in value, value, f"an object with the entry {name!r}", where)
            check_json(value[name], part, f"{where}.{name}")
    elif isinstance(pattern, list):
        _need(isinstance(value, list), value, "a list", where)
        assert isinstance(value, list)
        for number, item in enumerate(value):
            check_json(item, pattern[0], f"{where}[{number}]")
    else:
        types = pattern if isinstance(pattern, tuple) else (pattern,)
        fits = type(value) in types or (type(value) is int and float in types)
        _need(fits, value, " or ".join(NAMES[kind] for kind in types), where)


def _need(holds: bool, value: object, wanted: str, where: str) -> None:
    if not holds:
        raise ValueError(f"its {where} is {str(value)[:60]!r}, wanted {wanted}")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name for name, _ in pairs}) != len(pairs):
        raise ValueError("a name stands twice in its JSON")
    return dict(pairs)


def _refused(text: str) -> None:
    raise ValueError(f"its JSON holds {text}, which is no number")


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"its JSON holds {text}, which is no finite number")
    return number
