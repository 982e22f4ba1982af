"""Tickets for wider or narrower networks of the same layers."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from tombola.masks import Masks, bake_, check_masks

from ._carry import Carried

Widths = tuple[int, int]  # how many units the source has in a place, and how many the target
UNDERSTOOD = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.modules.batchnorm._BatchNorm)


@dataclass(frozen=True)
class Reads:
    """What the second axis of a weight is.

    Attributes:
        widths: of the units that it reads.
        grain: how many entries in a row belong to one unit, above 1 behind a flattening.
    """

    widths: Widths
    grain: int = 1


def elastic_width(model: nn.Module, masks: Masks, like: nn.Module) -> Carried:
    """A ticket stretched or squeezed to other widths, unit by unit: weights, masks, biases and batch norm alike.

    Where the target is wider its units are those of the source in their order, again and again, so that unit `t` is a
    copy of `t mod source`; weights that read a unit of `k` copies are divided by `k`. Exact: a stretched network
    computes what the masked one did, up to rounding; if widths are whole multiples, layers keep their densities.
    Where it is narrower the units of the largest magnitude stay, in order: the sum of moduli of kept weights that go
    into a unit or come out of it. All places of one width keep the same units, since shortcuts may join them. A matrix
    that comes right behind a convolution, in the order of parameters, is taken to read its channels.

    Heuristic otherwise: nothing is proved of how well the result trains, and no paper is followed. Copies that are
    masked alike have the same gradients and stay copies; to make use of the width carry only masks on, as by
    `masks_only(made.model, made.masks, like)`. Stretching and squeezing are no inverses of each other.

    Args:
        model: of the source, often `level.begun`.
        masks: of the source, by parameter name.
        like: a network of the target's widths, for its names and shapes; no value of it is used.

    Raises:
        ValueError: if layers are not linear ones, convolutions (with groups only if there is one for each channel)
            and batch norms, in one order in both; if inputs or outputs differ; or if what a layer reads is not clear.

    Example:
        >>> source, wide = (nn.Sequential(nn.Linear(4, n), nn.ReLU(), nn.Linear(n, 2)) for n in (3, 6))
        >>> masks = {"0.weight": torch.eye(3, 4).bool()}
        >>> made = elastic_width(source, masks, wide)
        >>> made.masks["0.weight"].int().argmax(dim=1).tolist()
        [0, 1, 2, 0, 1, 2]
    """
    check_masks(masks, dict(model.named_parameters()))
    values, wanted = model.state_dict(), like.state_dict()
    _check(model, values, wanted)
    reads = _reads(values, wanted)
    kept = {name: torch.where(masks[name], values[name], 0) if name in masks else values[name] for name in values}
    units = _units(kept, wanted, reads)
    made = copy.deepcopy(like)
    made.load_state_dict({name: _resized(name, kept[name], wanted[name], reads, units) for name in values})
    moved = {name: _taken(name, mask, wanted[name], reads, units) for name, mask in masks.items()}
    bake_(made, moved)
    return Carried(made, moved)


def _check(model: nn.Module, values: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Raises ValueError unless both networks are of one build, of layers that are understood."""
    for name, layer in model.named_modules():
        own = next(layer.parameters(recurse=False), None)
        groups = getattr(layer, "groups", 1)
        if own is not None and (
            not isinstance(layer, UNDERSTOOD) or groups not in {1, getattr(layer, "in_channels", 1)}
        ):
            raise ValueError(f"{name!r} is {type(layer).__name__}; other widths of it are not offered")
    if list(values) != list(wanted):
        other = next(iter(values.keys() ^ wanted.keys()), "their order")
        raise ValueError(f"the networks differ in {other!r}; only widths may differ, see `elastic` for depths")
    for name, value in values.items():
        if value.ndim != wanted[name].ndim or value.shape[2:] != wanted[name].shape[2:]:
            shapes = f"{tuple(value.shape)} and {tuple(wanted[name].shape)}"
            raise ValueError(f"{name!r} has the shapes {shapes}; only numbers of units may differ")


def _reads(values: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> dict[str, Reads]:
    """What every weight reads: a matrix right behind a convolution its channels, others whatever has their width.

    Raises:
        ValueError: if nothing has it, or the network's inputs or outputs change.
    """
    weights = [name for name, value in values.items() if value.ndim > 1]
    made = {name: (len(values[name]), len(wanted[name])) for name in weights}
    if not weights or made[weights[-1]][0] != made[weights[-1]][1]:
        raise ValueError("the networks have other outputs; carry the result over with `masks_and_weights` instead")
    found: dict[str, Reads] = {}
    for before, name in zip([None, *weights], weights, strict=False):
        widths = values[name].shape[1], wanted[name].shape[1]
        found[name] = Reads(widths)
        if before is not None and values[before].ndim > 2 == values[name].ndim:
            grain, rest = divmod(widths[0], made[before][0])
            if rest or widths[1] != grain * made[before][1]:
                raise ValueError(
                    f"{name!r} reads {widths} units, which are not the channels {made[before]} of {before!r}"
                )
            found[name] = Reads(made[before], grain)
        elif widths[0] != widths[1] and widths not in made.values():
            raise ValueError(f"{name!r} reads {widths[0]} units of the source and {widths[1]} of the target: whose?")
    return found


def _units(
    kept: Mapping[str, Tensor], wanted: Mapping[str, Tensor], reads: Mapping[str, Reads]
) -> dict[Widths, Tensor]:
    """For every width `(target,)` int64, which unit of the source each one is."""
    found: dict[Widths, Tensor] = {}
    for pair in {(len(kept[name]), len(wanted[name])) for name in reads} | {read.widths for read in reads.values()}:
        source, target = pair
        if target >= source:
            found[pair] = torch.arange(target) % source
            continue
        sizes = torch.zeros(source, dtype=torch.float64)
        for name, read in reads.items():
            moduli = kept[name].detach().double().abs().cpu()
            if (len(kept[name]), len(wanted[name])) == pair:
                sizes += moduli.flatten(1).sum(dim=1)
            if read.widths == pair:
                sizes += moduli.transpose(0, 1).reshape(source, -1).sum(dim=1)
        found[pair] = sizes.argsort(descending=True, stable=True)[:target].sort().values
    return found


def _taken(
    name: str, value: Tensor, wanted: Tensor, reads: Mapping[str, Reads], units: Mapping[Widths, Tensor]
) -> Tensor:
    """The entries of a tensor that the target's are copies of; a tensor without axes as it is."""
    if not value.ndim:
        return value.clone()
    rows = units.get((len(value), len(wanted)))
    if rows is None:
        raise ValueError(
            f"{name!r} has {len(value)} entries and {len(wanted)} in the target: no layer has these widths"
        )
    found = value[rows.to(value.device)]
    if name not in reads:
        return found
    read = reads[name]
    entries = units[read.widths][:, None] * read.grain + torch.arange(read.grain)
    return found[:, entries.flatten().to(value.device)]


def _resized(
    name: str, value: Tensor, wanted: Tensor, reads: Mapping[str, Reads], units: Mapping[Widths, Tensor]
) -> Tensor:
    """A tensor of the target; weights are divided by the number of copies of what they read."""
    found = _taken(name, value, wanted, reads, units)
    if name not in reads:
        return found
    read = reads[name]
    chosen = units[read.widths]
    copies = chosen.bincount(minlength=read.widths[0])[chosen].repeat_interleave(read.grain)
    return found / copies.to(found).view(1, -1, *[1] * (found.ndim - 2))
