"""Masks that stay in force in a `Trainer` of Hugging Face's transformers."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np
import torch
from accelerate.optimizer import AcceleratedOptimizer
from accelerate.utils import extract_model_from_parallel
from torch import Tensor, nn

from tombola.integrations._keeper import Keeper
from tombola.masks import Masks

try:
    from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments
    from transformers.trainer_callback import ExportableState
except ImportError as error:
    message = "this module needs transformers: pip install 'tombola[transformers]'"
    raise ImportError(message, name="transformers") from error

Packed = dict[str, tuple[list[int], str]]  # shape, and the bits of the flattened mask in base 64


class KeepPruned(TrainerCallback, ExportableState):
    """Keeps pruned weights at zero while a `transformers.Trainer` trains.

    Changes the model in place: the pruned values are gone. They are zero from the start of `train`, also after a
    checkpoint was loaded, after every step of the optimiser, and at its end, also when the best checkpoint is loaded
    then. The model gets no new parameters, buffers or hooks.

    Checkpoints of the trainer hold the masks, in `trainer_state.json`: 1/6 of a byte per weight. To resume from one
    under other masks is refused: weights of one ticket would be mixed with the masks of another.

    Args:
        masks: of parameters by name, as in `model.named_parameters()`, on any device. None: those of the checkpoint.

    Raises:
        ValueError: when training begins, if a mask names no parameter or has another shape, there are no masks, the
            checkpoint has others, or the optimiser trains copies of the parameters.

    Example:
        >>> import tempfile
        >>> from transformers import Trainer
        >>> class Line(nn.Linear):
        ...     def forward(self, x, y):
        ...         return {"loss": (super().forward(x) - y).square().mean()}
        >>> model, data = Line(4, 1), [{"x": torch.rand(4), "y": torch.rand(1)} for _ in range(20)]
        >>> keep = KeepPruned({"weight": torch.tensor([[True, False, True, False]])})
        >>> quiet = {"report_to": [], "disable_tqdm": True, "save_strategy": "no"}
        >>> arguments = TrainingArguments(tempfile.mkdtemp(), max_steps=5, use_cpu=True, **quiet)
        >>> trainer = Trainer(model, arguments, train_dataset=data, callbacks=[keep])
        >>> output = trainer.train()  # doctest: +ELLIPSIS
        {'train_runtime': ...}
        >>> (model.weight != 0).tolist()
        [[True, False, True, False]]
    """

    def __init__(self, masks: Masks | None = None) -> None:
        self._keeper = Keeper(masks)

    @property
    def masks(self) -> Masks | None:
        """Those that were given, or that the last checkpoint brought."""
        return self._keeper.masks

    def on_train_begin(
        self,
        args: TrainingArguments,
        state: TrainerState,
        control: TrainerControl,
        *,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        **_: object,
    ) -> None:
        """A checkpoint is loaded by now, and the optimiser is there."""
        # The trainer expects a state to be there when it saves one, but a checkpoint of a dense run has none.
        states: Any = state.stateful_callbacks  # declared as a list, which it is only until the state is made
        self.packed = states.setdefault(type(self).__name__, self.state())["attributes"]["packed"]
        while isinstance(optimizer, AcceleratedOptimizer):
            optimizer = optimizer.optimizer
        self._keeper.attach(_unwrapped(model), [optimizer])

    def on_train_end(
        self, args: TrainingArguments, state: TrainerState, control: TrainerControl, *, model: nn.Module, **_: object
    ) -> None:
        """The best checkpoint is loaded by now, and it may be one of a dense run."""
        self._keeper.bake(_unwrapped(model))
        self._keeper.detach()

    def state(self) -> dict[str, Any]:
        """What a checkpoint holds: the masks."""
        return {"args": {}, "attributes": {"packed": self.packed}}

    @property
    def packed(self) -> Packed | None:
        """The masks as JSON has them. Setting them takes those of a checkpoint, unless others were given."""
        masks = self._keeper.masks
        return None if masks is None else {name: _packed(mask) for name, mask in masks.items()}

    @packed.setter
    def packed(self, stored: dict[str, Any] | None) -> None:
        if stored is not None:
            self._keeper.restore({name: _unpacked(*parts) for name, parts in stored.items()})


def _unwrapped(model: nn.Module) -> nn.Module:
    return extract_model_from_parallel(model, keep_torch_compile=False)


def _packed(mask: Tensor) -> tuple[list[int], str]:
    bits = np.packbits(mask.cpu().numpy().ravel(), bitorder="little")
    return list(mask.shape), base64.b64encode(bits.tobytes()).decode()


def _unpacked(shape: list[int], text: str) -> Tensor:
    """The inverse of `_packed`."""
    packed = np.frombuffer(base64.b64decode(text), dtype=np.uint8)
    bits = np.unpackbits(packed, count=int(np.prod(shape)), bitorder="little")
    return torch.from_numpy(bits.astype(bool)).reshape(shape)
