"""The map from level to level, from levels that were changed on purpose."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import nn

from tombola.engines import Workers
from tombola.imp import everywhere
from tombola.masks import Masks, bake_, count
from tombola.training import Train

from ._coordinates import log_ratios
from ._groups import Groups
from ._moves import Moves
from ._operator import Operator, Spectrum

REPEATS = 5


@dataclass(frozen=True, eq=False)
class ImpStep:
    """One level of iterative pruning: train, prune, go back to the same weights, train again.

    With an engine of several processes all of it has to be one that can be pickled.

    Args:
        model: with the weights that every level begins with, at initialisation or at the rewind point.
        train: as for `imp`; its noise must follow from the generator alone.
        kept: how many weights the next level keeps.
        start: the step that training begins with.
        stop: the step that it ends with.
        prune: as for `imp`.
    """

    model: nn.Module
    train: Train
    kept: int
    start: int
    stop: int
    prune: Callable[[nn.Module, Masks, int], Masks] = everywhere


@dataclass(frozen=True, eq=False)
class Responses:
    """What became of levels that were moved, and of the levels after them.

    Attributes:
        groups: names, in order.
        moved: names of the groups that were moved.
        before: `(repeats, moves, 2, g)`, magnitudes of groups at the moved level, as trained; gained, then lost.
        after: likewise, at the level after it.
        step: the time of the flow between them.
        refusals: in words.
    """

    groups: tuple[str, ...]
    moved: tuple[str, ...]
    before: np.ndarray
    after: np.ndarray
    step: float
    refusals: tuple[str, ...]


def responses(
    step: ImpStep, moves: Moves, *, repeats: int = REPEATS, seed: int = 0, workers: Workers | None = None
) -> Responses:
    """Trains all moved masks, prunes, goes back and trains again, with the same noise for all of one repeat.

    Cost: `4 * moves * repeats` trainings. The answer does not depend on the engine of the workers.

    Args:
        step: what a level is.
        moves: from `moved_masks`.
        repeats: how many noises; five or more for intervals.
        seed: of the noises.
        workers: with the engine that shares the trainings, such as `Workers(threads=1, engine=Processes(2))`.

    Raises:
        ValueError: if there is no repeat, no move, or the next level does not keep fewer weights.
    """
    if repeats < 1 or not moves.masks:
        raise ValueError(f"wanted at least one repeat and one group that was moved, got {repeats}, {len(moves.masks)}")
    total = count(moves.masks[0][0])
    if not 0 < step.kept < total:
        raise ValueError(f"the next level keeps fewer weights than the {total} of this one, got {step.kept}")
    workers = workers or Workers()
    blocks = [(repeat, move, side) for repeat in range(repeats) for move in range(len(moves.masks)) for side in (0, 1)]
    found = np.zeros((2, repeats, len(moves.masks), 2, len(moves.groups)))
    for number, pair in workers.engine(partial(_arm, step, moves, seed), blocks, workers):
        found[(slice(None), *blocks[number])] = pair
    return Responses(
        tuple(moves.groups), moves.moved, found[0], found[1], float(np.log(total / step.kept)), moves.refusals
    )


def _arm(step: ImpStep, moves: Moves, seed: int, block: tuple[int, int, int], workers: Workers) -> np.ndarray:
    """`(2, g)`: magnitudes of groups at a moved level and at the one after it."""
    repeat, move, side = block
    masks, rows = moves.masks[move][side], []
    for stage in range(2):
        drawn = np.random.SeedSequence([seed, repeat, stage]).generate_state(1, np.uint64)[0]
        generator = torch.Generator().manual_seed(int(drawn >> np.uint64(2)))
        begun = copy.deepcopy(step.model)
        bake_(begun, masks)
        trained = step.train(begun, masks, start=step.start, stop=step.stop, generator=generator)
        rows.append(_magnitudes(trained, masks, moves.groups))
        if not stage:
            masks = step.prune(trained, masks, step.kept)
    workers.progress(1)
    return np.array(rows)


def _magnitudes(model: nn.Module, masks: Masks, groups: Groups) -> list[float]:
    """Sums of moduli of kept weights."""
    weights = dict(model.named_parameters())
    return [
        float(sum(weights[name].detach()[masks[name]].double().abs().sum() for name in names))
        for names in groups.values()
    ]


def intervention_operator(responses: Responses, *, spectrum: Spectrum | None = None) -> Operator:
    """The map `J = DX_after DX_before^+` of differences between levels that gained and lost, averaged over noises.

    Columns of `DX` are the moves, rows log-ratios of magnitudes. This is the estimate to trust most, for the moves are
    ours and span all directions. Intervals are percentiles of a bootstrap over noises.

    Args:
        responses: what became of the moves.
        spectrum: how eigenvalues are reported.

    Example:
        >>> moved = np.array([[[[2.0, 1.0], [1.0, 2.0]]]] * 5)
        >>> found = intervention_operator(Responses(("a", "b"), ("a",), moved, moved**0.5, 0.2, ()))
        >>> found.eigenvalues.real.round(6).tolist(), found.labels
        ([0.5], ('irrelevant',))
    """
    spectrum = spectrum or Spectrum()
    repeats, free = len(responses.before), len(responses.groups) - 1
    if free < 1 or len(responses.moved) < free:
        said = f"{len(responses.moved)} moves do not span the {free} directions of {free + 1} groups"
        return Operator(step=responses.step, refusals=(*responses.refusals, said))
    points = [log_ratios(values) for values in (responses.before, responses.after)]
    if any(np.ma.getmaskarray(values).any() for values in points):
        said = "a group has lost all weights after some move; move by less, or leave the group out"
        return Operator(step=responses.step, refusals=(*responses.refusals, said))
    before, after = ((x[:, :, 0] - x[:, :, 1]).transpose(0, 2, 1) for x in (x.filled(0.0) for x in points))
    condition = float(np.linalg.cond(before.mean(axis=0)))
    if not condition <= spectrum.worst:
        said = f"the condition number of the moves is {condition:.0f}, above {spectrum.worst:.0f}: they are too alike"
        known = condition if np.isfinite(condition) else None
        return Operator(condition=known, step=responses.step, refusals=(*responses.refusals, said))
    matrix = after.mean(axis=0) @ np.linalg.pinv(before.mean(axis=0))
    refusals = responses.refusals
    if repeats < REPEATS:
        refusals = (*refusals, f"intervals from {repeats} noises say little; take {REPEATS} or more")
    draws = spectrum.draws(repeats) / repeats
    resampled = np.tensordot(draws, after, 1) @ np.linalg.pinv(np.tensordot(draws, before, 1))
    found = Operator(condition=condition, step=responses.step, refusals=refusals)
    found = spectrum.of(matrix, resampled, samples=repeats, found=found)
    return found if repeats > 1 else found.without_intervals("one noise only: no intervals, and no labels")
