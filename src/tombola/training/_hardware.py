"""How a network is trained, apart from what is computed."""

from __future__ import annotations

from dataclasses import dataclass

from torch import nn


@dataclass(frozen=True)
class Hardware:
    """Ways to make training faster. Each changes the rounding; what is off by default is not always faster.

    Precision, devices and processes that `accelerate launch` or `torchrun` set up are used without being named here.

    Args:
        bfloat16: whether forwards are computed with 8 bits of mantissa; weights, and their updates, stay as they are.
        compiled: whether the model goes through `torch.compile`, which takes seconds to minutes first.
        channels_last: whether images and kernels of convolutions lie in memory with channels last; None: if there are
            convolutions over images.
        workers: processes that load examples of a map-style data set; 0 loads them in this one.

    Raises:
        ValueError: for a negative number of workers.

    Example:
        >>> Hardware(compiled=True)
        Hardware(bfloat16=False, compiled=True, channels_last=None, workers=0)
    """

    bfloat16: bool = False
    compiled: bool = False
    channels_last: bool | None = None
    workers: int = 0

    def __post_init__(self) -> None:
        if self.workers < 0:
            raise ValueError(f"workers are 0 or more, got {self.workers}")

    def is_channels_last(self, model: nn.Module) -> bool:
        """Whether a model is trained with channels last."""
        if self.channels_last is not None:
            return self.channels_last
        return any(isinstance(module, nn.Conv2d) for module in model.modules())
