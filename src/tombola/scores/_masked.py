"""What the criteria share: a copy of a model that is called with masked weights, and gradients of the loss there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, final

import torch
from torch import Tensor, nn
from torch.autograd.graph import get_gradient_edge
from torch.func import functional_call
from torch.nn.modules.batchnorm import _BatchNorm

from tombola.isolation import bare_copy, isolated_random_state
from tombola.masks import Masks, check_masks

from ._score import Batches, Loss

Weights = Mapping[str, Tensor]


@final
@dataclass(frozen=True, eq=False)
class MaskedCopy:
    """A copy of a model, called with the values of its parameters.

    Attributes:
        module: the copy, without hooks; its own parameters ask for no gradient, and are 0 where they are pruned.
        dense: the caller's masked parameters, pruned ones included; only to be read.
        masks: on the parameters' devices.
    """

    module: nn.Module
    dense: dict[str, Tensor]
    masks: Masks

    def weights(self) -> dict[str, Tensor]:
        """The masked parameters, with zeros where they are pruned; only to be read."""
        return {name: self.module.get_parameter(name).detach() for name in self.masks}

    def outputs(self, weights: Weights, x: Tensor) -> Any:  # noqa: ANN401 - whatever the loss takes
        """The model's outputs at other values of some parameters; tied ones change together."""
        return functional_call(self.module, dict(weights), (x,))

    @property
    def device(self) -> torch.device:
        """Where the first masked parameter is."""
        return next(iter(self.dense.values())).device


@contextmanager
def masked_copy(
    model: nn.Module, masks: Masks, generator: torch.Generator, *, batch_statistics: bool = False
) -> Iterator[MaskedCopy]:
    """A block with a copy of a model in evaluation mode, in which gradients are on, and global draws are isolated.

    Args:
        model: is not changed. Hooks are left out of the copy.
        masks: of the parameters to be scored; frozen ones too.
        generator: gives the seed of what modules draw themselves.
        batch_statistics: whether batch norm normalises by each batch itself, as in training.

    Raises:
        ValueError: without masks, or if one does not fit.
    """
    if not masks:
        raise ValueError("there are no masks, so there is nothing to score")
    check_masks(masks, dict(model.named_parameters()))
    module = bare_copy(model).requires_grad_(False)
    for layer in module.modules():
        layer.training = batch_statistics and isinstance(layer, _BatchNorm)
    dense = {name: model.get_parameter(name).detach() for name in masks}
    local = {name: mask.to(dense[name].device) for name, mask in masks.items()}
    for name, mask in local.items():
        module.get_parameter(name).detach().masked_fill_(~mask, 0)
    found = MaskedCopy(module, dense, local)
    with isolated_random_state(generator), torch.enable_grad(), torch.autocast(found.device.type, enabled=False):
        yield found


def mean_gradients(model: MaskedCopy, batches: Batches, loss: Loss, at: Weights) -> dict[str, Tensor]:
    """The gradients of the mean loss over all examples, however they are cut into batches.

    One backward for each batch, so that memory is that of one batch.

    Args:
        model: the copy.
        batches: every example counts the same, wherever batch norm does not look at the batch.
        loss: a mean over the examples of a batch.
        at: the weights at which, and with respect to which.

    Raises:
        ValueError: without batches, for one on another device or without examples, for a loss that is no finite number.
    """
    totals, seen = {name: torch.zeros_like(value) for name, value in at.items()}, 0
    for size, slopes in batch_gradients(model, batches, loss, at):
        for total, slope in zip(totals.values(), slopes, strict=True):
            total.add_(slope, alpha=size)
        seen += size
    return {name: total.div_(seen) for name, total in totals.items()}


def batch_gradients(
    model: MaskedCopy, batches: Batches, loss: Loss, at: Weights
) -> Iterator[tuple[int, tuple[Tensor, ...]]]:
    """The size of each batch and the gradients of its loss; raises as `mean_gradients`."""
    leaves = {name: value.detach().requires_grad_() for name, value in at.items()}
    for number in numbers(batches):
        size, value = batch_loss(model, batches, loss, leaves, number)
        yield size, gradients(value, leaves)


