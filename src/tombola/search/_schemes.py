"""What searched networks are filled with."""

from __future__ import annotations

import math
from dataclasses import fields, replace

from torch import Tensor

from tombola.random_source import Law, Mirrored, Normal, Plain, Scheme, SignedConstant


def signed_he(name: str, parameter: Tensor) -> Law | None:
    """`sqrt(2 / fan_in)` with random signs for matrices and kernels, nothing for vectors [Ramanujan2020].

    Example:
        >>> import torch
        >>> signed_he("weight", torch.zeros(3, 8))
        SignedConstant(magnitude=0.5)
    """
    return None if parameter.ndim < 2 else SignedConstant(math.sqrt(2 / parameter[0].numel()))


def on_kept(scheme: Scheme, density: float) -> Scheme:
    """The same laws, `1 / sqrt(density)` as wide: the fan-in of a unit is then that of its kept weights.

    The option `--scale_fan` of the published code multiplies the fan-in by the fraction that is pruned, which is the
    kept one at density 0.5 only. Here it is the kept one.

    Raises:
        ValueError: unless the density lies in (0, 1].

    Example:
        >>> import torch
        >>> on_kept(signed_he, 0.25)("weight", torch.zeros(3, 8))
        SignedConstant(magnitude=1.0)
    """
    if not 0 < density <= 1:
        raise ValueError(f"density must lie in (0, 1], got {density}")

    def found(name: str, parameter: Tensor) -> Law | None:
        law = scheme(name, parameter)
        return None if law is None else resized(law, 1 / math.sqrt(density))

    return found


def with_biases(scheme: Scheme, std: float) -> Scheme:
    """The same laws, and normal biases, so that these are masked too instead of being zero.

    Args:
        scheme: of the weights.
        std: of the biases of linear layers and convolutions; those of normalisations are left out.

    Example:
        >>> import torch
        >>> with_biases(signed_he, 0.1)("fc1.bias", torch.zeros(3))
        Normal(std=0.1)
    """

    def found(name: str, parameter: Tensor) -> Law | None:
        law = scheme(name, parameter)
        return Normal(std) if law is None and parameter.ndim == 1 and name.rpartition(".")[2] == "bias" else law

    return found


def resized(law: Law, factor: float) -> Law:
    """A law whose values are those of another one at the same addresses, times a factor.

    Example:
        >>> resized(Mirrored(Normal(0.5)), 2.0)
        Mirrored(base=Normal(std=1.0))
    """
    if isinstance(law, Mirrored):
        return Mirrored(_resized(law.base, factor))
    return _resized(law, factor)


def _resized(law: Plain, factor: float) -> Plain:
    return replace(law, **{field.name: factor * getattr(law, field.name) for field in fields(law)})
