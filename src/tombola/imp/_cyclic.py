"""Training a sparse network several times over, and pruning it once more on the way.

References:
    [Gadhikar2024] A. Gadhikar, S. H. Nelaturu, R. Burkholz, "Cyclic sparse training: is it enough?",
        arXiv:2406.02773, 2024.
"""

from __future__ import annotations

import torch
from torch import nn

from tombola.masks import Masks, check_masks, count, kept_count
from tombola.training import Train

from ._imp import Level, Prune
from ._level_start import level_generator, masked_copy
from ._prunable import everywhere


def cyclic(train: Train, cycles: int) -> Train:
    """A training loop that goes through its steps several times, each time from the weights it has come to.

    Every cycle is a call of its own: the learning rate starts again, and so does the optimiser if the loop makes a new
    one whenever it is called, as `training.Trainer` does [Gadhikar2024]. Random numbers go on from cycle to cycle.

    In `imp` with `weights(step)` the training up to that step is repeated as well; go back to the beginning, or with
    the learning rate.

    Args:
        train: as for `imp`.
        cycles: at least 1, which is `train` itself.

    Raises:
        ValueError: if there is none.

    Example:
        >>> def count_up(model, masks, *, start, stop, generator):
        ...     steps.append((start, stop))
        ...     return model
        >>> steps = []
        >>> _ = cyclic(count_up, 3)(nn.Linear(1, 1), {}, start=0, stop=50, generator=torch.Generator())
        >>> steps
        [(0, 50), (0, 50), (0, 50)]
    """
    if cycles < 1:
        raise ValueError(f"training goes through its steps at least once, got {cycles} cycles")

    def cycled(model: nn.Module, masks: Masks, *, start: int, stop: int, generator: torch.Generator) -> nn.Module:
        for _ in range(cycles):
            model = train(model, masks, start=start, stop=stop, generator=generator)
        return model

    return cycled


def sculpt(
    model: nn.Module,
    train: Train,
    masks: Masks,
    *,
    density: float,
    stop: int,
    cycles: int,
    prune: Prune = everywhere,
    seed: int = 0,
) -> tuple[Level, Level]:
    """A sparse network, trained in cycles, pruned at once to a density, and trained for one cycle more [Gadhikar2024].

    The dense network is never trained. Heuristic. Cost: `cycles + 1` whole runs.

    Args:
        model: at initialisation; it stays as it is.
        train: as for `imp`; called with the whole run for each cycle.
        masks: that it begins with, such as random ones or those of pruning at initialisation.
        density: of the masked parameters in the end, below that of `masks`.
        stop: the steps of a cycle.
        cycles: before pruning, at least 1.
        prune: `everywhere` (default), `by_layer`, or one of the caller's.
        seed: of the noise of training.

    Returns:
        The level of the masks that were given, and that of those they were pruned to, which begins with the weights
        that the first came to.

    Raises:
        ValueError: before any training, if masks and model do not fit, there is nothing to prune, or no cycle.

    Example:
        >>> from tombola import data, imp, models, training
        >>> digits, generator = data.load("digits"), torch.Generator().manual_seed(0)
        >>> net = models.build("mlp:64-20-10", generator=generator)
        >>> half = imp.shuffled(imp.largest_weights(net, 0.5), generator=generator)
        >>> [level.kept for level in sculpt(net, training.Trainer(digits, 60), half, density=0.2, stop=60, cycles=2)]
        [740, 296]
    """
    check_masks(masks, dict(model.named_parameters()))
    before, total = count(masks), sum(mask.numel() for mask in masks.values())
    if not masks or (kept := kept_count(total, density)) >= before:
        raise ValueError(f"{before} of {total} weights are kept at first; a density of {density} leaves none to prune")
    begun = masked_copy(model, masks)
    trained = cyclic(train, cycles)(begun, masks, start=0, stop=stop, generator=level_generator(seed, 0))
    first = Level(0, before, before / total, masks, begun, trained, stop)
    pruned = prune(trained, masks, kept)
    begun = masked_copy(trained, pruned)
    trained = train(begun, pruned, start=0, stop=stop, generator=level_generator(seed, 1))
    return first, Level(1, kept, kept / total, pruned, begun, trained, stop)
