"""What a level of iterative pruning starts from, once the weights of the level before have been pruned.

References:
    [Frankle2019] J. Frankle, M. Carbin, "The lottery ticket hypothesis: finding sparse, trainable neural networks",
        ICLR 2019.
    [Frankle2020] J. Frankle, G. K. Dziugaite, D. Roy, M. Carbin, "Linear mode connectivity and the lottery ticket
        hypothesis", ICML 2020.
    [Renda2020] A. Renda, J. Frankle, M. Carbin, "Comparing rewinding and fine-tuning in neural network pruning",
        ICLR 2020.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import nn

Initialise = Callable[[torch.Generator], nn.Module]


@dataclass(frozen=True, eq=False)
class Begin:
    """Where a level begins.

    Attributes:
        model: what is trained, before it is masked.
        start: the first step.
        stop: the step before which training ends.
    """

    model: nn.Module
    start: int
    stop: int


@dataclass(frozen=True, eq=False)
class Rewind:
    """A way back: how far the dense network is trained first, and what every later level begins with.

    Attributes:
        name: of the way.
        step: up to which the dense network is trained before its weights are remembered.
        begin: `(remembered, trained, stop, generator)` to where a level begins.
    """

    name: str
    step: int
    begin: Callable[[nn.Module, nn.Module, int, torch.Generator], Begin]


def weights(step: int = 0) -> Rewind:
    """Weights go back to what they were at a step, and training goes on from there [Frankle2020]; 0 is [Frankle2019].

    Example:
        >>> weights(500).step
        500
    """
    if step < 0:
        raise ValueError(f"the step to go back to is 0 or later, got {step}")
    return Rewind("weights", step, lambda remembered, trained, stop, generator: Begin(remembered, step, stop))


def learning_rate(steps: int | None = None) -> Rewind:
    """Weights stay, the learning rate goes back by so many steps, or to the beginning [Renda2020].

    Example:
        >>> learning_rate().begin(nn.Linear(1, 1), nn.Linear(1, 1), 900, torch.Generator()).start
        0
    """
    _check_steps(steps)

    def begin(remembered: nn.Module, trained: nn.Module, stop: int, generator: torch.Generator) -> Begin:
        return Begin(trained, 0 if steps is None else max(0, stop - steps), stop)

    return Rewind("learning_rate", 0, begin)


def fine_tuning(steps: int) -> Rewind:
    """Weights stay and are trained on, at the last learning rate of the run [Renda2020].

    Of a rate that ends at 0, as a cosine does, nothing is left by then.

    Example:
        >>> begun = fine_tuning(100).begin(nn.Linear(1, 1), nn.Linear(1, 1), 900, torch.Generator())
        >>> begun.start, begun.stop
        (900, 1000)
    """
    _check_steps(steps)
    return Rewind("fine_tuning", 0, lambda remembered, trained, stop, generator: Begin(trained, stop, stop + steps))


def reinitialisation(initialise: Initialise) -> Rewind:
    """New random weights at every level: the control that shows what the weights, and not the masks, are worth.

    Args:
        initialise: a new network from a generator.

    Example:
        >>> begun = reinitialisation(lambda generator: nn.Linear(2, 2)).begin(None, None, 900, torch.Generator())
        >>> begun.start, begun.stop
        (0, 900)
    """
    return Rewind(
        "reinitialisation", 0, lambda remembered, trained, stop, generator: Begin(initialise(generator), 0, stop)
    )


def _check_steps(steps: int | None) -> None:
    if steps is not None and steps < 1:
        raise ValueError(f"a level is trained for at least one step, got {steps}")
