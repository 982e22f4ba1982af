"""The seam of a search: from scores to a mask, and what happens to them between two steps."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, runtime_checkable

import torch
from torch import Tensor

from tombola.masks import Masks
from tombola.random_source import Law

if TYPE_CHECKING:
    from ._searched import Searched


@runtime_checkable
class Method(Protocol):
    """How scores become masks. Whatever changes during a search lies in the tensors of its state, nothing in here."""

    @property
    def by_layer(self) -> bool:
        """Whether each parameter keeps the same share, instead of all of them together."""
        ...

    def first(self, weight: Tensor, generator: torch.Generator) -> Tensor:
        """The scores of a parameter before the first step."""
        ...

    def memory(self, weight: Tensor) -> dict[str, Tensor]:
        """What else the method remembers of a parameter from step to step, by a name; often nothing."""
        ...

    def before_step(self, state: Searched) -> None:
        """Called before the forward pass of each training step, without gradients; changes tensors in place."""
        ...

    def weights(self, state: Searched) -> dict[str, Tensor]:
        """The weights that the network computes with, by name; gradients flow from them to the scores."""
        ...

    def masks(self, state: Searched) -> Masks:
        """The masks that the scores stand for; those of the ticket, once training has ended."""
        ...

    def laws(self, state: Searched) -> dict[str, Law]:
        """What the values of the ticket follow: laws as they were, or others at the same addresses."""
        ...

    def free_density(self, state: Searched) -> float | None:
        """The density that the scores would have without a number to meet; None for methods without a threshold."""
        ...
