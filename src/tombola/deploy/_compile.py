"""A pruned network that runs as fast as this machine can make it, by measuring."""

from __future__ import annotations

import copy
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from os import PathLike
from typing import Any

import torch
from torch import Tensor, fx, nn

from tombola.masks import Masks, bake_

from ._cache import question, read, write
from ._choices import Choices, Layout
from ._compact import check_agrees, compact, shared_modules
from ._fold import fold_
from ._pages import settle_
from ._turns import Interval, turns

ROUNDS, SECONDS = 40, 2.0  # of a network; after the seconds there are no more rounds


@dataclass(frozen=True)
class Speed:
    """How fast a network is at one size of batches.

    Attributes:
        batch: how many inputs there are.
        form: what runs: "masked", the network as it was given; "compacted", without dead channels, normalisation
            folded; or "sparse", in which some layers are sparse besides.
        dense: milliseconds of the masked network.
        deployed: milliseconds of what runs.
        ratio: of the two, in the same round: how many times faster; 1 if what runs is the masked network.
    """

    batch: int
    form: str
    dense: Interval
    deployed: Interval
    ratio: Interval

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Speed:
        """The inverse of `asdict`."""
        times = {name: Interval(**content[name]) for name in ("dense", "deployed", "ratio")}
        return cls(content["batch"], content["form"], **times)


