"""What a search costs: steps of edge-popup beside those with a full sort, and beside ordinary training.

`TOMBOLA_BENCH_SMOKE=1` runs everything at a small size and checks answers only.
"""

import copy
import os
from time import perf_counter

import numpy as np
import pytest
import torch
from torch import nn

from tombola import Source, models
from tombola.isolation import torch_threads
from tombola.random_source import he
from tombola.search import Searched, edge_popup, iterand

SMOKE = os.environ.get("TOMBOLA_BENCH_SMOKE") == "1"
PAIRS = 4 if SMOKE else 100
WIDTHS = "60-40" if SMOKE else "1000-400"
BATCH, DENSITY = 128, 0.5


class Sorted(torch.autograd.Function):
    """The published selection: a sort of all scores of a layer, and ones where the largest were."""

    @staticmethod
    def forward(ctx, scores, kept):
        mask = torch.zeros_like(scores).flatten()
        mask[scores.flatten().sort(descending=True).indices[:kept]] = 1
        return mask.view_as(scores)

    @staticmethod
    def backward(ctx, gradient):
        return gradient, None


class Published(nn.Module):
    """The published formulation on the frozen values, first scores and numbers of another search."""

    def __init__(self, state):
        super().__init__()
        self.network, self.kept = copy.deepcopy(state.network), dict(state.kept)
        self.scores = nn.ParameterList([nn.Parameter(score.detach().clone()) for score in state.scores().values()])

    def weights(self):
        named = zip(self.network.named_parameters(), self.scores, strict=True)
        return {name: value * Sorted.apply(score.abs(), self.kept[name]) for (name, value), score in named}

    def forward(self, x):
        return torch.func.functional_call(self.network, self.weights(), (x,))


def stepper(model, x, y):
    """A function that does one step of training on a batch."""
    trained = [value for value in model.parameters() if value.requires_grad]
    optimiser = torch.optim.SGD(trained, lr=0.1, momentum=0.9)

    def step():
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimiser.step()

    return step


def plain():
    """A network without biases at the values of a source."""
    net = models.build(f"mlp:784-{WIDTHS}-10", bias=False, generator=torch.Generator().manual_seed(0))
    laws = {name: he(name, value) for name, value in net.named_parameters()}
    values = {name: Source(7).tensor(name, law, net.get_parameter(name).shape) for name, law in laws.items()}
    net.load_state_dict(values)
    return net, laws


def searched(method):
    net, laws = plain()
    draw = torch.Generator().manual_seed(1)
    return Searched(net, Source(7), laws, method=method, density=DENSITY, steps=1000, generator=draw).train()


def batch():
    draw = torch.Generator().manual_seed(2)
    return torch.rand(BATCH, 784, generator=draw), torch.randint(10, (BATCH,), generator=draw)


def ratio_of(first, second):
    """The median of the ratios of interleaved pairs, and both ends of its 95 % interval, by ranks."""
    ratios = []
    for k in range(PAIRS + 2):
        times = {}
        for step in (first, second) if k % 2 else (second, first):
            start = perf_counter()
            step()
            times[step] = perf_counter() - start
        ratios.append(times[first] / times[second])
    ratios, reach = np.sort(ratios[2:]), 0.98 * np.sqrt(PAIRS)
    low, high = (int(np.floor(PAIRS / 2 - reach)), int(np.ceil(PAIRS / 2 + reach)))
    return float(np.median(ratios)), float(ratios[max(0, low)]), float(ratios[min(PAIRS - 1, high)])


@pytest.mark.parametrize("method", [edge_popup(), edge_popup(by_layer=False)], ids=["by layer", "global"])
def test_a_step_beside_one_of_training(method, report):
    """The same network, its weights trained by the same optimiser."""
    x, y = batch()
    with torch_threads(1):
        ours, dense = stepper(searched(method), x, y), stepper(plain()[0], x, y)
        median, lower, upper = ratio_of(ours, dense)
    report(median=median, lower=lower, upper=upper, limit=1.5)
    assert SMOKE or median <= 1.5


def test_a_step_beside_one_with_a_sort(report):
    """The published formulation, which computes with the same weights."""
    x, y = batch()
    ours = searched(edge_popup())
    published = Published(ours)
    with torch.no_grad():
        found, wanted = ours.method.weights(ours), published.weights()
    torch.testing.assert_close(
        {name: value.abs() for name, value in found.items()}, {n: v.abs() for n, v in wanted.items()}, rtol=0, atol=0
    )
    with torch_threads(1):
        median, lower, upper = ratio_of(stepper(published, x, y), stepper(ours, x, y))
    report(median=median, lower=lower, upper=upper, least=4.0)
    assert SMOKE or median >= 4


def test_drawing_again(report):
    """IteRand with the published interval beside edge-popup on the same scores, over whole intervals."""
    x, y = batch()
    every = 3 if SMOKE else 300
    with torch_threads(1):
        again, never = (
            stepper(searched(method), x, y) for method in (iterand(every=every), edge_popup(absolute=False))
        )
        times = {again: 0.0, never: 0.0}
        for k in range(2 * every + 1):
            for step in (again, never) if k % 2 else (never, again):
                start = perf_counter()
                step()
                times[step] += perf_counter() - start
    report(ratio=times[again] / times[never])
