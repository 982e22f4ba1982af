"""Changing connections are worth it, on real data."""

import pytest
import torch
from torch import nn

from tombola import data, models
from tombola.allocate import erk, random_masks
from tombola.dynamic import rigl, sparse_evolution, top_kast
from tombola.training import evaluate, keep_pruned_

STEPS, SEEDS = 300, (0, 1)


def accuracy(make, seed, *, density=0.05):
    """Of a perceptron after a few hundred steps from a random ERK mask."""
    generator, digits = torch.Generator().manual_seed(seed), data.load("digits")
    net = models.build("mlp:64-100-50-10", generator=generator)
    shapes = {name: weight.shape for name, weight in net.named_parameters() if weight.ndim > 1}
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    make(torch.Generator().manual_seed(seed))(
        optimiser, net, random_masks(shapes, erk(shapes, density), generator=generator)
    )
    x, y = digits.train()
    for _ in range(STEPS):
        chosen = torch.randint(len(y), (64,), generator=generator)
        optimiser.zero_grad()
        nn.functional.cross_entropy(net(x[chosen]), y[chosen]).backward()
        optimiser.step()
    return evaluate(net, *digits.test()).accuracy


@pytest.fixture(scope="module")
def static():
    return [accuracy(lambda generator: keep_pruned_, seed) for seed in SEEDS]


@pytest.mark.parametrize(
    "make",
    [
        lambda generator: rigl(steps=STEPS, every=15, generator=generator),
        lambda generator: sparse_evolution(steps=STEPS, every=15, generator=generator),
        lambda generator: top_kast(every=15, generator=generator),
    ],
    ids=["rigl", "set", "top-kast"],
)
def test_a_network_with_changing_connections_is_at_least_as_good(make, static):
    found = [accuracy(make, seed) for seed in SEEDS]
    assert sum(found) >= sum(static)