@final
class Slopes:
    """The gradients of the loss of a batch, as a graph that can be differentiated; their values are not held.

    The graph holds about twice the activations. Forward over reverse mode holds no less and takes longer.

    Args:
        model: the copy.
        batch: inputs and targets.
        loss: a mean over examples, that has been called with this batch before.
        at: the weights at which.
    """

    def __init__(self, model: MaskedCopy, batch: tuple[Tensor, Tensor], loss: Loss, at: Weights) -> None:
        self._leaves = {name: value.detach().requires_grad_() for name, value in at.items()}
        value = loss(model.outputs(self._leaves, batch[0]), batch[1]).squeeze()
        slopes = zip(at, gradients(value, self._leaves, graph=True), strict=True)
        self._edges = {name: get_gradient_edge(slope) for name, slope in slopes if slope.requires_grad}

    def hessian_product(self, direction: Weights, *, again: bool = False) -> tuple[Tensor, ...]:
        """The Hessian times a direction; the graph is freed on the way, unless it is wanted again."""
        leaves, along = list(self._leaves.values()), [direction[name] for name in self._edges]
        if not along:
            return tuple(torch.zeros_like(leaf) for leaf in leaves)
        edges = list(self._edges.values())
        return torch.autograd.grad(edges, leaves, along, retain_graph=again, materialize_grads=True)


def is_separable(model: MaskedCopy, batches: Batches, loss: Loss, at: Weights) -> bool:
    """Whether examples do not see each other: the loss of the first batch is the mean of the losses of its parts.

    Up to rounding. It is not where batch norm looks at the batch, for models that draw, and for losses that are no
    means over examples.
    """
    x, y = checked(batches, 0, model.device)
    if len(x) != len(y) or any(layer.training for layer in model.module.modules()):
        return False
    with torch.no_grad():
        whole = loss(model.outputs(at, x), y)
        mean = sum(len(a) / len(x) * loss(model.outputs(at, a), b) for a, b in parts(x, y))
    return bool((whole - mean).abs() <= 1000 * torch.finfo(whole.dtype).eps * whole.abs())


def parts(x: Tensor, y: Tensor, *, separable: bool = True) -> list[tuple[Tensor, Tensor]]:
    """A batch cut into at most four, if it is separable."""
    return list(zip(x.chunk(4), y.chunk(4), strict=True)) if separable else [(x, y)]


def gradients(value: Tensor, weights: Weights, *, graph: bool = False) -> tuple[Tensor, ...]:
    """The gradients of a number, zeros where it does not depend on a weight.

    Args:
        value: a single number.
        weights: with respect to which.
        graph: whether the gradients can be differentiated themselves.
    """
    if not value.requires_grad:
        return tuple(torch.zeros_like(weight) for weight in weights.values())
    return torch.autograd.grad(value, list(weights.values()), create_graph=graph, materialize_grads=True)


def batch_loss(model: MaskedCopy, batches: Batches, loss: Loss, weights: Weights, number: int) -> tuple[int, Tensor]:
    """The size of a batch and its loss.

    Raises:
        ValueError: for a batch on another device or without examples, or a loss that is no finite number.
    """
    x, y = checked(batches, number, model.device)
    value = loss(model.outputs(weights, x), y)
    if value.numel() != 1:
        raise ValueError(f"the loss of batch {number} has the shape {tuple(value.shape)}; wanted a mean over examples")
    if not value.isfinite():
        raise ValueError(
            f"the loss of batch {number} is {value.item()}; the model or the batch holds what is not finite"
        )
    return len(x), value.squeeze()


def numbers(batches: Batches) -> range:
    """The numbers of the batches; ValueError if there are none."""
    if len(batches) == 0:
        raise ValueError("there are no batches; this criterion needs some, for which `noise` may stand in")
    return range(len(batches))


def checked(batches: Batches, number: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """A batch; ValueError if it is on another device or has no examples."""
    x, y = batches[number]
    for what, value in (("inputs", x), ("targets", y)):
        if value.device != device:
            message = f"the {what} of batch {number} are on {value.device}, and the model is on {device}"
            raise ValueError(f"{message}; move one to the other")
    if len(x) == 0:
        raise ValueError(f"batch {number} has no examples")
    return x, y


def finite(scores: dict[str, Tensor]) -> dict[str, Tensor]:
    """The scores; ValueError if some are not finite."""
    for name, score in scores.items():
        if not score.isfinite().all():
            raise ValueError(f"the scores of {name!r} are not all finite; if the weights are, try a model in float64")
    return scores
