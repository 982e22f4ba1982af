"""Which parameters are pruned."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
EMBEDDINGS = (nn.Embedding, nn.EmbeddingBag)


def prunable(model: nn.Module, *, only: Sequence[str] = (), exclude: Sequence[str] = ()) -> list[str]:
    """The names of the weights of two axes or more: no biases, no normalisation, and no embeddings unless asked for.

    A pattern is that of a shell, `layer1.*` or `*.weight`, and `*` stands for dots too. Tied weights are one parameter,
    under the first of their names; weights that are frozen are pruned like any other.

    Args:
        model: any module.
        only: patterns, of which a name has to match one; embeddings that match are pruned too. None: all names do.
        exclude: patterns of names that stay dense, often the last layer's.

    Raises:
        ValueError: if a pattern matches no weight that could be pruned, or nothing is left.

    Example:
        >>> net = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
        >>> prunable(net), prunable(net, exclude=["3.*"]), prunable(net, only=["0.*", "3.*"])
        (['1.weight', '3.weight'], ['1.weight'], ['0.weight', '3.weight'])
    """
    norms, embeddings = _parameters(model, NORMS), _parameters(model, EMBEDDINGS)
    weights = {
        name: parameter
        for name, parameter in model.named_parameters()
        if parameter.ndim > 1 and parameter.numel() and id(parameter) not in norms
    }
    for pattern in (*only, *exclude):
        if not any(fnmatchcase(name, pattern) for name in weights):
            raise ValueError(f"{pattern!r} matches no weight; there are {', '.join(weights) or 'none'}")
    names = [
        name
        for name, parameter in weights.items()
        if (_matches(name, only) if only else id(parameter) not in embeddings) and not _matches(name, exclude)
    ]
    if not names:
        raise ValueError("there is nothing to prune: no weight of two axes or more is left; biases are never pruned")
    return names


def _matches(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _parameters(model: nn.Module, kinds: tuple[type[nn.Module], ...]) -> set[int]:
    """The identities of the parameters that modules of some kinds have themselves."""
    modules = [module for module in model.modules() if isinstance(module, kinds)]
    return {id(parameter) for module in modules for parameter in module.parameters(recurse=False)}
