"""A target, and three ways to a network that does the same: a search, training, and a construction."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from _targets import best_neurons, bits, neuron, parity, relative_error, wrong_signs
from torch import Tensor, nn

from tombola import Ball, Box, Ticket, Tolerance, construct, models
from tombola.random_source import Source
from tombola.search import edge_popup, search, signed_he, with_biases
from tombola.training import Optimiser, Trainer, cosine, sgd


@dataclass(frozen=True)
class Config:
    """Dimensions of the targets, and how masks are searched for.

    Attributes:
        parity: numbers of bits.
        neuron: numbers of inputs.
        width: of the two hidden layers that are searched.
        density: that a search keeps of each layer.
        rates: of learning, of which the best counts.
        steps: of a search.
        batch_size: of a step.
        examples: drawn for a search.
        test: other examples.
        seeds: of everything.
    """

    parity: tuple[int, ...] = (2, 4, 6, 8, 10, 12, 16)
    neuron: tuple[int, ...] = (4, 8, 16, 32, 64)
    width: int = 256
    density: float = 0.5
    rates: tuple[float, ...] = (0.1, 1.0, 10.0)
    steps: int = 1000
    batch_size: int = 128
    examples: int = 20_000
    test: int = 10_000
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)


class Problem:
    """A target with examples, and how far another function is from it."""

    def __init__(self, config: Config, part: str, dimension: int, seed: int) -> None:
        self.config, self.seed, self.is_parity = config, seed, part == "parity"
        generator = torch.Generator().manual_seed(seed)
        count = config.examples + config.test
        if self.is_parity:
            self.target, x = parity(dimension), bits(count, dimension, generator=generator)
        else:
            self.target = neuron(dimension, generator=generator)
            x = torch.randn(count, dimension, generator=generator)
        with torch.no_grad():
            y = self.target(x)
        self.unit = float(y.double().square().mean().sqrt())
        (self.x, self.test), (self.y, self.wanted) = (part.split([config.examples, config.test]) for part in (x, y))
        shape = f"mlp:{dimension}-{config.width}-{config.width}-{1 + self.is_parity}"
        self.net = models.build(shape, bias=self.is_parity, generator=generator)

    def error(self, outputs: Tensor) -> float:
        """The share of wrong signs of a parity, the relative squared error of a neuron."""
        return (wrong_signs if self.is_parity else relative_error)(outputs, self.wanted)

    def trainer(self, optimiser: Optimiser) -> Trainer:
        """Cross-entropy of two classes, or the squared error of the target in units of its root mean square."""
        wanted = (self.y[:, 0] > 0).long() if self.is_parity else self.y / self.unit
        loss = nn.functional.cross_entropy if self.is_parity else nn.functional.mse_loss
        steps = self.config.steps
        pairs = list(zip(self.x, wanted, strict=True))
        return Trainer(pairs, steps, self.config.batch_size, optimiser=optimiser, rate=cosine(steps), loss=loss)

    def judged(self, network: nn.Module) -> float:
        """The error of a network that was searched or trained."""
        with torch.no_grad():
            outputs = network(self.test)
        return self.error(outputs[:, 1:] - outputs[:, :1] if self.is_parity else outputs * self.unit)

    def searched(self, rate: float) -> float:
        """The error of what edge-popup finds in a random network."""
        scheme = with_biases(signed_he, 0.5) if self.is_parity else signed_he
        options = {"density": self.config.density, "source": Source(self.seed), "steps": self.config.steps}
        found = search(self.net, self.trainer(sgd(rate, momentum=0.9)), method=edge_popup(), scheme=scheme, **options)
        return self.judged(found.model)

    def trained(self) -> float:
        """The error of the same network with trained weights, by Adam at 1e-3."""
        train = self.trainer(partial(torch.optim.Adam, lr=1e-3))
        generator = torch.Generator().manual_seed(self.seed)
        return self.judged(train(self.net, {}, start=0, stop=self.config.steps, generator=generator))

    def neurons(self) -> float:
        """The least error of whole neurons of a random layer with biases, as many as a search has in both layers."""
        generator = torch.Generator().manual_seed(self.seed)
        features = torch.randn(2 * self.config.width, self.x.shape[1] + 1, generator=generator)
        x, test = (nn.functional.pad(part, (0, 1), value=1.0) for part in (self.x, self.test))
        return self.error((test @ features.T).relu().double() @ best_neurons(x, self.y, features))

    def constructed(self) -> tuple[Ticket, float, float]:
        """A ticket made from the target, its error, and the error that is proved.

        A parity is right at every point once the bound over the box is below 1. A neuron without biases and its ticket
        are homogeneous, so that a bound B in the unit ball is `B ||x||` everywhere, and `B^2 d` in the mean square.
        """
        d = self.x.shape[1]
        options = {"inputs": Box(-1.0, 1.0), "tolerance": Tolerance(epsilon=0.5)}
        if not self.is_parity:
            options = {"inputs": Ball(1.0), "tolerance": Tolerance(0.001)}
        ticket = construct(self.target, torch.zeros(1, d), seed=self.seed, **options)
        with torch.no_grad():
            error = self.error(ticket.module(form="sparse")(self.test))
        bound = float(ticket.record["certificate"]["bound"])
        return ticket, error, float(bound >= 1) if self.is_parity else bound**2 * d / (d**4 / 2)
