"""Orthogonal weights in mirrored pairs: a ReLU network that starts as a linear map.

[Balduzzi2017] Balduzzi et al., "The shattered gradients problem: if resnets are the answer, what is the question?",
ICML 2017, is where such networks come from; that all singular values are equal holds for monotone widths only.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ._laws import Normal
from ._source import Source


def looks_linear(model: nn.Module, source: Source) -> dict[str, Tensor]:
    r"""New values for the dense layers of a ReLU network that make it linear, with orthogonal maps.

    With `M` a (semi-)orthogonal matrix for each layer, the first has the weights \([M; -M]\), those between
    \([[M, -M], [-M, M]]\) and the last \([M, -M]\), since `relu(z) - relu(-z) = z`. Biases are zero. If the widths
    never grow, or never shrink, the singular values of the map that are not 0 are all equal.

    The matrices are the Q factors of normal matrices that lie at their addresses. Entries of one Q factor depend on
    each other, and their last bits on the linear algebra at hand: a ticket has to save them.

    Args:
        model: its `Linear` layers, in the order of `named_modules()`, are one after the other with ReLU between them.
        source: where the normal matrices come from, by the names of the weights.

    Returns:
        A state for `model.load_state_dict(..., strict=False)`; the model itself is not changed.

    Raises:
        ValueError: if there is no such layer, or a hidden width is odd, so that units cannot be paired.

    Example:
        >>> net = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
        >>> state = looks_linear(net, Source(1))
        >>> x = torch.randn(5, 3)
        >>> torch.func.functional_call(net, state, x).add(torch.func.functional_call(net, state, -x)).abs().max() < 1e-5
        tensor(True)
    """
    layers = [(name, module) for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    if not layers:
        raise ValueError("looks_linear wants a model with Linear layers, and there is none")
    state = {}
    for number, (name, layer) in enumerate(layers):
        first, last = number == 0, number == len(layers) - 1
        odd = not last and layer.out_features % 2
        if odd:
            raise ValueError(f"layer {name!r} has {layer.out_features} outputs; units in pairs want an even number")
        rows, columns = layer.out_features // (1 if last else 2), layer.in_features // (1 if first else 2)
        key = f"{name}.weight" if name else "weight"
        state[key] = _mirrored(_orthogonal(source, key, rows, columns), first, last).to(layer.weight.dtype)
        if layer.bias is not None:
            state[f"{name}.bias" if name else "bias"] = torch.zeros_like(layer.bias)
    return state


def _orthogonal(source: Source, name: str, rows: int, columns: int) -> Tensor:
    """A semi-orthogonal matrix `(rows, columns)`, float64."""
    normal = source.tensor(name, Normal(1.0), (max(rows, columns), min(rows, columns))).double()
    q, r = torch.linalg.qr(normal)
    q = q * r.diagonal().sign()
    return q if rows >= columns else q.T


def _mirrored(matrix: Tensor, first: bool, last: bool) -> Tensor:
    wide = matrix if first else torch.cat([matrix, -matrix], dim=1)
    return wide if last else torch.cat([wide, -wide], dim=0)
