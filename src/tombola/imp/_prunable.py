"""Which parameters are pruned, and the largest of them."""

from __future__ import annotations

from collections.abc import Collection

import torch
from torch import Tensor, nn

from tombola.masks import Masks, count
from tombola.select import top


def prunable(model: nn.Module, *, exclude: Collection[str] = ()) -> list[str]:
    """The names of the weights that pruning is about: parameters of two axes or more, so no biases and no batch norm.

    Args:
        model: any module.
        exclude: names of parameters that stay dense, often the last layer's.

    Raises:
        ValueError: if a name is none of a parameter, or nothing is left.

    Example:
        >>> net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
        >>> prunable(net, exclude=["2.weight"])
        ['0.weight']
    """
    parameters = parameters_with(model, exclude)
    names = [name for name, parameter in parameters.items() if parameter.ndim > 1 and name not in exclude]
    if not names:
        raise ValueError("there is nothing to prune: the model has no weights of two axes or more beside the excluded")
    return names


def parameters_with(model: nn.Module, names: Collection[str]) -> dict[str, nn.Parameter]:
    """A model's parameters by name, once it is known that some names are among them.

    Raises:
        ValueError: if they are not.
    """
    parameters = dict(model.named_parameters())
    if unknown := set(names) - set(parameters):
        raise ValueError(f"{sorted(unknown)} are no parameters; the model has {', '.join(parameters)}")
    return parameters


def everywhere(model: nn.Module, masks: Masks, kept: int) -> Masks:
    """The `kept` weights of largest magnitude among those that are kept so far, all parameters together.

    Exact, ties by position; masks are nested.

    Args:
        model: whose weights are compared.
        masks: of the parameters that are pruned.
        kept: how many stay.

    Raises:
        ValueError: if more are to stay than are kept so far, or a kept weight is NaN.

    Example:
        >>> net = nn.Linear(3, 1)
        >>> _ = net.weight.data.copy_(torch.tensor([[0.1, -3.0, 2.0]]))
        >>> everywhere(net, {"weight": torch.tensor([[True, True, False]])}, 1)["weight"].tolist()
        [[False, True, False]]
    """
    return top(_magnitudes(model, masks, kept), kept)


def by_layer(model: nn.Module, masks: Masks, kept: int) -> Masks:
    """The same, with the same share in every parameter: rounded so that `kept` stay in all.

    Args:
        model: whose weights are compared.
        masks: of the parameters that are pruned.
        kept: how many stay.

    Raises:
        ValueError: if more are to stay than are kept so far, or a kept weight is NaN.

    Example:
        >>> net = nn.Sequential(nn.Linear(4, 3, bias=False), nn.Linear(3, 2, bias=False))
        >>> masks = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in net.named_parameters()}
        >>> [int(mask.sum()) for mask in by_layer(net, masks, 9).values()]
        [6, 3]
    """
    sizes = {name: int(mask.sum()) for name, mask in masks.items()}
    total, counts, given = sum(sizes.values()), {}, 0
    for name, size in sizes.items():  # the running total decides, so that nothing is lost to rounding
        given_before, total_so_far = given, sum(list(sizes.values())[: len(counts) + 1])
        given = round(kept * total_so_far / total)
        counts[name] = min(size, given - given_before)
    return top(_magnitudes(model, masks, kept), counts)


def _magnitudes(model: nn.Module, masks: Masks, kept: int) -> dict[str, Tensor]:
    """The moduli of kept weights, -inf for pruned ones."""
    if kept > count(masks):
        raise ValueError(f"{kept} weights cannot stay of {count(masks)} that are kept so far")
    parameters = dict(model.named_parameters())
    return {
        name: torch.where(mask, parameters[name].detach().abs(), torch.tensor(-torch.inf))
        for name, mask in masks.items()
    }
