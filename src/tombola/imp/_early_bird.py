"""Tickets that are seen before training is over: the mask has stopped changing.

References:
    [You2020] H. You et al., "Drawing early-bird tickets: towards more efficient training of deep networks", ICLR 2020.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from tombola.masks import Masks, kept_count
from tombola.select import top
from tombola.training import Train

from ._level_start import level_generator
from ._mask_distance import mask_distance
from ._prunable import everywhere, prunable

LAST = 5  # masks that are compared
WITHIN = 0.1  # how far apart they may be: both as in [You2020]
Draw = Callable[[nn.Module], Masks]
Distance = Callable[[Masks, Masks], float]


@dataclass(frozen=True, eq=False)
class EarlyBird:
    """A mask drawn during training.

    Attributes:
        found: whether it had stopped changing; otherwise it is that of the last epoch.
        step: after which it was drawn.
        masks: what was drawn.
        model: the dense network, trained up to `step`.
        distances: `(epochs,)` the largest distance of each epoch's mask to the four before it; NaN while there are
            fewer.
    """

    found: bool
    step: int
    masks: Masks
    model: nn.Module
    distances: np.ndarray


def largest_weights(model: nn.Module, density: float) -> Masks:
    """The masks of a model's weights of largest magnitude, all prunable parameters together.

    Example:
        >>> largest_weights(nn.Linear(4, 3), 0.5)["weight"].sum().item()
        6
    """
    whole = {name: torch.ones_like(model.get_parameter(name), dtype=torch.bool) for name in prunable(model)}
    return everywhere(model, whole, kept_count(sum(mask.numel() for mask in whole.values()), density))


def largest_channels(model: nn.Module, density: float) -> Masks:
    """The masks of the channels that batch norm multiplies by the most, all layers together [You2020].

    Named by the factors of batch norm, one for each channel. A channel whose factor is 0 is constant, not gone: what it
    adds is a bias of the next layer.

    Raises:
        ValueError: if the model has no batch norm with factors.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
        >>> _ = net[1].weight.data.copy_(torch.tensor([0.1, -0.9, 0.2]))
        >>> largest_channels(net, 0.3)
        {'1.weight': tensor([False,  True, False])}
    """
    sizes = {
        f"{name}.weight" if name else "weight": layer.weight.detach().abs()
        for name, layer in model.named_modules()
        if isinstance(layer, _BatchNorm) and layer.affine
    }
    if not sizes:
        raise ValueError("the model has no batch norm with factors, by which its channels could be compared")
    return top(sizes, kept_count(sum(size.numel() for size in sizes.values()), density))


def is_early_bird(masks: Sequence[Masks], *, within: float = WITHIN, distance: Distance = mask_distance) -> bool:
    """Whether the last of some masks lies close to each of the four before it [You2020].

    For a training loop of one's own: append a mask after every epoch, and ask.

    Args:
        masks: in the order in which they were drawn; False while there are fewer than five.
        within: what a distance must be below.
        distance: of two masks; with `hamming_distance` the rule is that of [You2020].

    Example:
        >>> still = {"weight": torch.tensor([True, False])}
        >>> is_early_bird([still] * 4), is_early_bird([still] * 5)
        (False, True)
    """
    return bool(_farthest(masks, distance) < within)


def early_bird(
    model: nn.Module,
    train: Train,
    draw: Draw,
    *,
    epoch: int,
    stop: int,
    within: float = WITHIN,
    distance: Distance = mask_distance,
    seed: int = 0,
) -> EarlyBird:
    """Trains a dense network until the mask that would be drawn of it no longer changes [You2020].

    Heuristic. The training loop is called for one epoch after the other; one that makes a new optimiser at each call,
    as `training.Trainer` does, loses momentum there. In a loop of your own, ask `is_early_bird` instead.

    To train the ticket on: `train(bird.model, bird.masks, start=bird.step, stop=stop, generator=...)`.

    Args:
        model: at initialisation; it stays as it is.
        train: as for `imp`. [You2020] adds an L1 penalty on the factors of batch norm; that is the loop's to do.
        draw: from a model to masks, such as `partial(largest_weights, density=0.3)`.
        epoch: the steps between masks.
        stop: the steps after which to give up; the last epoch may be shorter.
        within: what the distance to each of the four masks before must be below. Published for channels, of which
            30 to 70 % stay, and `hamming_distance`: there 0.1 is 0.2 to 0.24 of `mask_distance`.
        distance: of two masks.
        seed: of the noise of training.

    Raises:
        ValueError: if `epoch` or `stop` is below 1.

    Example:
        >>> from functools import partial
        >>> from tombola import data, models, training
        >>> net = models.build("mlp:64-20-10", generator=torch.Generator().manual_seed(0))
        >>> train = training.Trainer(data.load("digits"), steps=300)
        >>> bird = early_bird(net, train, partial(largest_weights, density=0.5), epoch=12, stop=300)
        >>> bird.found, bird.step < 300
        (True, True)
    """
    if epoch < 1 or stop < 1:
        raise ValueError(f"an epoch and a run have at least one step, got {epoch} and {stop}")
    generator, masks, distances, reached = level_generator(seed, 0), [], [], 0
    while reached < stop:
        begin, reached = reached, min(reached + epoch, stop)
        model = train(model, {}, start=begin, stop=reached, generator=generator)
        masks = [*masks, draw(model)][-LAST:]
        distances.append(_farthest(masks, distance))
        if distances[-1] < within:
            break
    return EarlyBird(distances[-1] < within, reached, masks[-1], model, np.array(distances))


def _farthest(masks: Sequence[Masks], distance: Distance) -> float:
    """The largest distance of the last mask to the four before it; NaN if they are fewer."""
    if len(masks) < LAST:
        return float("nan")
    *before, newest = masks[-LAST:]
    return max(distance(newest, each) for each in before)
