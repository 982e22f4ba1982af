"""From which step of training on the order of examples no longer decides which valley a network ends in.

References:
    [Frankle2020] J. Frankle, G. K. Dziugaite, D. Roy, M. Carbin, "Linear mode connectivity and the lottery ticket
        hypothesis", ICML 2020.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import nn

from tombola.masks import Masks, check_masks
from tombola.training import Train

from ._barrier import Barrier
from ._level_start import level_generator, masked_copy

STABLE = 0.02  # [Frankle2020]: two per cent of error
LEVEL = 0.95  # of the interval
Between = Callable[[nn.Module, nn.Module], Barrier]


@dataclass(frozen=True, eq=False)
class Instability:
    """Barriers between copies of a network that were trained from one step on under different noise.

    Attributes:
        step: from which the copies were trained.
        barriers: one for each pair of copies.
    """

    step: int
    barriers: tuple[Barrier, ...]

    @property
    def height(self) -> float:
        """The mean height of the barriers."""
        return float(self._heights.mean())

    @property
    def error(self) -> float:
        """The mean error of the copies. Near chance a low barrier says nothing."""
        return float(np.mean([barrier.errors[[0, -1]] for barrier in self.barriers]))

    @property
    def interval(self) -> tuple[float, float]:
        """A 95 % interval of the mean height over pairs, by Student's t; the whole line for a single pair.

        It is about the noise of training from these weights, not about other initialisations.
        """
        from scipy.stats import t

        pairs = len(self.barriers)
        if pairs < 2:
            return -float("inf"), float("inf")
        reach = float(t.ppf((1 + LEVEL) / 2, pairs - 1) * self._heights.std(ddof=1) / pairs**0.5)
        return self.height - reach, self.height + reach

    @property
    def _heights(self) -> np.ndarray:
        return np.array([barrier.height for barrier in self.barriers])


@dataclass(frozen=True, eq=False)
class StabilityPoint:
    """The first step that was found to be stable, and all that was measured on the way.

    Attributes:
        step: the step, or None if none of those tried is stable.
        tried: the measurements, in the order of their steps.
        below: the height below which a step counts as stable.
    """

    step: int | None
    tried: tuple[Instability, ...]
    below: float


def instability(
    model: nn.Module,
    train: Train,
    between: Between,
    *,
    steps: Sequence[int],
    stop: int,
    masks: Masks | None = None,
    pairs: int = 3,
    seed: int = 0,
) -> Iterator[Instability]:
    """Barriers between copies trained from a step on under different noise, for one step after the other [Frankle2020].

    The dense network is trained up to a step, masked, and trained to the end twice for each pair. The dense network is
    trained once, along one trajectory that goes on from step to step; a training loop that starts its optimiser anew at
    every call, as `training.Trainer` does, loses momentum at each of `steps`. At the first of them the weights are
    those that `imp` with `weights(step)` and the same seed goes back to. Cost: `max(steps)` steps of training, and
    `2 * pairs * (stop - step)` for each step that is asked for.

    [Frankle2020] looks for other masks at each step, by pruning with weights put back to it; here they are given. For
    theirs, call this once for each step with the masks of such a run.

    Args:
        model: at initialisation; it stays as it is.
        train: as for `imp`. Its noise must follow from the generator that it is given.
        between: from two trained networks to their barrier, such as `partial(barrier, error=error)`, with what
            `prepare`s batch norm where there is any.
        steps: ascending, before `stop`.
        stop: the steps of a whole run.
        masks: of the copies; default: none, for the dense network.
        pairs: of copies at each step.
        seed: of the noise.

    Yields:
        A measurement for each step, when it is made.

    Raises:
        ValueError: at the first step, if steps, masks or pairs make no sense; later, if the copies of a pair come out
            equal, so that there was no noise.

    Example:
        >>> from functools import partial
        >>> from tombola import data, imp, models, training
        >>> digits = data.load("digits")
        >>> net = models.build("mlp:64-20-10", generator=torch.Generator().manual_seed(0))
        >>> between = partial(imp.barrier, error=lambda net: 1 - training.evaluate(net, *digits.test()).accuracy)
        >>> first, *_ = instability(net, training.Trainer(digits, steps=60), between, steps=[0], stop=60, pairs=2)
        >>> first.height < 0.02 < 1 - first.error
        True
    """
    if not steps or list(steps) != sorted(set(steps)) or not 0 <= steps[0] <= steps[-1] < stop:
        raise ValueError(f"steps ascend from 0 or later and lie before the end, {stop}; got {list(steps)}")
    if pairs < 1:
        raise ValueError(f"there is at least one pair of copies, got {pairs}")
    masks = masks or {}
    check_masks(masks, dict(model.named_parameters()))
    dense, reached, generator = copy.deepcopy(model), 0, level_generator(seed, -1)
    for step in steps:
        if step > reached:
            dense, reached = train(dense, {}, start=reached, stop=step, generator=generator), step
        trained = partial(train, masked_copy(dense, masks), masks, start=step, stop=stop)
        noises = _noises(seed, step, 2 * pairs)
        yield Instability(
            step,
            tuple(
                _compared(trained(generator=one), trained(generator=other), between)
                for one, other in zip(noises[::2], noises[1::2], strict=True)
            ),
        )


def stability_point(found: Iterable[Instability], *, below: float = STABLE) -> StabilityPoint:
    """The first of some steps whose mean barrier is lower than 2 % of error [Frankle2020].

    Steps are tried in their order, and none behind the first stable one. Nothing is assumed about the steps between
    those that are tried, nor about later ones, which need not be stable: for the whole curve, measure it all first.

    Args:
        found: what `instability(...)` yields; taken one by one, so that no more is measured than needed.
        below: the height of a barrier, as a fraction.

    Example:
        >>> high, low = np.array([0.1, 0.4, 0.1]), np.array([0.1, 0.11, 0.1])
        >>> found = (Instability(step, (Barrier(np.linspace(0, 1, 3), e),)) for step, e in [(0, high), (50, low)])
        >>> stability_point(found).step
        50
    """
    tried = []
    for one in found:
        tried.append(one)
        if one.height < below:
            return StabilityPoint(one.step, tuple(tried), below)
    return StabilityPoint(None, tuple(tried), below)


def _compared(one: nn.Module, other: nn.Module, between: Between) -> Barrier:
    theirs = other.state_dict()
    if all(value.equal(theirs[name]) for name, value in one.state_dict().items()):
        raise ValueError("two copies came out equal: the noise of training must follow from the generator it is given")
    return between(one, other)


def _noises(seed: int, step: int, number: int) -> list[torch.Generator]:
    """Random numbers for copies from a step; other ones for every step, and none that a run of `imp` has."""
    words = np.random.SeedSequence(seed % 2**63, spawn_key=(step,)).generate_state(number, np.uint64)
    return [torch.Generator().manual_seed(int(word) % 2**63) for word in words]
