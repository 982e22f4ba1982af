"""State dicts with masks beside the weights, as torch's own pruning and layers with masks have them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from tombola.masks import Masks, check_masks

MASK, ORIGINAL = "_mask", "_orig"


def from_state_dict(state: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], Masks]:
    """Weights and masks of a state dict in which masks stand beside what they mask, all under plain names.

    A tensor `fc.weight_mask` is a mask if there is also `fc.weight_orig`, as `torch.nn.utils.prune` leaves it, or
    `fc.weight`, as layers with masks do [Tanaka2020]. Masks of ones alone count too. Weights are not multiplied by
    their masks: what is pruned keeps its value.

    Args:
        state: as `model.state_dict()` or `read_state(path)`.

    Returns:
        All other tensors, buffers included, which a plain model takes by `load_state_dict`; and the masks as bool
        tensors, none if there are none.

    Raises:
        ValueError: if a mask has other values than 0 and 1 or another shape than its weight, or a name comes up twice.

    Example:
        >>> from torch.nn.utils import prune
        >>> layer = nn.Linear(2, 1, bias=False)
        >>> _ = prune.custom_from_mask(layer, "weight", torch.tensor([[1, 0]]))
        >>> weights, masks = from_state_dict(layer.state_dict())
        >>> nn.Linear(2, 1, bias=False).load_state_dict(weights), masks
        (<All keys matched successfully>, {'weight': tensor([[ True, False]])})
    """
    owners = {name.removesuffix(MASK): name for name in state if name.endswith(MASK)}
    owners = {plain: name for plain, name in owners.items() if plain in state or plain + ORIGINAL in state}
    masks = {plain: as_mask(name, state[name]) for plain, name in owners.items()}
    weights: dict[str, Tensor] = {}
    for name, value in state.items():
        if name in owners.values():
            continue
        base = name.removesuffix(ORIGINAL)
        plain = base if base in masks else name
        if plain in weights:
            raise ValueError(f"the state dict has both {plain!r} and {plain + ORIGINAL!r}; keep one of them")
        weights[plain] = value
    for name, mask in masks.items():
        if mask.shape != weights[name].shape:
            shapes = f"{tuple(mask.shape)} and {tuple(weights[name].shape)}"
            raise ValueError(f"mask and weights of {name!r} have the shapes {shapes}")
    return weights, masks


def to_state_dict(model: nn.Module, masks: Masks) -> dict[str, Tensor]:
    """The state dict of a model with a mask `NAME_mask` beside each parameter, of ones where nothing is pruned.

    So layers with masks have it, as those of Synaptic-Flow [Tanaka2020]: a model of such layers with the same names
    takes it by `load_state_dict`. Values are the model's own, pruned or not, and share its memory.

    Args:
        model: any plain module.
        masks: bool tensors by parameter name, as in `model.named_parameters()`.

    Raises:
        ValueError: if a mask names no parameter or has another shape.

    Example:
        >>> state = to_state_dict(nn.Linear(2, 1), {"weight": torch.tensor([[True, False]])})
        >>> list(state), state["weight_mask"].tolist()
        (['weight', 'weight_mask', 'bias', 'bias_mask'], [[1.0, 0.0]])
    """
    parameters = dict(model.named_parameters())
    check_masks(masks, parameters)
    known = {id(parameters[name]): mask for name, mask in masks.items()}
    named = dict(model.named_parameters(remove_duplicate=False))
    state: dict[str, Tensor] = {}
    for name, value in model.state_dict().items():
        state[name] = value
        if name in named:
            mask = known.get(id(named[name]))
            state[name + MASK] = torch.ones_like(value) if mask is None else mask.to(value)
    return state


def as_mask(name: str, value: Tensor) -> Tensor:
    """A tensor of zeros and ones as a bool tensor.

    Raises:
        ValueError: if it has other values.
    """
    wrong = (value != 0) & (value != 1)
    if bool(wrong.any()):
        raise ValueError(f"mask {name!r} has the value {value[wrong][0].item():g}, wanted 0 and 1 alone")
    return value != 0
