"""What every hook does for its trainer: masks are held on its optimisers and compared with those of its checkpoints."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import nn
from torch.utils.hooks import RemovableHandle

from tombola.masks import Masks, bake_
from tombola.training import keep_pruned_


class Keeper:
    """Masks, where they came from, and the optimisers that they are held on.

    Args:
        masks: of parameters by name, or None: those of the checkpoint that is restored.
    """

    def __init__(self, masks: Masks | None) -> None:
        self.given = masks is not None
        self.masks = None if masks is None else dict(masks)
        self.handles: list[RemovableHandle] = []

    def __getstate__(self) -> dict[str, object]:
        """A copy holds no optimiser: it would be that of the original."""
        return {"given": self.given, "masks": self.masks, "handles": []}

    def restore(self, stored: Masks) -> None:
        """Takes the masks of a checkpoint, if none were given.

        Raises:
            ValueError: if others were given.
        """
        if not self.given:
            self.masks = dict(stored)
        elif differing := _differing(self.wanted(), stored):
            raise ValueError(
                f"the checkpoint was written under other masks: those of {', '.join(differing)} differ; "
                "KeepPruned() without masks goes on with the checkpoint's"
            )

    def wanted(self) -> Masks:
        """The masks.

        Raises:
            ValueError: if there are none.
        """
        if self.masks is None:
            raise ValueError(
                "KeepPruned has no masks: give it some, or resume from a checkpoint that was saved with it"
            )
        return self.masks

    def bake(self, model: nn.Module) -> None:
        """Sets the pruned weights of a model to zero, in place.

        Raises:
            ValueError: if there are no masks, a mask names no parameter or has another shape.
        """
        masks, parameters = self.wanted(), dict(model.named_parameters())
        bake_(
            model,
            {name: mask.to(parameters[name].device) if name in parameters else mask for name, mask in masks.items()},
        )

    def attach(self, model: nn.Module, optimisers: Sequence[torch.optim.Optimizer]) -> None:
        """Sets the pruned weights of a model to zero, now and after every step of its optimisers, and of no others.

        Raises:
            ValueError: if there are no masks, they do not fit, or an optimiser trains copies of the parameters.
        """
        self.detach()
        self.bake(model)
        own = {id(parameter) for parameter in model.parameters()}
        for optimiser in optimisers:
            if own.isdisjoint(id(parameter) for group in optimiser.param_groups for parameter in group["params"]):
                raise ValueError(
                    f"{type(optimiser).__name__} trains none of the model's own parameters; masks cannot be held where "
                    "weights are sharded or flattened, as DeepSpeed and FSDP do"
                )
        self.handles = [keep_pruned_(optimiser, model, self.wanted()) for optimiser in optimisers]

    def detach(self) -> None:
        """Lets go of the optimisers."""
        for handle in self.handles:
            handle.remove()
        self.handles = []


def _differing(given: Masks, stored: Masks) -> list[str]:
    """The names under which two masks are not the same."""
    both = given.keys() & stored.keys()
    return sorted(
        name
        for name in given.keys() | stored.keys()
        if name not in both or not given[name].cpu().equal(stored[name].cpu())
    )
