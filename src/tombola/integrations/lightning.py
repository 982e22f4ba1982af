"""Masks that stay in force in a Lightning `Trainer`."""

from __future__ import annotations

from typing import Any

from tombola.integrations._keeper import Keeper
from tombola.masks import Masks

try:
    from lightning.pytorch import Callback, LightningModule, Trainer
except ImportError as error:
    raise ImportError("this module needs Lightning: pip install 'tombola[lightning]'", name="lightning") from error


class KeepPruned(Callback):
    """Keeps pruned weights at zero while a Lightning `Trainer` trains, validates, tests or predicts.

    Changes the module in place: the pruned values are gone. They are zero from the start of `fit`, after every step of
    every optimiser (automatic or manual optimisation), and whenever a stage starts, whatever was loaded before. The
    module gets no new parameters, buffers or hooks. With the end of `fit`, or an error in it, the effect ends.

    Checkpoints of the trainer hold the masks, except those saved with `save_weights_only`. A trainer that loads one
    under other masks is refused: weights of one ticket would be mixed with the masks of another.

    Args:
        masks: of parameters by name, as in `module.named_parameters()`, on any device. None: those of the checkpoint.

    Raises:
        ValueError: when a stage starts, if a mask names no parameter or has another shape, there are no masks, the
            checkpoint has others, or an optimiser trains copies of the parameters.

    Example:
        >>> import torch, warnings
        >>> from lightning.pytorch.demos.boring_classes import BoringModel
        >>> module, keep = BoringModel(), KeepPruned({"layer.weight": torch.arange(64).reshape(2, 32) % 8 == 0})
        >>> with warnings.catch_warnings(action="ignore"):  # of Lightning, about itself
        ...     Trainer(max_steps=5, callbacks=[keep], accelerator="cpu", barebones=True).fit(module)
        >>> torch.equal(module.layer.weight != 0, keep.masks["layer.weight"])
        True
    """

    def __init__(self, masks: Masks | None = None) -> None:
        self._keeper = Keeper(masks)

    @property
    def masks(self) -> Masks | None:
        """Those that were given, or that the last checkpoint brought."""
        return self._keeper.masks

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """The weights of a checkpoint are loaded by now, and the optimisers are there."""
        self._keeper.attach(pl_module, trainer.optimizers)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """In `fit` there is nothing left to do; else the module may be dense."""
        self._keeper.bake(pl_module)

    def on_test_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Likewise."""
        self._keeper.bake(pl_module)

    def on_predict_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Likewise."""
        self._keeper.bake(pl_module)

    def on_fit_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Lets go of the optimisers."""
        self._keeper.detach()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        """Lets go of the optimisers."""
        self._keeper.detach()

    def state_dict(self) -> dict[str, Any]:
        """The masks, for a checkpoint."""
        return {"masks": {name: mask.cpu() for name, mask in self._keeper.wanted().items()}}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Takes the masks of a checkpoint if none were given, and refuses others."""
        self._keeper.restore(state_dict["masks"])
