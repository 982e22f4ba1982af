"""What it takes to score: a hundred rounds of SynFlow beside the usual loop, and the memory of each criterion.

`TOMBOLA_BENCH_SMOKE=1` runs everything at a small size and checks answers only.
"""

import copy
import json
import os
import subprocess
import sys
from time import perf_counter

import numpy as np
import pytest
import torch

from tombola.isolation import torch_threads
from tombola.masks import count, kept_count
from tombola.models import build
from tombola.scores import synflow_masks

SMOKE = os.environ.get("TOMBOLA_BENCH_SMOKE") == "1"
PAIRS, ROUNDS, DENSITY = (1, 3, 0.3) if SMOKE else (5, 100, 0.01)

PEAK = """
import json, resource, sys
import torch
from torch.nn.functional import cross_entropy
from tombola import scores
from tombola.models import build

name, network, side, size = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
torch.set_num_threads(1)
generator = torch.Generator().manual_seed(0)
net = build(network, input_shape=(3, side, side), classes=10, generator=generator)
x, y = torch.randn(size, 3, side, side, generator=generator), torch.randint(10, (size,), generator=generator)
torch.nn.functional.linear(torch.ones(2, 2, requires_grad=True), torch.ones(2, 2)).sum().backward()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
if name == "plain":
    cross_entropy(net(x), y).backward()
else:
    masks = {n: torch.ones_like(p, dtype=torch.bool) for n, p in net.named_parameters() if p.ndim > 1}
    getattr(scores, name)(net, [(x, y)], masks=masks, loss=cross_entropy, generator=generator)
peak = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
print(json.dumps([peak, sum(4 * p.numel() for p in net.parameters())]))
"""


def usual(model, masks, dtype):
    """The loop as it is written: a dense copy, all scores joined, the threshold by `kthvalue`, the mask multiplied."""
    net = copy.deepcopy(model).to(dtype).eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.abs_()
    weights = {name: parameter for name, parameter in net.named_parameters() if name in masks}
    values = {name: weight.detach().clone() for name, weight in weights.items()}
    masks, x = {name: mask.to(dtype) for name, mask in masks.items()}, torch.ones(1, 3, 32, 32, dtype=dtype)
    total = sum(mask.numel() for mask in masks.values())
    for t in range(1, ROUNDS + 1):
        for name, weight in weights.items():
            weight.data = values[name] * masks[name]
        net.zero_grad()
        net(x).sum().backward()
        scores = {name: (weight.grad * weight).detach().abs_() for name, weight in weights.items()}
        whole = torch.cat([score.flatten() for score in scores.values()])
        least = whole.kthvalue(total - kept_count(total, DENSITY ** (t / ROUNDS))).values
        masks = {name: (score > least).to(dtype) for name, score in scores.items()}
    return {name: mask.bool() for name, mask in masks.items()}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_a_hundred_rounds_of_synflow_beside_the_usual_loop(dtype, report):
    """VGG-16 on 3 x 32 x 32, one thread, pairs in turns, both in the same type."""
    net = build("lenet-5" if SMOKE else "vgg-16", input_shape=(3, 32, 32), classes=10, generator=seeded())
    masks = {name: torch.ones_like(p, dtype=torch.bool) for name, p in net.named_parameters() if p.ndim > 1}
    example, times = torch.zeros(1, 3, 32, 32), []
    with torch_threads(1):
        for _ in range(PAIRS):
            start = perf_counter()
            ours = synflow_masks(net, example, masks=masks, density=DENSITY, rounds=ROUNDS, dtype=dtype)
            middle = perf_counter()
            theirs = usual(net, masks, dtype)
            times.append((middle - start, perf_counter() - middle))
    assert count(ours) == kept_count(sum(mask.numel() for mask in masks.values()), DENSITY)
    common = sum(int((ours[name] & theirs[name]).sum()) for name in ours) / count(ours)
    assert common > (0.9 if dtype == torch.float32 else 0.99)
    ratios = np.sort([there / here for here, there in times])
    report(ours=np.median(times, 0)[0], ratio=np.median(ratios), least=ratios[0], most=ratios[-1], common=common)
    assert SMOKE or np.median(ratios) >= 3


def seeded():
    return torch.Generator().manual_seed(0)


def peak(name):
    """The most memory that a fresh process held above the model and the batch, and that of the parameters."""
    sizes = ["resnet-20", "32", "2"] if SMOKE else ["resnet-50", "224", "4"]
    done = subprocess.run([sys.executable, "-c", PEAK, name, *sizes], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "name", ["magnitude", "snip", "force", "synflow", "synflow_l2", "px", "fts", "grasp", "hts", "ntk_sap", "prospr"]
)
def test_the_memory_of_a_criterion_beside_a_forward_and_a_backward(name, report):
    """ResNet-50 on 3 x 224 x 224: the peak of parameters, gradients, activations and whatever a criterion adds."""
    (plain, parameters), (ours, _) = peak("plain"), peak(name)
    whole, most = parameters + plain, parameters + ours
    report(plain=whole / 1e6, ours=most / 1e6, ratio=most / whole)
    assert SMOKE or plain > parameters  # small networks fit into what torch holds anyway
