"""Which blocks of a deeper or shallower network are copies of which blocks of another.

References:
    [Chen2021] X. Chen, Y. Cheng, S. Wang, Z. Gan, J. Liu, Z. Wang, "The elastic lottery ticket hypothesis", NeurIPS
        2021.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

BlockMap = dict[int, tuple[int, ...]]
BlockRule = Callable[[int, int], BlockMap]


def append(source: int, target: int) -> BlockMap:
    """The blocks of a stage in their order, again and again [Chen2021].

    The first block, which may halve the image, is used once. Target `t >= 1` is a copy of block
    `1 + (t - 1) mod (source - 1)`, so the earliest blocks are copied first where the numbers do not divide. Towards
    fewer blocks the last ones are dropped: the inverse of the way back.

    Args:
        source: blocks of each stage of the source.
        target: likewise of the target.

    Raises:
        ValueError: if there is no block, or there is none to copy.

    Example:
        >>> written(append(5, 9))  # ResNet-32 to ResNet-56
        '0:0;1:1,5;2:2,6;3:3,7;4:4,8'
        >>> written(append(9, 5))
        '0:0;1:1;2:2;3:3;4:4'
    """
    _check(source, target)
    if target < source:
        return squeezed(append(target, source))
    found: dict[int, list[int]] = {0: [0], **{block: [] for block in range(1, source)}}
    for place in range(1, target):
        found[1 + (place - 1) % (source - 1)].append(place)
    return {block: tuple(places) for block, places in found.items()}


def interpolate(source: int, target: int) -> BlockMap:
    """Each block of a stage several times in a row [Chen2021], the earliest ones once more often if need be.

    Towards fewer blocks the first copy of each stays.

    Args:
        source: as for `append`.
        target: likewise.

    Raises:
        ValueError: likewise.

    Example:
        >>> written(interpolate(5, 9))  # ResNet-32 to ResNet-56
        '0:0;1:1,2;2:3,4;3:5,6;4:7,8'
        >>> written(interpolate(9, 5))
        '0:0;1:1;3:2;5:3;7:4'
    """
    _check(source, target)
    if target < source:
        return squeezed(interpolate(target, source))
    found: BlockMap = {0: (0,)}
    each, more = divmod(target - 1, source - 1) if source > 1 else (0, 0)
    place = 1
    for block in range(1, source):
        copies = each + (block <= more)
        found[block], place = tuple(range(place, place + copies)), place + copies
    return found


def squeezed(stretched: Mapping[int, tuple[int, ...]]) -> BlockMap:
    """The way back from a stretched stage: the first copy of each block goes to its place, the others are dropped.

    Example:
        >>> squeezed({0: (0,), 1: (1, 3), 2: (2, 4)})
        {0: (0,), 1: (1,), 2: (2,)}
    """
    return {min(places): (block,) for block, places in sorted(stretched.items())}


def as_given(blocks: str | Mapping[int, tuple[int, ...]]) -> BlockRule:
    """A rule that always gives one map, such as `"0:0;1:1,5;2:2,6"` for three blocks to five, if it fits.

    Raises:
        ValueError: if the text is no such map; when called, if the map does not fit the numbers of blocks.

    Example:
        >>> as_given("0:0;1:1,2")(2, 3)
        {0: (0,), 1: (1, 2)}
    """
    found = _read(blocks) if isinstance(blocks, str) else {block: tuple(places) for block, places in blocks.items()}

    def rule(source: int, target: int) -> BlockMap:
        check_map(found, source, target)
        return found

    return rule


def written(blocks: Mapping[int, tuple[int, ...]]) -> str:
    """A map as text.

    Example:
        >>> written({0: (0,), 1: (1, 2)})
        '0:0;1:1,2'
    """
    return ";".join(f"{block}:{','.join(map(str, places))}" for block, places in blocks.items())


def check_map(blocks: Mapping[int, tuple[int, ...]], source: int, target: int) -> None:
    """Raises ValueError unless a map fills each of `target` blocks once, from `source` blocks, and 0 with 0."""
    places = sorted(place for several in blocks.values() for place in several)
    if places != list(range(target)):
        raise ValueError(f"{written(blocks)!r} has to fill the blocks 0 to {target - 1} of the target once each")
    if not set(blocks) <= set(range(source)) or 0 not in blocks.get(0, ()):
        raise ValueError(f"{written(blocks)!r} takes blocks 0 to {source - 1} of the source, and block 0 for block 0")


def _read(text: str) -> BlockMap:
    try:
        pairs = [part.split(":") for part in text.split(";")]
        found = {int(block): tuple(int(place) for place in places.split(",")) for block, places in pairs}
    except ValueError:
        raise ValueError(f"a map of blocks is written as '0:0;1:1,2', got {text!r}") from None
    if len(found) < len(pairs):
        raise ValueError(f"{text!r} names a block twice")
    return found


def _check(source: int, target: int) -> None:
    if min(source, target) < 1 or (min(source, target) == 1 and max(source, target) > 1):
        raise ValueError(
            f"a stage of {source} blocks cannot become one of {target}: the first block is never copied, so both have "
            "one block, or both at least two"
        )
