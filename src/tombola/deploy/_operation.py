"""What an operation does to channels: which are constant, which have to be there together, how to take some out.

Constants are float64 vectors with an entry for each channel: its value wherever it is the same for every input and at
every place, NaN where it varies.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, final, runtime_checkable

import torch
from torch import Tensor, fx, nn


@runtime_checkable
class Operation(Protocol):
    """One operation of a network."""

    @property
    def reads(self) -> tuple[fx.Node, ...]:
        """The results that it takes channel by channel; everything else that it takes stays whole."""
        ...

    @property
    def axis(self) -> int | None:
        """Where its own result has its channels; None if nothing is known of them, so that all stay."""
        ...

    def constants(self, taken: Sequence[Tensor]) -> Tensor:
        """The constants of the result, from those of what is read."""
        ...

    def demand_(self, taken: Sequence[Tensor], kept: Sequence[Tensor], result: Tensor) -> None:
        """Marks, in place, which channels have to be kept in what is read if some are in the result, and conversely."""
        ...

    def shrink_(self, taken: Sequence[Tensor], kept: Sequence[Tensor], result: Tensor) -> None:
        """Takes all other channels out of the operation's module, in place."""
        ...


@final
@dataclass(frozen=True)
class Opaque:
    """An operation of which nothing is known."""

    reads: tuple[fx.Node, ...] = ()
    axis: int | None = None

    def constants(self, taken: Sequence[Tensor]) -> Tensor:
        """None that anyone knows."""
        return torch.empty(0, dtype=torch.float64)

    def demand_(self, taken: Sequence[Tensor], kept: Sequence[Tensor], result: Tensor) -> None:
        """Nothing: what it takes stays whole anyway."""

    def shrink_(self, taken: Sequence[Tensor], kept: Sequence[Tensor], result: Tensor) -> None:
        """Nothing."""


@final
@dataclass(frozen=True, eq=False)
class Affine:
    """A Linear or a convolution without groups.

    A constant that comes in becomes a part of the bias. Where zeros are padded, a constant other than 0 looks different
    at the border; such a channel stays.

    Attributes:
        module: with a weight `(outputs, inputs, *taps)`.
        width: names of the module's attributes for inputs and outputs.
    """

    reads: tuple[fx.Node, ...]
    axis: int | None
    module: nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d
    width: tuple[str, str]

    def constants(self, taken: Sequence[Tensor]) -> Tensor:
        """Those of outputs that read nothing but constants."""
        known = self._known(taken)
        varies = self._edges[:, known.isnan()].any(1)
        return torch.where(varies, torch.nan, self._bias() + self._sums @ known.nan_to_num())

    def demand_(self, taken: Sequence[Tensor], kept: Sequence[Tensor], result: Tensor) -> None:
        """Inputs that vary and that a kept output reads."""
        if kept:
            kept[0].logical_or_(self._edges[result].any(0) & self._known(taken).isnan())

    def shrink_(self, taken: Sequence[Tensor], kept: Sequence[Tensor], result: Tensor) -> None:
        """Drops rows and columns, and adds the constants among the columns to the bias."""
        stays = kept[0] if kept else torch.ones(self.module.weight.shape[1], dtype=torch.bool)
        gone = torch.where(stays, 0.0, self._known(taken).nan_to_num())
        bias = (self._bias() + self._sums @ gone)[result]
        weight = self.module.weight
        if self.module.bias is not None or bool((bias != 0).any()):
            given = weight if self.module.bias is None else self.module.bias
            self.module.bias = nn.Parameter(bias.to(weight), requires_grad=given.requires_grad)
        cut = weight.detach()[result.to(weight.device)][:, stays.to(weight.device)].contiguous()
        self.module.weight = nn.Parameter(cut, requires_grad=weight.requires_grad)
        for name, count in zip(self.width, (stays, result), strict=True):
            setattr(self.module, name, int(count.sum()))

    def _known(self, taken: Sequence[Tensor]) -> Tensor:
        """Constants of the inputs, NaN also for those that the padding would change."""
        if not taken:
            return torch.full((self.module.weight.shape[1],), torch.nan, dtype=torch.float64)
        return taken[0] if _pads_nothing(self.module) else torch.where(taken[0] == 0, taken[0], torch.nan)

    def _weight(self) -> Tensor:
        return self.module.weight.detach().cpu().double()

    @cached_property
    def _edges(self) -> Tensor:
        """Which output reads which input, `(outputs, inputs)` bool."""
        return (self._weight() != 0).reshape(*self.module.weight.shape[:2], -1).any(2)

    @cached_property
    def _sums(self) -> Tensor:
        """What an input of 1 everywhere adds to each output, `(outputs, inputs)`."""
        return self._weight().reshape(*self.module.weight.shape[:2], -1).sum(2)

    def _bias(self) -> Tensor:
        bias = self.module.bias
        return (
            torch.zeros(len(self.module.weight), dtype=torch.float64) if bias is None else bias.detach().cpu().double()
        )


