"""A network of frozen weights under a mask that scores make."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call

from tombola.masks import kept_count
from tombola.random_source import Law, Source

from ._method import Method


class Searched(nn.Module):
    """A module whose only trainable parameters are scores, so that any training loop searches for masks.

    Its forward pass is that of the network with the weights that the method makes of frozen values and scores. In
    training mode each forward pass counts as a step.

    Args:
        network: at the values of the source; its parameters are frozen in place.
        source: where these come from.
        laws: what they follow, by the names of the parameters that are masked.
        method: from scores to masks.
        density: the kept fraction.
        steps: of the whole search, for methods with a schedule.
        generator: of the first scores.

    Attributes:
        kept: how many weights stay, by parameter or in all.
        step: how many steps were done, int64.
        seed: of the random numbers of single steps.

    Raises:
        ValueError: for a density outside (0, 1], or one at which a parameter would keep nothing.
    """

    step: Tensor

    def __init__(
        self,
        network: nn.Module,
        source: Source,
        laws: Mapping[str, Law],
        *,
        method: Method,
        density: float,
        steps: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.network, self.source, self.laws = network.requires_grad_(False), source, dict(laws)
        self.method, self.steps = method, steps
        self.kept = _kept(self.frozen(), density, by_layer=method.by_layer)
        self.seed = _peeked(generator)
        self._scores, self._memory = nn.ParameterList(), nn.ModuleList()
        for weight in self.frozen().values():
            self._scores.append(nn.Parameter(method.first(weight, generator)))
            self._memory.append(_Memory(method.memory(weight)))
        self.register_buffer("step", torch.zeros((), dtype=torch.int64))

    def forward(self, *inputs: Tensor) -> Tensor:
        """The network's outputs under the mask of now."""
        if self.training:
            with torch.no_grad():
                self.method.before_step(self)
                self.step += 1
        return functional_call(self.network, self.method.weights(self), inputs)

    def frozen(self) -> dict[str, Tensor]:
        """The values under the masks, by name."""
        parameters = dict(self.network.named_parameters())
        return {name: parameters[name] for name in self.laws}

    def scores(self) -> dict[str, Tensor]:
        """What is trained, by the names of what it belongs to."""
        return dict(zip(self.laws, self._scores, strict=True))

    def memory(self, what: str) -> dict[str, Tensor]:
        """What the method remembers under a name, of each parameter; empty if there is nothing of this name."""
        kept = zip(self.laws, self._memory, strict=True)
        return {name: value for name, memory in kept for key, value in memory.named_buffers() if key == what}

    def noise(self, name: str) -> Tensor:
        """Random numbers in [0, 1) for a parameter, float32 in its shape: the same whenever it is the same step.

        They are no matter of the training loop, so that searches in several processes, and those that were interrupted,
        draw the same.
        """
        low, high = Source(self.seed).key(f"{name}/{int(self.step)}")
        weight = self.network.get_parameter(name)
        generator = torch.Generator(weight.device).manual_seed(low + (high << 31))
        return torch.rand(weight.shape, generator=generator, device=weight.device)


class _Memory(nn.Module):
    """Tensors that move and are saved with a module."""

    def __init__(self, values: Mapping[str, Tensor]) -> None:
        super().__init__()
        for name, value in values.items():
            self.register_buffer(name, value)


def _peeked(generator: torch.Generator) -> int:
    """A number below 2**62 that follows from a generator, which stays where it is."""
    copied = torch.Generator(generator.device)
    copied.set_state(generator.get_state())
    return int(torch.randint(2**62, (), generator=copied, device=generator.device))


def _kept(weights: Mapping[str, Tensor], density: float, *, by_layer: bool) -> int | dict[str, int]:
    sizes = {name: weight.numel() for name, weight in weights.items()}
    if not by_layer:
        return kept_count(sum(sizes.values()), density)
    counts = {name: kept_count(size, density) for name, size in sizes.items()}
    if empty := [(name, size) for name, size in sizes.items() if density * size < 0.5]:
        name, size = empty[0]
        least = f"; use {0.5 / size:.3g} or more" if size else ""
        raise ValueError(f"density {density:g} leaves nothing of the {size} weights of {name!r}{least}")
    return counts
