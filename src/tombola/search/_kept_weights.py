"""The weights with the largest scores, zeros elsewhere: what edge-popup and its relatives do at every step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from tombola.masks import Masks, apply
from tombola.select import top

SIGN, INFINITY = 0x80000000, 0x7F800000  # -0.0 and infinity in float32, as integers


def kept_masks(scores: Mapping[str, Tensor], kept: int | Mapping[str, int], *, absolute: bool) -> Masks:
    """The masks of the largest scores, or of those of the largest modulus; the first of equal ones.

    Raises:
        ValueError: for NaN scores.
    """
    plain = {name: score.detach() for name, score in scores.items()}
    return top({name: score.abs() for name, score in plain.items()} if absolute else plain, kept)


def kept_weights(
    scores: Mapping[str, Tensor], weights: Mapping[str, Tensor], kept: int | Mapping[str, int], *, absolute: bool
) -> dict[str, Tensor]:
    """The weights that `kept_masks` keeps, 0 elsewhere; without gradients, as new tensors.

    Exact: as many stay as are asked for. O(n), without a sort. On CPUs in float32 compiled, with the same answer.

    Args:
        scores: by parameter name.
        weights: in the shapes of the scores.
        kept: how many in all, or of each parameter.
        absolute: whether moduli of scores are compared.

    Raises:
        ValueError: for NaN scores.

    Example:
        >>> found = kept_weights({"w": torch.tensor([1.0, -3.0])}, {"w": torch.tensor([5.0, 7.0])}, 1, absolute=True)
        >>> found["w"].tolist()
        [0.0, 7.0]
    """
    if not is_compiled([*scores.values(), *weights.values()]):
        with torch.no_grad():
            return apply(kept_masks(scores, kept, absolute=absolute), weights)
    flat = {name: (_flat(score), _flat(weights[name])) for name, score in scores.items()}
    found: dict[str, np.ndarray] = {}
    if isinstance(kept, Mapping):
        for name, pair in flat.items():
            found |= _of_largest({name: pair}, kept[name], absolute)
    else:
        found = _of_largest(flat, kept, absolute)
    return {name: torch.from_numpy(found[name]).view(weights[name].shape) for name in weights}


def is_compiled(tensors: Sequence[Tensor]) -> bool:
    """Whether the compiled loops take these tensors."""
    fits = all(tensor.dtype == torch.float32 and tensor.device.type == "cpu" for tensor in tensors)
    return fits and not torch.compiler.is_compiling()


def _flat(tensor: Tensor) -> np.ndarray:
    """The numbers of a tensor in order of position; its own memory where that is in order."""
    return tensor.detach().reshape(-1).numpy()


def _of_largest(pairs: Mapping[str, tuple[np.ndarray, np.ndarray]], kept: int, absolute: bool) -> dict[str, np.ndarray]:
    """Of scores and weights by name: the weights whose scores are among the `kept` largest of all."""
    from ._kernels import drop_equal, fill_kept

    least, staying, equal = _least_key({name: scores for name, (scores, _) in pairs.items()}, kept, absolute)
    found = {}
    for name, (scores, weight) in pairs.items():
        bits, found[name] = scores.view(np.uint32), np.empty_like(weight)
        fill_kept(bits, absolute, least, weight, found[name])
        if staying < equal:
            staying = drop_equal(bits, absolute, least, staying, found[name])
    return found


def _least_key(scores: Mapping[str, np.ndarray], kept: int, absolute: bool) -> tuple[int, int, int]:
    """The key of the smallest score that stays, how many with this key stay, and how many there are.

    Keys are counted by their first digits; only those with that of the one wanted are looked at again.
    """
    from ._kernels import DIGITS, collect_keys, count_digits

    counts = np.zeros(DIGITS, np.int64)
    for values in scores.values():
        count_digits(values.view(np.uint32), absolute, counts)
    _check_numbers(scores, counts, absolute)
    reached = np.cumsum(counts[::-1])  # from the highest digit on
    place = int(np.searchsorted(reached, kept))
    digit = DIGITS - 1 - place
    keys, found = np.empty(counts[digit], np.uint32), 0
    for values in scores.values():
        found = collect_keys(values.view(np.uint32), absolute, digit, keys, found)
    inside = kept - int(reached[place] - counts[digit])  # how many of these stay
    keys.partition(keys.size - inside)
    least = keys[-inside]
    return int(least), inside - int((keys > least).sum()), int((keys == least).sum())


def _check_numbers(scores: Mapping[str, np.ndarray], counts: np.ndarray, absolute: bool) -> None:
    """Raises ValueError for NaN. Only if there is a first digit of infinities, each score is looked at."""
    high = (INFINITY if absolute else INFINITY | SIGN) // (2**32 // len(counts))
    if counts[high:].any() or (not absolute and counts[: len(counts) - high].any()):
        for name, values in scores.items():
            if np.isnan(values).any():
                raise ValueError(f"the scores of {name!r} hold NaN")
