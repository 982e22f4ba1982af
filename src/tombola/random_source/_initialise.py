"""Fills a model's parameters from a source, so that the initialisation is an address instead of a file."""

from __future__ import annotations

import math
from collections.abc import Callable

from torch import Tensor, nn

from ._laws import Law, Normal, Uniform
from ._source import Source

Scheme = Callable[[str, Tensor], Law | None]


def he(name: str, parameter: Tensor) -> Law | None:
    """Normal with standard deviation sqrt(2 / fan_in) for matrices and kernels; vectors are left as they are.

    [He2015] "Delving deep into rectifiers", ICCV 2015.
    """
    return None if parameter.ndim < 2 else Normal(math.sqrt(2 / parameter[0].numel()))


def glorot(name: str, parameter: Tensor) -> Law | None:
    """Uniform on +-sqrt(6 / (fan_in + fan_out)) for matrices and kernels; vectors are left as they are.

    [Glorot2010] "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010.
    """
    if parameter.ndim < 2:
        return None
    receptive = parameter[0, 0].numel()
    return Uniform(math.sqrt(6 / ((parameter.shape[0] + parameter.shape[1]) * receptive)))


def initialise(model: nn.Module, source: Source, *, scheme: Scheme = he) -> dict[str, Tensor]:
    """New values for a model's parameters, by address; the model itself is not changed.

    Args:
        model: any module; tensors are addressed by their names in `named_parameters()`.
        source: where values come from.
        scheme: which law a parameter follows, from its name and value; None keeps the parameter as it is.

    Returns:
        A state for `model.load_state_dict(..., strict=False)` or `torch.func.functional_call`, in the parameters' own
        dtypes and on their devices.

    Example:
        >>> layer = nn.Linear(4, 2)
        >>> first, again = (initialise(layer, Source(7))["weight"] for _ in range(2))
        >>> first.equal(again), first.shape
        (True, torch.Size([2, 4]))
    """
    state = {}
    for name, parameter in model.named_parameters():
        law = scheme(name, parameter.detach())
        if law is None:
            state[name] = parameter.detach().clone()
        else:
            values = source.tensor(name, law, parameter.shape, device=parameter.device)
            state[name] = values.to(parameter.dtype)
    return state
