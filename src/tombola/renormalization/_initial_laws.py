"""Which law weights were drawn from."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from torch import Tensor

from tombola.random_source import Normal, Scheme, Uniform

DOUBT = 0.001  # significance below which weights are of neither law


def initial_laws(parameters: Mapping[str, Tensor], *, scheme: Scheme | None = None) -> dict[str, Normal | Uniform]:
    """The laws of initial weights, those that a scheme gives them, or the nearer of a uniform and a normal one.

    Without a scheme a uniform law reaches as far as the largest modulus `m` of the `n` weights and a little further, to
    `m (n + 1) / n`, and a normal one has their root mean square. Nearer is the one whose distribution of moduli is less
    far from theirs (Kolmogorov-Smirnov). Weights that are neither by a test at 0.1 % are refused.

    Args:
        parameters: those that are pruned, by name, before any training.
        scheme: such as `random_source.he`, `random_source.glorot`, or a function of one's own.

    Raises:
        ValueError: if weights are of another law, or a scheme gives them one: `empirical_null` does without.

    Example:
        >>> import torch
        >>> weights = 2 * torch.rand(10, 50, generator=torch.Generator().manual_seed(0)) - 1
        >>> [type(law).__name__ for law in initial_laws({"uniform": weights, "normal": torch.erfinv(weights)}).values()]
        ['Uniform', 'Normal']
    """
    found = {}
    for name, value in parameters.items():
        law = _nearest(name, value) if scheme is None else scheme(name, value)
        if not isinstance(law, Normal | Uniform):
            raise ValueError(
                f"the scheme gives {name!r} the law {law}, not a normal or uniform one; use empirical_null"
            )
        found[name] = law
    return found


def _nearest(name: str, weights: Tensor) -> Normal | Uniform:
    """The nearer of a normal and a uniform law."""
    from scipy.special import erf
    from scipy.stats import kstwobign

    moduli = np.sort(weights.detach().double().abs().flatten().cpu().numpy())
    if not len(moduli) or not moduli[-1] > 0:
        raise ValueError(f"{name!r} has no weights but zeros, which are of no law")
    uniform = Uniform(float(moduli[-1]) * (len(moduli) + 1) / len(moduli))
    normal = Normal(float(np.sqrt((moduli**2).mean())))
    ranks = (np.arange(len(moduli)) + 0.5) / len(moduli)
    apart = [np.abs(moduli / uniform.half_width - ranks).max(), np.abs(erf(moduli / normal.std / 2**0.5) - ranks).max()]
    if (min(apart) - 0.5 / len(moduli)) * len(moduli) ** 0.5 > kstwobign.isf(DOUBT):
        raise ValueError(f"the weights of {name!r} are neither uniform nor normal; use empirical_null")
    return uniform if apart[0] <= apart[1] else normal
