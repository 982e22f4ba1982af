"""What of a ticket is carried over to another task, and how a network is put together from it.

References:
    [Zhou2019] H. Zhou, J. Lan, R. Liu, J. Yosinski, "Deconstructing lottery tickets: zeros, signs, and the supermask",
        NeurIPS 2019.
    [Morcos2019] A. Morcos, H. Yu, M. Paganini, Y. Tian, "One ticket to win them all: generalizing lottery ticket
        initializations across datasets and optimizers", NeurIPS 2019.
    [Mehta2019] R. Mehta, "Sparse transfer learning via winning lottery tickets", arXiv 1905.07785, 2019.
"""

from __future__ import annotations

import copy
from collections.abc import Collection
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import nn

from tombola.imp import reinitialised, shuffled
from tombola.masks import Masks, bake_, check_masks


@dataclass(frozen=True, eq=False)
class Carried:
    """A network that is ready to be trained on a target, by any optimiser.

    Attributes:
        model: pruned weights are zero.
        masks: of what is pruned; a new output layer has none.
        redrawn: the parameters that are new because the target's output layer has another shape, or was asked for.
    """

    model: nn.Module
    masks: Masks
    redrawn: tuple[str, ...] = ()


class Carry(Protocol):
    """One of the ways to carry a ticket over."""

    def __call__(self, model: nn.Module, masks: Masks, fresh: nn.Module, *, output: str | None = None) -> Carried:
        """The target's network, from a ticket's weights and masks and a fresh network for the target."""
        ...


def masks_only(model: nn.Module, masks: Masks, fresh: nn.Module, *, output: str | None = None) -> Carried:
    """The masks of a ticket on weights of their own.

    Args:
        model: of the source; its weights are only looked at for their shapes.
        masks: of the source, by parameter name.
        fresh: a network for the target at initialisation. Only its output layer may have another shape than the
            source's: then it stays as drawn, and is not pruned.
        output: the name of the target's output layer, to be new even if it has the same shape.

    Raises:
        ValueError: if a mask fits no parameter, or another layer has another shape.

    Example:
        >>> source, target = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2)), nn.Sequential(nn.Linear(4, 3),
        ...                                                                                 nn.Linear(3, 5))
        >>> masks = {"0.weight": torch.eye(3, 4).bool(), "1.weight": torch.zeros(2, 3).bool()}
        >>> carried = masks_only(source, masks, target)
        >>> list(carried.masks), carried.redrawn, int((carried.model[0].weight != 0).sum())
        (['0.weight'], ('1.weight', '1.bias'), 3)
    """
    return _finished(fresh, masks, _redrawn(model, masks, fresh, output))


def masks_and_signs(model: nn.Module, masks: Masks, fresh: nn.Module, *, output: str | None = None) -> Carried:
    """The masks of a ticket on new weights that have the signs of its own [Zhou2019].

    Args:
        model: of the source, whose signs the masked weights take; often `level.begun`.
        masks: as for `masks_only`.
        fresh: likewise.
        output: likewise.

    Raises:
        ValueError: as for `masks_only`.

    Example:
        >>> source, target = nn.Linear(4, 3), nn.Linear(4, 3)
        >>> masks = {"weight": torch.eye(3, 4).bool()}
        >>> signs = masks_and_signs(source, masks, target).model.weight.sign()
        >>> signs.equal(source.weight.sign() * masks["weight"])
        True
    """
    redrawn = _redrawn(model, masks, fresh, output)
    signed = {name: mask for name, mask in masks.items() if name not in redrawn}
    return _finished(reinitialised(model, fresh, signed, keep_signs=True), masks, redrawn)


def masks_and_weights(model: nn.Module, masks: Masks, fresh: nn.Module, *, output: str | None = None) -> Carried:
    """A ticket as a whole: masks, weights, biases and batch norm.

    With `level.begun` as the model these are the weights that the source was rewound to [Morcos2019], with
    `level.model` the ones that it was trained to [Mehta2019].

    Args:
        model: of the source.
        masks: as for `masks_only`.
        fresh: likewise; nothing but its output layer is used.
        output: likewise.

    Raises:
        ValueError: as for `masks_only`, and for buffers of other shapes.

    Example:
        >>> source, target = nn.Linear(4, 3), nn.Linear(4, 3)
        >>> masks = {"weight": torch.ones(3, 4).bool()}
        >>> masks_and_weights(source, masks, target).model.weight.equal(source.weight)
        True
    """
    redrawn = _redrawn(model, masks, fresh, output)
    values, tensors = model.state_dict(), dict(fresh.state_dict())
    other = [name for name in tensors if name not in values or values[name].shape != tensors[name].shape]
    if wrong := sorted(set(other) - set(redrawn)):
        raise ValueError(f"{wrong[0]!r} of the target is none of the source's, or has another shape")
    made = copy.deepcopy(fresh)
    made.load_state_dict({name: tensors[name] if name in redrawn else values[name] for name in tensors})
    return _finished(made, masks, redrawn)


def random_control(masks: Masks, fresh: nn.Module, *, generator: torch.Generator) -> Carried:
    """What a ticket has to beat: random masks with as many weights of each layer, on new weights.

    Args:
        masks: of the target's own ticket.
        fresh: a network for the target, whose weights are other ones than the ticket's.
        generator: of the masks.

    Raises:
        ValueError: if a mask fits no parameter.

    Example:
        >>> control = random_control({"weight": torch.eye(3, 4).bool()}, nn.Linear(4, 3),
        ...                          generator=torch.Generator().manual_seed(0))
        >>> int(control.masks["weight"].sum())
        3
    """
    return _finished(fresh, shuffled(masks, generator=generator), ())


def _redrawn(model: nn.Module, masks: Masks, fresh: nn.Module, output: str | None) -> tuple[str, ...]:
    """The parameters of the target's output layer if it is to be new; all others have to fit."""
    ours, theirs = dict(model.named_parameters()), dict(fresh.named_parameters())
    check_masks(masks, ours)
    if ours.keys() != theirs.keys():
        other = sorted(ours.keys() ^ theirs.keys())
        raise ValueError(f"source and target are not of one build: {other[0]!r} is a parameter of one of them only")
    differing = [name for name in ours if ours[name].shape != theirs[name].shape]
    if output is None and not differing:
        return ()
    layer = list(theirs)[-1].rpartition(".")[0] if output is None else output
    new = tuple(name for name in theirs if name.rpartition(".")[0] == layer)
    if not new:
        raise ValueError(f"the target has no layer {layer!r} with parameters")
    if wrong := [name for name in differing if name not in new]:
        shapes = f"{tuple(ours[wrong[0]].shape)} and {tuple(theirs[wrong[0]].shape)}"
        raise ValueError(
            f"{wrong[0]!r} has the shapes {shapes}; only the output layer, {layer!r}, may differ. Networks of other "
            "depths want `elastic`, of other widths `elastic_width`; other inputs are not offered"
        )
    return new


def _finished(model: nn.Module, masks: Masks, redrawn: Collection[str]) -> Carried:
    """A copy under the masks of what is not new."""
    kept = {name: mask for name, mask in masks.items() if name not in redrawn}
    made = copy.deepcopy(model)
    bake_(made, kept)
    return Carried(made, kept, tuple(redrawn))