class Deployed(nn.Module):
    """A pruned network for inference, in the form that was fastest for batches of its size; no parameter has gradients.

    Between two sizes that were measured the form of the smaller one runs; when it is exported, that of the largest.

    Args:
        forms: by the size of batches from which on they run, ascending.
        layouts: of the layers that could be sparse, at each size.
        speeds: at each size.
    """

    def __init__(self, forms: Mapping[int, nn.Module], layouts: Sequence[Layout], speeds: Sequence[Speed]) -> None:
        super().__init__()
        self.forms, self.starts = nn.ModuleList(forms.values()), list(forms)[1:]
        self.layouts, self.speeds = tuple(layouts), tuple(speeds)
        self._forms = list(forms.values())  # found sooner than in a ModuleList
        settle_(self.requires_grad_(False))

    def forward(self, x: Tensor) -> object:
        """What the masked network makes of inputs, up to rounding."""
        if not self.starts:
            form = self._forms[0]
        elif torch.compiler.is_exporting():
            form = self._forms[-1]
        else:
            form = self._forms[bisect_right(self.starts, x.shape[0])]
        if form._forward_hooks or form._forward_pre_hooks:
            return form(x)
        return form.forward(x)  # sooner

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Of a copy, or of one that was pickled."""
        super().__setstate__(state)
        settle_(self)

    def to_json(self) -> dict[str, Any]:
        """What was measured and chosen, as plain data."""
        return {"batches": [asdict(each) for each in self.speeds], "layers": [asdict(each) for each in self.layouts]}


def compile(
    model: nn.Module,
    masks: Masks,
    example: Tensor,
    *,
    batches: Sequence[int] = (1, 64),
    cache: str | PathLike[str] | None = None,
) -> Deployed:
    """The masked network at evaluation, every layer dense or sparse, whichever is faster here at each size of batches.

    Dead channels are taken out (`compact`) and normalisation goes into the layers before it. Linear layers and 2-D
    convolutions with half of their weights or fewer are then timed as they are and with kept weights alone, in as many
    threads as torch has now; sparse layers use one. Linear layers one behind the other, of any density, become one call
    where that is faster. Last whole networks are timed, and the fastest once more next to the masked one: where the
    interval of their ratio begins at 1 or below, the masked one runs. In a network that torch.fx cannot trace layers
    are replaced where they stand, if they are called once.

    For inference in float32 on CPUs. On CUDA linear layers in half precision with two of four neighbouring weights are
    timed in the product that torch has for these; for everything else compaction is left.

    Exact up to rounding; speeds are measured, on this machine and at this moment. Cost: a few seconds of
    measuring, and some more to compile kernels when they are first used.

    Args:
        model: any module that takes one tensor. It is not changed.
        masks: of some of its parameters, on their devices.
        example: a batch that it takes. Inputs of the result have its shape, but for the size of the batch.
        batches: the sizes of batches that matter. Others run as the next smaller one does.
        cache: a file for what was measured. If it answers for this network, masks, sizes of batches, number of threads,
            versions and kind of machine, nothing is measured; else it is written anew.

    Returns:
        A module that can be copied, pickled, compiled and exported by torch; `speeds` and `layouts` say what was
        measured.

    Raises:
        FileNotFoundError: if there is no folder for the cache.
        ValueError: if the masks do not fit, there is no size of batches, or the cache is another kind of file.

    Example:
        >>> from tombola import models
        >>> net = models.build("lenet-300-100", generator=torch.Generator().manual_seed(0))
        >>> masks = {"fc1.weight": torch.rand(300, 784, generator=torch.Generator().manual_seed(1)) < 0.05}
        >>> faster = compile(net, masks, torch.zeros(1, 1, 28, 28), batches=[1])
        >>> [speed.form for speed in faster.speeds], faster(torch.ones(1, 1, 28, 28)).shape
        (['sparse'], torch.Size([1, 10]))
    """
    sizes = sorted(set(batches))
    if not sizes or sizes[0] < 1:
        raise ValueError(f"batches are sizes of 1 or more, got {list(batches)}")
    masked = copy.deepcopy(model).eval()
    bake_(masked, masks)
    with torch.no_grad():
        choices = Choices(_compacted(model, masks, masked, example))
        inputs = {batch: _inputs(example, batch) for batch in sizes}
        if cache is None:
            return _deployed(masked, choices, inputs, {})
        asked = question(choices.module, example, sizes)
        answer = read(cache, asked)
        if answer is None:
            found = _deployed(masked, choices, inputs, {})
            write(cache, asked, found.to_json())
            return found
        try:
            return _deployed(masked, choices, inputs, _known(answer))
        except (KeyError, IndexError, TypeError) as error:
            raise ValueError(f"{cache} holds an answer that was changed; remove it, or name another file") from error


Known = Mapping[int, tuple[Speed, list[Layout]]]


def _deployed(masked: nn.Module, choices: Choices, inputs: Mapping[int, Tensor], known: Known) -> Deployed:
    """The network in its fastest forms, by inputs of each size of batches; what is known of one is not measured."""
    forms, layouts, speeds = dict[int, nn.Module](), list[Layout](), list[Speed]()
    for batch, x in inputs.items():
        own = known[batch][1] if known else choices.measured(x)
        made = {"masked": masked, "compacted": choices.module, "sparse": choices.network(own, x)}
        if made["sparse"] is choices.module:  # no layer is
            del made["sparse"]
        if choices.module is masked:
            del made["compacted"]
        layouts += own
        speeds.append(known[batch][0] if known else _fastest(made, x))
        forms[batch] = made[speeds[-1].form]
    return Deployed(_merged(forms), layouts, speeds)


def _compacted(model: nn.Module, masks: Masks, masked: nn.Module, example: Tensor) -> nn.Module:
    """The network without dead channels and normalisation; if it has no graph, the masked one."""
    found = compact(model, masks, example)
    if not isinstance(found, fx.GraphModule):
        return masked
    fold_(found, shared_modules(found))
    check_agrees(masked, found, example)
    return found


def _inputs(example: Tensor, batch: int) -> Tensor:
    """A batch of some size: random numbers, or for other than floating-point inputs the example again."""
    if not example.is_floating_point():
        return example[torch.arange(batch) % len(example)]
    generator = torch.Generator().manual_seed(batch)
    return torch.randn(batch, *example.shape[1:], generator=generator).to(example)


def _known(answer: Mapping[str, Any]) -> Known:
    """What was measured, by the size of batches."""
    speeds = {one["batch"]: Speed.from_json(one) for one in answer["batches"]}
    layouts = [Layout(**{**one, "shape": tuple(one["shape"])}) for one in answer["layers"]]
    return {batch: (speed, [one for one in layouts if one.batch == batch]) for batch, speed in speeds.items()}


def _fastest(made: Mapping[str, nn.Module], inputs: Tensor) -> Speed:
    """The form that is fastest in a first measurement, if a second leaves no doubt that the masked one is slower."""
    first = dict(zip(made, _rounds(list(made.values()), inputs), strict=True))
    form = min(made, key=lambda one: Interval.of(first[one]).median)  # the first of those that are the same
    masked, chosen = _rounds([made["masked"], made[form]], inputs)
    ratio = _ratio(masked, chosen)
    if form == "masked" or ratio.low <= 1:
        form, chosen, ratio = "masked", masked, Interval(1.0, 1.0, 1.0)
    return Speed(len(inputs), form, Interval.of(masked), Interval.of(chosen), ratio)


def _rounds(networks: Sequence[nn.Module], inputs: Tensor) -> list[list[float]]:
    return turns([lambda run=run: run(inputs) for run in networks], rounds=ROUNDS, seconds=SECONDS)


def _ratio(dense: Sequence[float], other: Sequence[float]) -> Interval:
    return Interval.of([one / two for one, two in zip(dense, other, strict=True)])


def _merged(forms: Mapping[int, nn.Module]) -> dict[int, nn.Module]:
    """Without the sizes at which the same module goes on running."""
    found: dict[int, nn.Module] = {}
    for batch, form in forms.items():
        if not found or found[max(found)] is not form:
            found[batch] = form
    return found
