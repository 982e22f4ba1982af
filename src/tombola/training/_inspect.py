"""What a model takes, gives and runs on, found without changing it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def check_fits(model: nn.Module, x: Tensor, y: Tensor) -> None:
    """Raises ValueError unless the model maps examples like `x` to an output for each label in `y`."""
    if len(y) == 0:
        raise ValueError("there are no examples")
    check_outputs(check_takes(model, x), int(y.max()))


def check_outputs(outputs: object, label: int) -> None:
    """Raises ValueError unless outputs are `(batch, classes)` with a class for the largest label."""
    if not isinstance(outputs, Tensor) or outputs.ndim != 2 or outputs.shape[1] <= label:
        found = tuple(outputs.shape) if isinstance(outputs, Tensor) else type(outputs).__name__
        raise ValueError(f"labels go up to {label}, so outputs must be (batch, {label + 1}); got {found}")


def check_takes(model: nn.Module, x: Tensor) -> object:
    """What the model makes of the first example.

    Raises:
        ValueError: if it does not take it.
    """
    with in_eval_mode(model), torch.no_grad():
        try:
            return model(x[:1].to(device_of(model)))
        except RuntimeError as error:
            shape = " x ".join(map(str, x.shape[1:]))
            raise ValueError(f"the model does not take inputs of shape {shape}: {error}") from error


def device_of(model: nn.Module) -> torch.device:
    """The device of the model's first parameter; the CPU if it has none."""
    first = next(model.parameters(), None)
    return torch.device("cpu") if first is None else first.device


@contextmanager
def in_eval_mode(model: nn.Module) -> Iterator[None]:
    """A block in which the model is in evaluation mode; afterwards each part is in its own mode again."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