@final
@dataclass(frozen=True, eq=False)
class Channelwise:
    """An operation that takes each channel alone and has nothing of its own for any: an activation, a pooling.

    Attributes:
        function: from constants to constants.
    """

    reads: tuple[fx.Node, ...]
    axis: int | None
    function: Callable[[Tensor], Tensor]

    def constants(self, taken: Sequence[Tensor]) -> Tensor:
        """Of constants."""
        return torch.where(taken[0].isnan(), torch.nan, self.function(taken[0].clone()))

    def demand_(self, taken: Sequence[Tensor], kept: Sequence[Tensor], result: Tensor) -> None:
        """The same channels on both sides."""
        together_(kept, result)

    def shrink_(self, taken: Sequence[Tensor], kept: Sequence[Tensor], result: Tensor) -> None:
        """Nothing: it has no channels."""


@final
@dataclass(frozen=True, eq=False)
class Scaling:
    """Batch normalisation at evaluation, or a convolution with a filter for each channel.

    Attributes:
        module: with tensors of which the first axis is that of channels.
        names: of these tensors.
        counts: names of the module's attributes that say how many channels there are.
        scale: `(channels,)` what a 1 everywhere is multiplied by.
        shift: `(channels,)` what is added.
        dead: `(channels,)` whether the input is not read at all.
        plain: whether a constant stays one; otherwise only 0 does.
    """

    reads: tuple[fx.Node, ...]
    axis: int | None
    module: nn.Module
    names: tuple[str, ...]
    counts: tuple[str, ...]
    scale: Tensor
    shift: Tensor
    dead: Tensor
    plain: bool

    def constants(self, taken: Sequence[Tensor]) -> Tensor:
        """Of constants, and of channels that are not read."""
        known = taken[0] if self.plain else torch.where(taken[0] == 0, taken[0], torch.nan)
        return self.shift + torch.where(self.dead, 0.0, self.scale * known)

    def demand_(self, taken: Sequence[Tensor], kept: Sequence[Tensor], result: Tensor) -> None:
        """The same channels on both sides."""
        together_(kept, result)

    def shrink_(self, taken: Sequence[Tensor], kept: Sequence[Tensor], result: Tensor) -> None:
        """Drops entries of all its tensors."""
        for name in self.names:
            whole = getattr(self.module, name)
            if whole is None:
                continue
            cut = whole.detach()[result.to(whole.device)].contiguous()
            is_parameter = isinstance(whole, nn.Parameter)
            setattr(self.module, name, nn.Parameter(cut, requires_grad=whole.requires_grad) if is_parameter else cut)
        for name in self.counts:
            setattr(self.module, name, int(result.sum()))


