"""IteRand: edge-popup that draws pruned weights again now and then, so that a network has more to choose from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from tombola.masks import Masks
from tombola.random_source import Law, Source, Uniform
from tombola.ticket import values_at

from ._edge_popup import EdgePopup
from ._method import Method
from ._searched import Searched

MOST = torch.iinfo(torch.int16).max


def iterand(*, every: int = 300, fraction: float = 0.1, by_layer: bool = True) -> Method:
    """Edge-popup on the scores themselves; every so many steps some pruned weights are drawn again [Chijiwa2021].

    A pruned weight is drawn again with probability `fraction`, from its own address in the next generation of the
    source; which ones are is a matter of addresses, too. What is kept at that moment never changes. The ticket holds,
    for each kept weight, how often it was drawn again: it is a mask on several generations of one random network, not
    on one, and its file is larger by one mask for each generation that is used.

    Args:
        every: steps between two draws; the published numbers are 300 for CIFAR-10 and 1000 for ImageNet.
        fraction: of the pruned weights, in [0, 1].
        by_layer: whether each layer keeps the same share, instead of all layers together.

    Raises:
        ValueError: for numbers out of range. A search that draws more than 32767 times stops with one.

    Example:
        >>> iterand(every=10).memory(torch.zeros(3))
        {'generation': tensor([0, 0, 0], dtype=torch.int16)}
    """
    if every < 1 or not 0 <= fraction <= 1:
        raise ValueError(f"every is at least 1 and fraction lies in [0, 1], got {every} and {fraction}")
    return IteRand(EdgePopup(by_layer, absolute=False), every, fraction)


@dataclass(frozen=True)
class IteRand:
    """What `iterand` returns."""

    popup: EdgePopup
    every: int
    fraction: float

    @property
    def by_layer(self) -> bool:
        """Whether each parameter keeps the same share."""
        return self.popup.by_layer

    def first(self, weight: Tensor, generator: torch.Generator) -> Tensor:
        """As for edge-popup."""
        return self.popup.first(weight, generator)

    def memory(self, weight: Tensor) -> dict[str, Tensor]:
        """How often each weight was drawn again."""
        return {"generation": torch.zeros_like(weight, dtype=torch.int16)}

    def before_step(self, state: Searched) -> None:
        """Draws some pruned weights again, if it is time."""
        step = int(state.step)
        if step == 0 or step % self.every:
            return
        if step // self.every > MOST:
            raise ValueError(f"weights are drawn again at most {MOST} times; draw less often than every {self.every}")
        masks, frozen = self.masks(state), state.frozen()
        for name, generation in state.memory("generation").items():
            chosen = self._drawn(state, name, generation.shape, step // self.every).to(generation.device)
            generation += chosen & ~masks[name]
            frozen[name].copy_(values_at(state.source, name, state.laws[name], generation))

    def _drawn(self, state: Searched, name: str, shape: torch.Size, number: int) -> Tensor:
        """Which addresses have their turn at draw `number`, kept or not."""
        coins = Source(state.source.seed, number).tensor(f"{name}/drawn again", Uniform(1.0), shape)
        return coins < 2 * self.fraction - 1

    def weights(self, state: Searched) -> dict[str, Tensor]:
        """The weights that are kept, 0 elsewhere."""
        return self.popup.weights(state)

    def masks(self, state: Searched) -> Masks:
        """The largest scores."""
        return self.popup.masks(state)

    def laws(self, state: Searched) -> dict[str, Law]:
        """Those of the source."""
        return state.laws

    def free_density(self, state: Searched) -> float | None:
        """None: what stays is a number, not those above a threshold."""
        return None
