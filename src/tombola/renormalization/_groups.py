"""Which weights are looked at together."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from fnmatch import fnmatchcase

Groups = dict[str, tuple[str, ...]]
Grouping = Callable[[Iterable[str]], Groups]

PARTS = (  # of a transformer block, by what their layers are called in Hugging Face models and in torch
    ("attention", re.compile(r"attention|attn|\b[qkvo]_proj\b|query|key|value|in_proj|out_proj")),
    ("mlp", re.compile(r"mlp|intermediate|output|linear[12]|\bfc\d?\b|\bc_fc\b|feed_forward")),
)


def by_layer(names: Iterable[str]) -> Groups:
    """Every parameter is a group of its own.

    Example:
        >>> by_layer(["fc1.weight", "fc2.weight"])
        {'fc1.weight': ('fc1.weight',), 'fc2.weight': ('fc2.weight',)}
    """
    return {name: (name,) for name in names}


def by_block(names: Iterable[str]) -> Groups:
    """Parameters below the same last number of their names: the residual blocks of a network, or its stages.

    Parameters without a number are groups of their own.

    Example:
        >>> by_block(["conv1.weight", "layer1.0.conv1.weight", "layer1.0.conv2.weight", "layer1.1.conv1.weight"])
        {'conv1.weight': ('conv1.weight',), 'layer1.0': ('layer1.0.conv1.weight', 'layer1.0.conv2.weight'), \
'layer1.1': ('layer1.1.conv1.weight',)}
    """
    return _collected(names, _block)


def by_part(names: Iterable[str]) -> Groups:
    """The attention and the feed-forward part of each block of a transformer; all else by its block.

    Example:
        >>> by_part(["layer.0.attention.self.query.weight", "layer.0.intermediate.dense.weight", "pooler.weight"])
        {'layer.0 attention': ('layer.0.attention.self.query.weight',), \
'layer.0 mlp': ('layer.0.intermediate.dense.weight',), 'pooler.weight': ('pooler.weight',)}
    """

    def part(name: str) -> str:
        block = _block(name)
        rest = name.removeprefix(block)
        found = next((label for label, pattern in PARTS if pattern.search(rest)), "")
        return f"{block} {found}" if found and rest else block

    return _collected(names, part)


def by_pattern(patterns: Mapping[str, str]) -> Grouping:
    """Groups of one's own: of each parameter that of the first pattern that its name matches, as `layer1.*`.

    Raises:
        ValueError: when called, if a parameter matches none, or a pattern has no parameter.

    Example:
        >>> by_pattern({"early": "fc1*", "late": "fc*"})(["fc1.weight", "fc2.weight"])
        {'early': ('fc1.weight',), 'late': ('fc2.weight',)}
    """

    def group(name: str) -> str:
        for label, pattern in patterns.items():
            if fnmatchcase(name, pattern):
                return label
        raise ValueError(f"{name!r} matches no pattern of a group: {', '.join(patterns.values())}")

    def grouped(names: Iterable[str]) -> Groups:
        found = _collected(names, group)
        if idle := [label for label in patterns if label not in found]:
            raise ValueError(f"no parameter is left for the group {idle[0]!r}, pattern {patterns[idle[0]]!r}")
        return found

    return grouped


def _block(name: str) -> str:
    """A name up to its last part that is a number; all of it without one."""
    parts = name.split(".")
    last = max((i for i, part in enumerate(parts[:-1]) if part.isdigit()), default=None)
    return name if last is None else ".".join(parts[: last + 1])


def _collected(names: Iterable[str], group: Callable[[str], str]) -> Groups:
    found: dict[str, tuple[str, ...]] = {}
    for name in names:
        found[group(name)] = (*found.get(group(name), ()), name)
    return found