@final
@dataclass(frozen=True, eq=False)
class Sum:
    """Results of one shape, added: a channel is there in all or in none."""

    reads: tuple[fx.Node, ...]
    axis: int | None

    def constants(self, taken: Sequence[Tensor]) -> Tensor:
        """Sums of constants."""
        return taken[0] + taken[-1]

    def demand_(self, taken: Sequence[Tensor], kept: Sequence[Tensor], result: Tensor) -> None:
        """The same channels everywhere."""
        together_(kept, result)

    def shrink_(self, taken: Sequence[Tensor], kept: Sequence[Tensor], result: Tensor) -> None:
        """Nothing: it has no channels."""


@final
@dataclass(frozen=True, eq=False)
class Concatenation:
    """Results side by side along their channels."""

    reads: tuple[fx.Node, ...]
    axis: int | None

    def constants(self, taken: Sequence[Tensor]) -> Tensor:
        """One after the other."""
        return torch.cat(list(taken))

    def demand_(self, taken: Sequence[Tensor], kept: Sequence[Tensor], result: Tensor) -> None:
        """The same channels on both sides."""
        for part, own in zip(result.split([len(one) for one in kept]), kept, strict=True):
            together_([own], part)

    def shrink_(self, taken: Sequence[Tensor], kept: Sequence[Tensor], result: Tensor) -> None:
        """Nothing: it has no channels."""


@final
@dataclass(frozen=True, eq=False)
class Flattening:
    """All axes of an example as one: a channel becomes as many as it has places.

    Attributes:
        channel: `(places,)` which channel each entry of the result belongs to.
    """

    reads: tuple[fx.Node, ...]
    axis: int | None
    channel: Tensor

    def constants(self, taken: Sequence[Tensor]) -> Tensor:
        """The channel's at all its places."""
        return taken[0][self.channel]

    def demand_(self, taken: Sequence[Tensor], kept: Sequence[Tensor], result: Tensor) -> None:
        """A channel if any of its places is kept, then all of them."""
        kept[0][self.channel[result]] = True
        result.logical_or_(kept[0][self.channel])

    def shrink_(self, taken: Sequence[Tensor], kept: Sequence[Tensor], result: Tensor) -> None:
        """Nothing: it has no channels."""


def together_(kept: Sequence[Tensor], result: Tensor) -> None:
    """Marks in all what is marked in any."""
    for one in kept:
        result.logical_or_(one)
    for one in kept:
        one.logical_or_(result)


def _pads_nothing(module: nn.Module) -> bool:
    """Whether a constant reaches all outputs of a layer alike."""
    if isinstance(module, nn.Linear):
        return True
    padding: Any = getattr(module, "padding", ())
    none = padding == "valid" or (not isinstance(padding, str) and not any(padding))
    return none or getattr(module, "padding_mode", "zeros") != "zeros"


def depthwise(module: nn.Conv1d | nn.Conv2d | nn.Conv3d, reads: tuple[fx.Node, ...]) -> Scaling:
    """A convolution that has one filter for each channel."""
    weight = module.weight.detach().cpu().double().flatten(1)
    shift = (
        torch.zeros(len(weight), dtype=torch.float64) if module.bias is None else module.bias.detach().cpu().double()
    )
    counts = ("in_channels", "out_channels", "groups")
    dead = (weight == 0).all(1)
    return Scaling(reads, 1, module, ("weight", "bias"), counts, weight.sum(1), shift, dead, _pads_nothing(module))


def normalisation(module: nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d, reads: tuple[fx.Node, ...]) -> Scaling:
    """Batch normalisation with the statistics that it has kept."""
    mean, variance = (module.get_buffer(name).detach().cpu().double() for name in ("running_mean", "running_var"))
    scale = (variance + module.eps).rsqrt()
    if module.affine:
        scale = scale * module.weight.detach().cpu().double()
    shift = -mean * scale
    if module.affine:
        shift = shift + module.bias.detach().cpu().double()
    names = ("weight", "bias", "running_mean", "running_var")
    return Scaling(reads, 1, module, names, ("num_features",), scale, shift, scale == 0, plain=True)
