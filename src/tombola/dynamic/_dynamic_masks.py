"""What is attached to an optimiser: the masks as they are now, and the way to take it off."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import final

from torch import Tensor

from tombola.masks import Masks, density


@final
class DynamicMasks:
    """The masks of a network in training, and how much they have seen; what attaching a method returns.

    Args:
        masks: at the start, on the devices of their parameters.
        remove: takes the hooks off.

    Example:
        >>> import torch
        >>> from tombola.dynamic import rigl
        >>> model = torch.nn.Linear(4, 1)
        >>> optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
        >>> method = rigl(steps=20, every=2, fraction=0.9, generator=torch.Generator().manual_seed(0))
        >>> dynamic = method(optimiser, model, {"weight": torch.tensor([[True, True, False, False]])})
        >>> for _ in range(3):
        ...     loss = model(torch.tensor([[1.0, 1.0, 1.0, 9.0]])).square().sum()
        ...     loss.backward()
        ...     optimiser.step()
        >>> int(dynamic.masks["weight"].sum()), dynamic.masks["weight"][0, 3].item(), dynamic.explored
        (2, True, 0.75)
    """

    def __init__(self, masks: Masks, remove: Callable[[], None]) -> None:
        self._masks, self._ever, self._updates, self._remove = dict(masks), dict(masks), 0, remove

    @property
    def masks(self) -> Masks:
        """The masks now: a new dict at each call, of tensors that later updates leave alone."""
        return dict(self._masks)

    @property
    def ever(self) -> Masks:
        """The weights that have been kept at any time."""
        return dict(self._ever)

    @property
    def explored(self) -> float:
        """The fraction of the masked weights that have been kept at any time: `R_s` of [Liu2021]; 1.0 without masks."""
        return density(self._ever)

    @property
    def updates(self) -> int:
        """How often the masks have been chosen anew."""
        return self._updates

    def remove(self) -> None:
        """Ends all effects: masks no longer change, and pruned weights no longer stay at zero. Doing it twice is fine.

        To train on under the last masks, attach `training.keep_pruned_` with `.masks`.
        """
        self._remove()

    def update(self, masks: Mapping[str, Tensor]) -> None:
        """Notes new masks; for methods, which have to carry them out themselves."""
        self._masks = dict(masks)
        self._ever = {name: self._ever[name] | mask for name, mask in masks.items()}
        self._updates += 1
