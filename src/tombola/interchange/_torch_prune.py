"""Masks as torch's own pruning holds them."""

from __future__ import annotations

from collections import Counter

import torch
from torch import nn
from torch.nn.utils import prune

from tombola.masks import Masks, check_masks


def to_torch_prune_(model: nn.Module, masks: Masks) -> None:
    """Hands masks to `torch.nn.utils.prune`, in place: parameters `NAME_orig`, buffers `NAME_mask`.

    Values stay as they are, pruned ones too. The way back is `from_state_dict(model.state_dict())` and a plain model;
    `torch.nn.utils.prune.remove` puts the name back too, but zeros for what is pruned. Parameters of a layer change
    their order, so an optimiser comes afterwards. A copy by `copy.deepcopy` is possible until the first forward that
    records gradients, and again after one under `torch.no_grad`: torch keeps what it last computed.

    Args:
        model: any module whose masked parameters are plain.
        masks: bool tensors by parameter name, as in `model.named_parameters()`, on the devices of the parameters.

    Raises:
        ValueError: if a mask names no parameter, has another shape, or is of a parameter that two modules share: torch
            would mask one of the two. Then nothing is changed.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 1, bias=False))
        >>> to_torch_prune_(net, {"0.weight": torch.tensor([[True, False]])})
        >>> prune.is_pruned(net), net[0].weight[0, 1].item() == 0, sorted(net.state_dict())
        (True, True, ['0.weight_mask', '0.weight_orig'])
    """
    parameters = dict(model.named_parameters())
    check_masks(masks, parameters)
    places = Counter(id(value) for _, value in model.named_parameters(remove_duplicate=False))
    for name in masks:
        if places[id(parameters[name])] > 1:
            raise ValueError(f"parameter {name!r} is shared by modules, of which torch would mask one; untie it first")
    with torch.no_grad():  # what records gradients could not be copied
        for name, mask in masks.items():
            path, _, leaf = name.rpartition(".")
            prune.custom_from_mask(model.get_submodule(path), leaf, mask)
