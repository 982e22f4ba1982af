"""Score, allocate, select: which weights a network keeps before it is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from tombola.allocate import Allocation
from tombola.masks import Masks, count, kept_count
from tombola.scores import Batches, Score
from tombola.select import Scores, Select, top

from ._prunable import prunable
from ._rounds import Rounds

Counts = int | dict[str, int]


def prune(
    model: nn.Module,
    batches: Batches = (),
    *,
    score: Score,
    density: float | Rounds,
    allocate: Allocation | None = None,
    select: Select = top,
    names: Sequence[str] | None = None,
    generator: torch.Generator | None = None,
) -> Masks:
    """The masks that a criterion, a share for each layer and a way to choose come to, on a network as it is.

    Each round scores the weights that are kept so far, sets those that are not to -inf, and selects. Exact: as many
    weights stay as `masks.kept_count` says, of all that are pruned together, unless a selection keeps whole blocks or
    channels, which may be a few less. The model stays as it is, also its batch-norm statistics, gradients and modes:
    criteria see a copy in evaluation mode, whatever mode the model is in.

    Rounds of `synflow` with `top` are those of `synflow_masks`, several times as fast as one after the other. They give
    the same masks but for scores that differ by rounding alone, as those of the only weight into a unit and the only
    one out of it.

    Args:
        model: any module, at the weights to be pruned.
        batches: inputs and targets on the model's device; criteria without data need none, or one for its shape.
        score: the criterion. Its options, and a loss other than cross-entropy, are bound by `functools.partial`, as in
            `partial(snip, loss=mse_loss)`.
        density: the kept fraction, in (0, 1]; or `geometric(...)`, `linear(...)` or `cubic(...)`, for several rounds.
        allocate: how many each layer keeps, a rule of `tombola.allocate`. Default: all weights are compared.
        select: `top` (default), a sample as `tombola.sketch.sketch(...)` draws, or a pattern such as `n_of_m(2, 4)`.
        names: the parameters that are pruned. Default: `prunable(model)`.
        generator: of whatever criterion and selection draw. Default: one with the seed 0.

    Returns:
        A mask for each of the names, on the device of its parameter.

    Raises:
        ValueError: for a density out of range, an unknown name, nothing to prune, scores that do not fit or are not
            finite, a selection that brings a pruned weight back; and what criteria refuse, as a loss that is NaN or
            a batch on another device.

    Example:
        >>> from tombola import models, scores
        >>> net = models.build("mlp:64-20-10", generator=torch.Generator().manual_seed(0))
        >>> masks = prune(net, score=scores.magnitude, density=0.1)
        >>> {name: int(mask.sum()) for name, mask in masks.items()}
        {'fc1.weight': 56, 'fc2.weight': 92}
        >>> from tombola.allocate import uniform
        >>> masks = prune(net, score=scores.random, density=0.1, allocate=uniform)
        >>> {name: int(mask.sum()) for name, mask in masks.items()}
        {'fc1.weight': 128, 'fc2.weight': 20}
    """
    generator = torch.Generator().manual_seed(0) if generator is None else generator
    rounds = density if isinstance(density, Rounds) else Rounds((density,))
    masks = _everything(model, prunable(model) if names is None else names)
    counts = _counts({name: tuple(mask.shape) for name, mask in masks.items()}, rounds, allocate)
    at_once = _in_rounds(score)
    if at_once and len(counts) > 1 and allocate is None and select is top and not rounds.revive:
        return at_once(model, batches, masks=masks, kept=counts, generator=generator)
    loss = getattr(score, "keywords", {}).get("loss", cross_entropy)
    for kept in counts:
        found = _checked(score(model, batches, masks=masks, loss=loss, generator=generator), masks)
        if not rounds.revive:
            found = {name: value.masked_fill(~masks[name], -torch.inf) for name, value in found.items()}
        masks = _agreed(select(found, kept, generator=generator), found, kept)
    return masks


def _in_rounds(score: Score) -> Callable[..., Masks] | None:
    """What a criterion has under the name `in_rounds`, with its options: a fast way through several rounds of `top`.

    It is called with the model, the batches, `masks`, `kept`, the number of weights that each round keeps, and a
    `generator`. Its `score` is the criterion that it is meant for: wrappers take over attributes of what they wrap.
    """
    inner, options = (score.func, score.keywords) if isinstance(score, partial) and not score.args else (score, {})
    found = getattr(inner, "in_rounds", None)
    if found is None or found.score is not inner:
        return None
    return partial(found, **{name: value for name, value in options.items() if name != "loss"})


def _everything(model: nn.Module, names: Sequence[str]) -> Masks:
    """Masks that keep all of some parameters.

    Raises:
        ValueError: if there is none, or one is unknown.
    """
    parameters = dict(model.named_parameters())
    if not names:
        raise ValueError("there is nothing to prune: no names were given")
    if unknown := [name for name in names if name not in parameters]:
        raise ValueError(f"{', '.join(map(repr, unknown))} is no parameter; the model has {', '.join(parameters)}")
    return {name: torch.ones_like(parameters[name], dtype=torch.bool) for name in names}


def _counts(shapes: Mapping[str, tuple[int, ...]], rounds: Rounds, allocate: Allocation | None) -> list[Counts]:
    """How many weights each round keeps; of no parameter less than a later round, so that none has to come back."""
    if allocate is None:
        total = sum(torch.Size(shape).numel() for shape in shapes.values())
        return [kept_count(total, density) for density in rounds.densities]
    *earlier, last = [allocate(shapes, density) for density in rounds.densities]
    found: list[Counts] = [last]
    for counts in reversed(earlier):
        last = {name: max(kept, last[name]) for name, kept in counts.items()}
        found.append(last)
    return found[::-1]


def _checked(scores: Scores, masks: Masks) -> Scores:
    """The scores, on the devices of the masks.

    Raises:
        ValueError: if names, shapes or types do not fit, or a score is not finite.
    """
    if scores.keys() != masks.keys():
        raise ValueError(f"the criterion scores {sorted(scores)}, wanted were {sorted(masks)}")
    for name, score in scores.items():
        if score.shape != masks[name].shape or not score.is_floating_point():
            got = f"{score.dtype} of shape {tuple(score.shape)}"
            raise ValueError(f"the scores of {name!r} are {got}, wanted numbers of shape {tuple(masks[name].shape)}")
        if not score.isfinite().all():
            raise ValueError(f"the scores of {name!r} are not all finite; the model or a batch holds what is not")
    return {name: scores[name].detach().to(mask.device) for name, mask in masks.items()}


def _agreed(masks: Masks, scores: Scores, kept: Counts) -> Masks:
    """The masks of a round.

    Raises:
        ValueError: if a selection has not done what it was asked for.
    """
    if {name: mask.shape for name, mask in masks.items()} != {name: score.shape for name, score in scores.items()}:
        raise ValueError("the selection returns masks of other names or shapes than the scores")
    back = [name for name, mask in masks.items() if (mask & (scores[name] == -torch.inf)).any()]
    if back:
        raise ValueError(f"the selection keeps weights of {back[0]!r} that an earlier round has pruned")
    wanted = kept if isinstance(kept, int) else sum(kept.values())
    if not 0 < count(masks) <= wanted:
        raise ValueError(f"the selection keeps {count(masks)} weights, and {wanted} were to stay")
    return {name: masks[name] for name in scores}
