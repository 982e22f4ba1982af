"""The statistics that batch norm has to know of a network that no training came to."""

from __future__ import annotations

import copy
from collections.abc import Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from tombola.training._inspect import device_of


def reestimate_batch_norm_(model: nn.Module, x: Tensor | Iterable[Tensor], *, batch_size: int = 1000) -> int:
    """Sets the running statistics of every batch norm to the averages over given inputs, in place; says how many.

    For networks between two trained ones, and after pruning: the statistics they have are of other weights. Each layer
    gets the mean, over the batches, of a batch's mean and of its unbiased variance, while it normalises by the batch
    itself, as in training. Exact: no batch counts more than another, and nothing of the old statistics is left. Other
    layers are in evaluation mode meanwhile, so that nothing is drawn at random. Weights, modes and momentum stay as
    they are; so do the statistics if this fails. Without batch norm that keeps statistics nothing is done.

    Args:
        model: any module; a copy of it is made for the while.
        x: `(n, *shape)` inputs, already scaled, which are cut into batches of sizes that differ by at most one; or the
            batches. They are moved to the model's device.
        batch_size: the most inputs of a batch that is cut; larger is closer to the statistics of all inputs at once.

    Returns:
        The number of layers that keep statistics.

    Raises:
        ValueError: if there is no input, or `batch_size` is below 1.
        TypeError: if a batch is no tensor, such as a pair of inputs and labels.

    Example:
        >>> net = nn.Sequential(nn.BatchNorm1d(1), nn.ReLU())
        >>> reestimate_batch_norm_(net, torch.tensor([[1.0], [3.0]]))
        1
        >>> net[0].running_mean.item(), net[0].running_var.item()
        (2.0, 2.0)
    """
    if batch_size < 1:
        raise ValueError(f"batch_size must be at least 1, got {batch_size}")
    layers = _with_statistics(model)
    if not layers:
        return 0
    measured = copy.deepcopy(model).eval()
    for layer in _with_statistics(measured):
        layer.reset_running_stats()
        layer.momentum, layer.training = None, True  # no momentum: all batches count the same
    with torch.no_grad():
        if not _run(measured, _cut(x, batch_size) if isinstance(x, Tensor) else x):
            raise ValueError("there are no inputs to take statistics of")
        for layer, new in zip(layers, _with_statistics(measured), strict=True):
            for name, value in new.named_buffers(recurse=False):
                layer.get_buffer(name).copy_(value)
    return len(layers)


def _run(model: nn.Module, batches: Iterable[Tensor]) -> int:
    """The number of inputs that went through a model."""
    device, seen = device_of(model), 0
    for batch in batches:
        if not isinstance(batch, Tensor):
            raise TypeError(f"a batch is a tensor of inputs, got {type(batch).__name__}")
        model(batch.to(device))
        seen += len(batch)
    return seen


def _with_statistics(model: nn.Module) -> list[_BatchNorm]:
    return [layer for layer in model.modules() if isinstance(layer, _BatchNorm) and layer.running_mean is not None]


def _cut(x: Tensor, batch_size: int) -> tuple[Tensor, ...]:
    """Batches of equal sizes, or of two that differ by one: a last one of a single input would have no variance."""
    return torch.tensor_split(x, -(-len(x) // batch_size)) if len(x) else ()
