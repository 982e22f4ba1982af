"""A planted network, its data, and how networks of its shape are trained and judged, many at a time."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from tombola.masks import Masks, apply, kept_count
from tombola.planting import (
    circle_data,
    circle_target,
    helix_data,
    helix_target,
    plant,
    relu_data,
    relu_target,
)
from tombola.prune import CRITERIA, prune
from tombola.random_source import Source, Uniform
from tombola.search import METHODS, Searched
from tombola.search import Method as Search
from tombola.select import top
from tombola.training import Trainer, cosine, named_optimiser

TARGETS = {"relu": relu_target, "circle": circle_target, "helix": helix_target}
DATA = {"relu": relu_data, "circle": circle_data, "helix": helix_data}


@dataclass(frozen=True)
class Config:
    """Tasks and depths, and how masks are sought and networks trained.

    Attributes:
        tasks: with the depths of each.
        densities: of weights and biases, beside the planted ticket's own.
        width: of the hidden layers.
        examples: of training and test together; a tenth is for the test.
        epochs: of training a masked network, and of a search.
        batch_size: of both.
        scored: examples that criteria see.
        seeds: recorded so far, or to be.
    """

    tasks: tuple[tuple[str, int], ...] = tuple((task, depth) for depth in (3, 5) for task in TARGETS)
    densities: tuple[float, ...] = (0.01, 0.1, 0.5)
    width: int = 100
    examples: int = 10_000
    epochs: int = 5
    batch_size: int = 32
    scored: int = 1000
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)


class Beside(nn.ModuleList):
    """Networks side by side, as one module that is trained in one go; outputs `(networks, batch, outputs)`."""

    def forward(self, x: Tensor) -> Tensor:
        """The outputs of all."""
        return torch.stack([network(x) for network in self])


class Stack(nn.Module):
    """The same as one product of matrices for each layer, for networks that are chains of linear layers and ReLU."""

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        super().__init__()
        alike = zip(*(network.parameters() for network in networks), strict=True)
        self.layers = nn.ParameterList(torch.stack(each).detach() for each in alike)

    def forward(self, x: Tensor) -> Tensor:
        """The outputs of all."""
        x = x.expand(len(self.layers[0]), *x.shape)
        layers = list(self.layers)
        for weight, bias in zip(layers[::2], layers[1::2], strict=True):
            x = torch.baddbmm(bias[:, None], x if weight is layers[0] else x.relu(), weight.mT)
        return x


class Task:
    """A planted network with its data; everything follows from the seed."""

    def __init__(self, config: Config, task: str, depth: int, seed: int) -> None:
        self.config, self.seed, self.classifies = config, seed, task == "circle"
        self.planted = plant(TARGETS[task](depth), config.width, source=Source(seed))
        self.network, self.scales = self.planted.network, self.planted.scales[-1].float()
        x, y = DATA[task](config.examples, generator=torch.Generator().manual_seed(seed))
        self.test, held = (x[: len(x) // 10], y[: len(x) // 10]), len(x) // 10
        self.pairs = list(zip(x[held:], y[held:], strict=True))
        self.scored = x[held:][: config.scored], y[held:][: config.scored]
        self.a_pass = -(-len(self.pairs) // config.batch_size)
        self.names = [name for name, _ in self.network.named_parameters()]
        with torch.no_grad():
            self.first_loss = float(self.loss(self.network(self.scored[0]) * self.scales, self.scored[1]))
        self.total = sum(mask.numel() for mask in self.planted.masks.values())

    def loss(self, outputs: Tensor, wanted: Tensor) -> Tensor:
        """Cross-entropy or squared error, a mean over examples."""
        return (
            nn.functional.cross_entropy(outputs, wanted) if self.classifies else nn.functional.mse_loss(outputs, wanted)
        )

    def losses(self, outputs: Tensor, wanted: Tensor) -> Tensor:
        """The sum over networks side by side, so that each is trained as if it were alone."""
        return torch.stack([self.loss(each, wanted) for each in outputs]).sum()

    def scaled_losses(self, outputs: Tensor, wanted: Tensor) -> Tensor:
        """The same in the target's own unit, as multiples of what the whole network has at initialisation."""
        return self.losses(outputs * self.scales, wanted) / self.first_loss

    def strong(self, network: nn.Module) -> float:
        """The test quality of a network up to the scales of its outputs.

        Those of classes are the planted ones; a regression is given its best ones on the examples that criteria see.
        """
        if self.classifies:
            return self.quality(network, self.scales)
        x, y = self.scored
        with torch.no_grad():
            outputs = network.eval()(x).double()
        best = (outputs * y).sum(dim=0) / outputs.square().sum(dim=0).clamp(min=1e-30)
        return self.quality(network, best)

    def quality(self, network: nn.Module, scales: Tensor | float = 1.0) -> float:
        """Test accuracy, or the share of the variance that is explained, 0 if none is; in percent."""
        x, y = self.test
        with torch.no_grad():
            outputs = network.eval()(x) * scales
        if self.classifies:
            return 100 * float((outputs.argmax(dim=1) == y).double().mean())
        error = (outputs - y).double().square().sum() / (y - y.mean(dim=0)).double().square().sum()
        return 100 * max(0.0, 1 - float(error))

    def recall(self, masks: Masks) -> float:
        """The share of what is planted that is kept."""
        hits = sum(int((masks[name] & planted).sum()) for name, planted in self.planted.masks.items())
        return hits / sum(int(planted.sum()) for planted in self.planted.masks.values())

    def masked(self, masks: Masks) -> nn.Module:
        """The network at initialisation, without what is pruned."""
        found = copy.deepcopy(self.network)
        found.load_state_dict(apply(masks, dict(found.named_parameters())))
        return found

    def trained(self, masks: Sequence[Masks], epochs: int) -> list[nn.Module]:
        """Masked networks, from their initialisation on, by Adam at 1e-3; all see the examples in one order."""
        steps = epochs * self.a_pass
        adam = partial(torch.optim.Adam, lr=1e-3)
        train = Trainer(self.pairs, steps, self.config.batch_size, optimiser=adam, loss=self.losses)
        stacked = {f"layers.{i}": torch.stack([each[name] for each in masks]) for i, name in enumerate(self.names)}
        stack = Stack([self.masked(each) for each in masks])
        done = train(stack, stacked, start=0, stop=steps, generator=torch.Generator().manual_seed(self.seed))
        values = [dict(zip(self.names, each, strict=True)) for each in zip(*done.parameters(), strict=True)]
        networks = [copy.deepcopy(self.network) for _ in masks]
        for network, own in zip(networks, values, strict=True):
            network.load_state_dict({name: value.detach() for name, value in own.items()})
        return networks

    def pruned(self, network: nn.Module, criterion: str, density: float, masks: Masks | None = None) -> Masks:
        """The masks of a criterion, weights and biases of all layers together; inside others, if there are any."""
        score = partial(CRITERIA[criterion].score, loss=self.loss)
        generator = torch.Generator().manual_seed(self.seed)
        if masks is None:
            return prune(network, [self.scored], score=score, density=density, names=self.names, generator=generator)
        found = score(network, [self.scored], masks=masks, loss=self.loss, generator=generator)
        return top({n: v.masked_fill(~masks[n], -torch.inf) for n, v in found.items()}, kept_count(self.total, density))

    def sought(self, name: str, densities: Sequence[float], rounds: int, *, scaled: bool) -> list[Searched]:
        """Searches side by side, with the training that their method is listed with, its rate along half a cosine."""
        steps, generator, named = (
            self.config.epochs * self.a_pass,
            torch.Generator().manual_seed(self.seed),
            METHODS[name],
        )
        momentum = 0.9 if named.optimiser == "sgd" else 0.0
        optimiser = named_optimiser(named.optimiser, named.learning_rate, momentum=momentum)
        loss = self.scaled_losses if scaled else self.losses
        train = Trainer(self.pairs, steps, self.config.batch_size, optimiser=optimiser, rate=cosine(steps), loss=loss)
        found: nn.Module = Beside(self._search(named.made(), steps, generator) for _ in densities)
        for r in range(rounds):
            for state, density in zip(found, densities, strict=True):
                state.kept = self.kept(density ** ((r + 1) / rounds), by_layer=state.method.by_layer)
            ends = [steps * r // rounds, steps * (r + 1) // rounds]
            found = train(found, {}, start=ends[0], stop=ends[1], generator=generator)
        return list(found)

    def kept(self, density: float, *, by_layer: bool) -> int | dict[str, int]:
        """How many stay of all, or of each weight and bias, of which one stays where none would."""
        if not by_layer:
            return kept_count(self.total, density)
        return {name: max(1, kept_count(mask.numel(), density)) for name, mask in self.planted.masks.items()}

    def _search(self, method: Search, steps: int, generator: torch.Generator) -> Searched:
        laws = dict.fromkeys(self.names, Uniform(1.0))  # only their names are used: the values are the planted ones
        frozen = copy.deepcopy(self.network)
        return Searched(frozen, Source(self.seed), laws, method=method, density=1.0, steps=steps, generator=generator)
