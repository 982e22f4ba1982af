"""What masks cost in training: masked steps beside dense ones, and epochs beside a bare loop over tensors.

`TOMBOLA_BENCH_SMOKE=1` runs everything at a small size and checks answers only.
"""

import copy
import os
from time import perf_counter

import numpy as np
import pytest
import torch
from torch import nn

from tombola import models
from tombola.data import DataSet, Scaling
from tombola.isolation import torch_threads
from tombola.training import Trainer, keep_pruned_, sgd

SMOKE = os.environ.get("TOMBOLA_BENCH_SMOKE") == "1"
PAIRS = 5 if SMOKE else 200
BATCH = 128


def stepper(model, masks, x, y):
    """A function that does one step of training on a batch."""
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    keep_pruned_(optimiser, model, masks)

    def step():
        optimiser.zero_grad()
        nn.functional.cross_entropy(model(x), y).backward()
        optimiser.step()

    return step


@pytest.mark.parametrize(
    ("name", "shape", "batch", "limit"),
    [
        ("lenet-300-100", (1, 28, 28), 128, 1.10),
        ("conv-4", (3, 32, 32), 16, 1.03),  # a larger batch takes longer, and the masks no longer
        ("resnet-20", (3, 32, 32), 16, 1.03),
    ],
)
def test_a_masked_step_beside_a_dense_one(name, shape, batch, limit, report):
    """Interleaved pairs; the median of their ratios and the upper end of its 95 % interval."""
    generator = torch.Generator().manual_seed(0)
    net = models.build(name, input_shape=shape, classes=10, generator=generator)
    masks = {n: torch.rand(p.shape, generator=generator) < 0.1 for n, p in net.named_parameters() if p.ndim > 1}
    x, y = torch.rand(batch, *shape, generator=generator), torch.randint(10, (batch,), generator=generator)
    with torch_threads(1):
        masked, dense = stepper(copy.deepcopy(net), masks, x, y), stepper(copy.deepcopy(net), {}, x, y)
        ratios = []
        for k in range(PAIRS + 2):
            times = {}
            for step in (masked, dense) if k % 2 else (dense, masked):
                start = perf_counter()
                step()
                times[step] = perf_counter() - start
            ratios.append(times[masked] / times[dense])
    ratios = np.sort(ratios[2:])
    upper = ratios[min(PAIRS - 1, int(np.ceil(PAIRS / 2 + 0.98 * np.sqrt(PAIRS))))]  # of the median, by ranks
    report(median=float(np.median(ratios)), upper=float(upper), limit=limit)
    assert SMOKE or np.median(ratios) <= limit


def test_an_epoch_beside_a_bare_loop(report):
    """LeNet-300-100 on as many random images as MNIST has; the baseline is a loop over one float32 tensor."""
    generator, count = torch.Generator().manual_seed(0), 1000 if SMOKE else 60_000
    x = torch.randint(256, (count, 1, 28, 28), dtype=torch.uint8, generator=generator)
    y = torch.randint(10, (count,), generator=generator)
    loaded = DataSet("random", x, y, x[:10], y[:10], Scaling("unit", 0.0, 255.0))
    net = models.build("lenet-300-100", input_shape=(1, 28, 28), classes=10, generator=generator)
    steps = -(-count // BATCH)
    train = Trainer(loaded, steps, batch_size=BATCH, optimiser=sgd(0.1, momentum=0.0))

    def ours():
        train(net, {}, start=0, stop=steps, generator=torch.Generator().manual_seed(1))

    def bare():
        model, floats = copy.deepcopy(net), x.float() / 255
        optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
        for chosen in torch.randperm(count, generator=torch.Generator().manual_seed(1)).split(BATCH):
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(floats[chosen]), y[chosen]).backward()
            optimiser.step()

    times = {ours: [], bare: []}
    with torch_threads(1):
        for k in range(1 if SMOKE else 6):
            for call in (ours, bare) if k % 2 else (bare, ours):
                start = perf_counter()
                call()
                times[call].append(perf_counter() - start)
    medians = {call.__name__: float(np.median(found)) for call, found in times.items()}
    report(**medians, ratio=medians["ours"] / medians["bare"])
