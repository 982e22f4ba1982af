"""Two ways of naming the layers of one network."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from typing import TypeVar

Value = TypeVar("Value")


def match_names(state: Mapping[str, Value], wanted: Mapping[str, object]) -> dict[str, Value]:
    """The state under the wanted names, where both number the layers; otherwise the state as it is.

    For each kind of entry (`weight`, `bias`, ...) the names are put in the order of the numbers in them, and the first
    takes the name of the first. Only if every name has its own numbers and there are as many as wanted: an order that
    the numbers do not give is not guessed.

    Example:
        >>> match_names({"0.weight": "a", "2.weight": "b"}, {"fc1.weight": 0, "fc2.weight": 0})
        {'fc1.weight': 'a', 'fc2.weight': 'b'}
        >>> match_names({"in.weight": "a", "out.weight": "b"}, {"fc1.weight": 0, "fc2.weight": 0})
        {'in.weight': 'a', 'out.weight': 'b'}
    """
    if state.keys() == wanted.keys():
        return dict(state)
    ours, theirs = _in_order(wanted), _in_order(state)
    if ours is None or theirs is None or {k: len(v) for k, v in ours.items()} != {k: len(v) for k, v in theirs.items()}:
        return dict(state)
    return {new: state[old] for kind in ours for new, old in zip(ours[kind], theirs[kind], strict=True)}


def _in_order(names: Mapping[str, object]) -> dict[str, list[str]] | None:
    """The names of each kind in the order of their numbers; None if the numbers give no order."""
    kinds: dict[str, dict[tuple[int, ...], str]] = defaultdict(dict)
    for name in names:
        layer, _, kind = name.rpartition(".")
        kinds[kind][tuple(int(digits) for digits in re.findall(r"\d+", layer))] = name
    is_ordered = sum(map(len, kinds.values())) == len(names) and all(() not in numbers for numbers in kinds.values())
    return {kind: [numbers[key] for key in sorted(numbers)] for kind, numbers in kinds.items()} if is_ordered else None
