"""What a criterion of pruning is called with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from tombola.masks import Masks

Batches = Sequence[tuple[Tensor, Tensor]]
Loss = Callable[[Any, Tensor], Tensor]


@runtime_checkable
class Score(Protocol):
    """A criterion: which weights matter, in numbers of which the largest stay."""

    def __call__(
        self, model: nn.Module, batches: Batches, *, masks: Masks, loss: Loss, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """The scores of the masked parameters, in their shapes.

        Args:
            model: at any weights; none of its parameters, buffers, gradients, modes or random state changes.
            batches: inputs and targets on the model's device, read as often as needed; criteria without data read none.
            masks: of the parameters to be scored; pruned weights count as zero.
            loss: of outputs and targets, a mean over examples.
            generator: of whatever is drawn.

        Returns:
            Finite numbers by parameter name. What a pruned weight scores is of no account.
        """
        ...
