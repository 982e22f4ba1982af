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
from tombola.runs import ImpSettings, run_imp
from tombola.training import Hardware, Trainer, keep_pruned_, sgd
from tombola.training._examples import Batch
from tombola.training._run import Run

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
    ("name", "shape", "limit"),
    [("lenet-300-100", (1, 28, 28), 1.10), ("conv-4", (3, 32, 32), 1.03), ("resnet-20", (3, 32, 32), 1.03)],
)
def test_a_masked_step_beside_a_dense_one(name, shape, limit, report):
    """Interleaved pairs; the median of their ratios and the upper end of its 95 % interval."""
    generator = torch.Generator().manual_seed(0)
    net = models.build(name, input_shape=shape, classes=10, generator=generator)
    masks = {n: torch.rand(p.shape, generator=generator) < 0.1 for n, p in net.named_parameters() if p.ndim > 1}
    batch = 4 if SMOKE else BATCH
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


def test_a_level_outside_training(tmp_path, report):
    """What a level of LeNet-300-100 costs beside training and evaluation: pruning it, and saving it safely."""
    generator, count = torch.Generator().manual_seed(0), 1000
    x = torch.randint(256, (count, 1, 28, 28), dtype=torch.uint8, generator=generator)
    y = torch.arange(count) % 10
    loaded = DataSet("random", x, y, x, y, Scaling("unit", 0.0, 255.0))
    settings = ImpSettings("lenet-300-100", steps=5, levels=2 if SMOKE else 20)
    levels = run_imp(tmp_path / "run", loaded, settings).levels[1:]
    seconds = [level.seconds_outside_training for level in levels]
    report(median=float(np.median(seconds)), largest=max(seconds), limit=0.05)


@pytest.mark.parametrize(("name", "shape"), [("lenet-300-100", (1, 28, 28)), ("resnet-20", (3, 32, 32))])
def test_ways_to_make_a_step_faster(name, shape, report):
    """Steps of `Trainer` with each of the ways, interleaved; each as a multiple of a step without any."""
    generator, count = torch.Generator().manual_seed(0), 4 if SMOKE else BATCH
    x, y = torch.rand(count, *shape, generator=generator), torch.randint(10, (count,), generator=generator)
    loaded = DataSet("random", x, y, x, y, Scaling("none"))
    net = models.build(name, input_shape=shape, classes=10, generator=generator)
    ways = {"plain": Hardware(channels_last=False), "bfloat16": Hardware(bfloat16=True, channels_last=False)}
    if len(shape) == 3 and shape[0] == 3:
        ways |= {"channels_last": Hardware(), "both": Hardware(bfloat16=True)}
    steps = 2 if SMOKE else 8
    times = {way: [] for way in ways}
    with torch_threads(1):
        for _ in range(1 if SMOKE else 5):
            for way, hardware in ways.items():
                train = Trainer(loaded, steps, batch_size=count, hardware=hardware)
                start = perf_counter()
                train(net, {}, start=0, stop=steps, generator=torch.Generator().manual_seed(1))
                times[way].append(perf_counter() - start)
    plain = np.median(times["plain"])
    report(**{way: float(np.median(found) / plain) for way, found in times.items() if way != "plain"})


@pytest.mark.skipif(SMOKE, reason="compiling takes a minute")
@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")
def test_a_compiled_step(report):
    """Steps of a compiled ResNet-20 beside those of one that is not, once it is compiled."""
    generator = torch.Generator().manual_seed(0)
    net = models.build("resnet-20", input_shape=(3, 32, 32), classes=10, generator=generator)
    x, y = torch.rand(BATCH, 3, 32, 32, generator=generator), torch.randint(10, (BATCH,), generator=generator)
    batch, times = Batch(x, y, 1.0), {True: [], False: []}
    with torch_threads(1):
        runs = {
            compiled: Run(copy.deepcopy(net), sgd(0.01), {}, still, hardware=Hardware(compiled=compiled))
            for compiled in times
        }
        started = perf_counter()
        runs[True].step(batch)
        first = perf_counter() - started
        for _ in range(12):
            for compiled, run in runs.items():
                started = perf_counter()
                run.step(batch)
                times[compiled].append(perf_counter() - started)
    report(ratio=float(np.median(times[True]) / np.median(times[False])), first_step=first)


def still(optimiser):
    """A schedule that leaves the rate as it is."""
    return torch.optim.lr_scheduler.LambdaLR(optimiser, lambda step: 1.0)
