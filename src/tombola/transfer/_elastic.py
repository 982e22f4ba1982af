"""Tickets for deeper or shallower networks of the same stages.

References:
    [Chen2021] X. Chen, Y. Cheng, S. Wang, Z. Gan, J. Liu, Z. Wang, "The elastic lottery ticket hypothesis", NeurIPS
        2021.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterable

from torch import Tensor, nn

from tombola.masks import Masks, bake_, check_masks

from ._block_map import BlockRule, append, check_map
from ._carry import Carried

Places = dict[str, dict[int, int]]  # of each stage, from the numbers in names to those from 0


def elastic(
    model: nn.Module,
    masks: Masks,
    like: nn.Module,
    *,
    rule: BlockRule = append,
    blocks: str = "stage{stage}.block{block}.",
) -> Carried:
    """A ticket stretched or squeezed to another depth, block by block: weights, masks and batch norm alike [Chen2021].

    Parameters outside of the blocks are copied. Every tensor of the target is overwritten. With `append` a stretched
    ticket that is squeezed again is what it was. Heuristic: nothing is proved of how well the result trains. [Chen2021]
    stretches tickets that were rewound, of residual networks, and finds that they do worse the more the depths differ.

    Args:
        model: of the source, often `level.begun`.
        masks: of the source, by parameter name.
        like: a network of the target's depth, for its names and shapes; no value of it is used.
        rule: `append`, `interpolate`, or `as_given` of one's own map; called with the numbers of blocks of a stage.
        blocks: how parameter names of blocks begin, with `{block}` for the number of the block and perhaps `{stage}`
            for the name of its stage; default: the residual networks of `tombola.models`. For those of torchvision
            `"layer{stage}.{block}."`.

    Raises:
        ValueError: if the networks differ in more than the number of blocks in each stage. For other widths there is
            `elastic_width`; [Chen2021] copies blocks, and has no rule for channels.

    Example:
        >>> import torch
        >>> from tombola import models
        >>> draw = torch.Generator().manual_seed(0)
        >>> short, deep = (models.build(f"resnet-{depth}x0.25", generator=draw) for depth in (32, 56))
        >>> made = elastic(short, {}, deep).model
        >>> made.stage2.block6.conv1.weight.equal(short.stage2.block2.conv1.weight)
        True
    """
    check_masks(masks, dict(model.named_parameters()))
    origins = _origins(list(model.state_dict()), list(like.state_dict()), rule, blocks)
    values, made = model.state_dict(), copy.deepcopy(like)
    _check_shapes(origins, values, made.state_dict())
    made.load_state_dict({name: values[origin].clone() for name, origin in origins.items()})
    names = dict(made.named_parameters())
    moved = {name: masks[origins[name]].clone() for name in names if origins[name] in masks}
    bake_(made, moved)
    return Carried(made, moved)


def _origins(ours: list[str], theirs: list[str], rule: BlockRule, blocks: str) -> dict[str, str]:
    """For every tensor of the target the one of the source that it is a copy of."""
    pattern = _pattern(blocks)
    source, target = _places(ours, pattern), _places(theirs, pattern)
    if not target or source.keys() != target.keys():
        found = f"{', '.join(source) or 'none'} and {', '.join(target) or 'none'}"
        raise ValueError(f"both networks need blocks {blocks!r} in the same stages; the stages are {found}")
    back: dict[str, dict[int, int]] = {}
    for stage in target:
        depths = len(source[stage]), len(target[stage])
        check_map(found := rule(*depths), *depths)
        numbers = {place: number for number, place in source[stage].items()}
        back[stage] = {place: numbers[block] for block, places in found.items() for place in places}
    origins = {}
    for name in theirs:
        match = pattern.match(name)
        if match is None:
            origins[name] = name
            continue
        stage = _stage(match)
        number = back[stage][target[stage][int(match["block"])]]
        origins[name] = name[: match.start("block")] + str(number) + name[match.end("block") :]
    return origins


def _check_shapes(origins: dict[str, str], values: dict[str, Tensor], wanted: dict[str, Tensor]) -> None:
    for name, origin in origins.items():
        if origin not in values:
            raise ValueError(f"{name!r} would be a copy of {origin!r}, which the source does not have")
        if values[origin].shape != wanted[name].shape:
            shapes = f"{tuple(values[origin].shape)} and {tuple(wanted[name].shape)}"
            raise ValueError(
                f"{origin!r} and {name!r} have the shapes {shapes}; only depths may differ. For other widths "
                "there is `elastic_width`; for another number of classes carry the result over with `masks_and_weights`"
            )


def _pattern(blocks: str) -> re.Pattern[str]:
    if blocks.count("{block}") != 1 or blocks.count("{stage}") > 1:
        raise ValueError(f"a pattern of blocks has {{block}} once and {{stage}} at most once, got {blocks!r}")
    text = re.escape(blocks).replace(r"\{block\}", r"(?P<block>\d+)").replace(r"\{stage\}", r"(?P<stage>[^.]+)")
    return re.compile(text)


def _stage(match: re.Match[str]) -> str:
    return match.groupdict().get("stage") or "all"


def _places(names: Iterable[str], pattern: re.Pattern[str]) -> Places:
    """The blocks of each stage, by their numbers, in order from 0."""
    numbers: dict[str, set[int]] = {}
    for name in names:
        if match := pattern.match(name):
            numbers.setdefault(_stage(match), set()).add(int(match["block"]))
    return {stage: {number: place for place, number in enumerate(sorted(found))} for stage, found in numbers.items()}
