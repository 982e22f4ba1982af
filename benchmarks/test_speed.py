"""Deployed networks beside masked ones, and single layers beside other tools, in one thread of a CPU.

`TOMBOLA_BENCH_SMOKE=1` runs everything at a small size and checks answers only. With sparseprop installed
(`pip install sparseprop`, built from source) it is among the other tools.
"""

import copy
import importlib.util
import os
import subprocess
import sys
import warnings
from functools import partial

import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import prune as torch_prune

from tombola import Ticket, models, prune, scores
from tombola.allocate import uniform
from tombola.deploy import Interval, _choices, _compile, compile
from tombola.deploy._turns import turns
from tombola.isolation import torch_threads
from tombola.masks import bake_

SMOKE = os.environ.get("TOMBOLA_BENCH_SMOKE") == "1"
ROUNDS, SECONDS = (6, 0.0) if SMOKE else (60, 3.0)
SIDE = 128 if SMOKE else 2048
WIDE = f"mlp:{SIDE}-{SIDE}-{SIDE}-{SIDE}-10"
SHAPES = {"lenet-300-100": (1, 28, 28), "lenet-5": (1, 28, 28), WIDE: (SIDE,)}
MODELS = [WIDE, "lenet-300-100"] if SMOKE else [WIDE, "lenet-300-100", "lenet-5", "conv-4", "resnet-20", "vgg-16"]
DENSITIES = [0.1] if SMOKE else [0.5, 0.2, 0.1, 0.05, 0.02, 0.01]
CELLS = [(batch, density) for batch in (1, 64, 128) for density in (0.1, 0.05, 0.02, 0.01)][: 2 if SMOKE else None]
if SMOKE:
    _choices.SECONDS = _compile.SECONDS = 0.0


def random_mask(shape, density, side, generator):
    """Blocks of a side by chance; single weights if it is 1, or does not divide outputs and inputs."""
    side = 1 if shape[0] % side or shape[1] % side else side
    kept = torch.rand(shape[0] // side, shape[1] // side, *shape[2:], generator=generator) < density
    return kept.repeat_interleave(side, 0).repeat_interleave(side, 1)


def network(name, density, *, synflow=False, side=1):
    """A network, its masks, and an example; masks by SynFlow layer by layer, or of blocks of a side by chance."""
    shape, generator = SHAPES.get(name, (3, 32, 32)), torch.Generator().manual_seed(0)
    net = models.build(name, input_shape=shape, classes=10, generator=generator).eval()
    example = torch.zeros(1, *shape)
    if synflow:
        batches = [(example, torch.zeros(1, dtype=torch.int64))]
        return net, prune(net, batches, score=scores.synflow, density=density, allocate=uniform), example
    named = dict(net.named_parameters())
    masks = {key: random_mask(v.shape, density, side, generator) for key, v in named.items() if v.ndim > 1}
    return net, masks, example


def times_faster(dense, deployed, x):
    """Of one network over another on the same inputs, which must agree."""
    with torch.no_grad():
        wanted = dense(x)
        torch.testing.assert_close(deployed(x), wanted, rtol=0, atol=1e-4 * float(wanted.abs().max()))
        one, other = turns([lambda: dense(x), lambda: deployed(x)], rounds=ROUNDS, seconds=SECONDS)
    return Interval.of([first / second for first, second in zip(one, other, strict=True)])


def faster(name, density, batches, *, synflow=False, side=1):
    """How many times faster the deployed network is, measured once more, at each size of batches."""
    net, masks, example = network(name, density, synflow=synflow, side=side)
    with torch_threads(1):
        deployed = compile(net, masks, example, batches=batches)
        bake_(net, masks)
        generator = torch.Generator().manual_seed(1)
        inputs = [torch.randn(batch, *example.shape[1:], generator=generator) for batch in batches]
        return [times_faster(net, deployed, x) for x in inputs]


@pytest.mark.parametrize(
    ("name", "density", "batch", "least", "synflow"),
    [
        (WIDE, 0.05, 1, 5.0, False),
        (WIDE, 0.02, 1, 8.0, False),
        (WIDE, 0.05, 64, 2.5, False),
        ("lenet-300-100", 0.05, 1, 3.0, False),
        ("vgg-16x0.1" if SMOKE else "vgg-16", 0.05, 1, 1.5, True),
    ],
)
def test_networks(name, density, batch, least, synflow, report):
    (found,) = faster(name, density, [batch], synflow=synflow)
    report(median=found.median, lower=found.low, upper=found.high, least=least)
    assert SMOKE or found.median >= least


@pytest.mark.parametrize("density", [0.1, 0.05, 0.02])
def test_networks_of_blocks(density, report):
    """Blocks make a network faster still than as many single weights."""
    batches, sides = [1, 64], [1, 4, 16]
    found = [[one.median for one in faster(WIDE, density, batches, side=side)] for side in sides]
    for batch, medians in zip(batches, zip(*found, strict=True), strict=True):
        report(batch=batch, **{f"side {side}": median for side, median in zip(sides, medians, strict=True)})
        assert SMOKE or min(medians[1:]) > medians[0]


@pytest.mark.parametrize("density", DENSITIES)
@pytest.mark.parametrize("name", MODELS)
def test_never_slower(name, density, report):
    """Whatever the density and the size of batches, a deployed network is as fast as the masked one."""
    batches = [1, 8, 64]
    found = faster(name, density, batches)
    report(**{f"batch {batch}": one.median for batch, one in zip(batches, found, strict=True)})
    assert SMOKE or min(one.high for one in found) >= 0.97


@pytest.mark.filterwarnings("ignore:.*stays as it is")
def test_a_transformer(report):
    """A random BERT, which torch.fx cannot trace: layers are replaced where they stand."""
    transformers = pytest.importorskip("transformers")
    generator = torch.Generator().manual_seed(0)
    sizes = {"hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 1024}
    net = transformers.BertForSequenceClassification(transformers.BertConfig(vocab_size=1000, **sizes)).eval()
    linear = [name for name, value in net.named_parameters() if value.ndim == 2 and "embedding" not in name]
    masks = {name: torch.rand(net.get_parameter(name).shape, generator=generator) < 0.05 for name in linear}
    texts = torch.randint(0, 1000, (8, 64), generator=generator)
    batches = [1] if SMOKE else [1, 8]
    with torch_threads(1), torch.no_grad():
        deployed = compile(net, masks, texts, batches=batches)
        bake_(net, masks)
        torch.testing.assert_close(deployed(texts).logits, net(texts).logits, rtol=0, atol=1e-5)
        for batch in batches:
            x = texts[:batch]
            one, other = turns([partial(net, x), partial(deployed, x)], rounds=ROUNDS, seconds=SECONDS)
            found = Interval.of([first / second for first, second in zip(one, other, strict=True)])
            report(batch=batch, median=found.median, lower=found.low, upper=found.high)
            assert SMOKE or found.high >= 0.97


LOADED = """
import sys, time, torch
begun = time.process_time()
import tombola
ticket = tombola.load(sys.argv[1])
print(time.process_time() - begun)
"""


def test_loading(tmp_path, report):
    """A ticket of LeNet-300-100, tombola's own import included; seconds of processor time after that of torch."""
    net, masks, _ = network("lenet-300-100", 0.05)
    path = tmp_path / "lenet.ticket"
    Ticket.from_masks(net, masks).save(path)
    compiled = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(tmp_path)}
    seconds = [
        float(
            subprocess.run([sys.executable, "-c", LOADED, path], env=compiled, capture_output=True, check=True).stdout
        )
        for _ in range(2 if SMOKE else 9)
    ]
    found = Interval.of(seconds[1:])  # the first one compiles modules
    report(median=found.median, lower=found.low, upper=found.high, limit=0.05)
    assert SMOKE or found.median < 0.05


class Csr(nn.Module):
    """torch's compressed rows, 32-bit indices, which its MKL path takes."""

    def __init__(self, layer):
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            plain = layer.weight.detach().to_sparse_csr()
            crow, columns = plain.crow_indices().int(), plain.col_indices().int()
            self.weight = torch.sparse_csr_tensor(crow, columns, plain.values(), plain.shape)
        self.bias = layer.bias.detach()

    def forward(self, x):
        return functional.linear(x, self.weight, self.bias)


class Bsr(nn.Module):
    """torch's compressed rows of blocks."""

    def __init__(self, layer, side):
        super().__init__()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.weight = layer.weight.detach().to_sparse_bsr((side, side))
        self.bias = layer.bias.detach()

    def forward(self, x):
        return functional.linear(x, self.weight, self.bias)


def others(layer, mask):
    """The layer in the hands of other tools, by name."""
    pruned = nn.Sequential(copy.deepcopy(layer))
    torch_prune.custom_from_mask(pruned[0], "weight", mask)
    found = {"torch CSR": Csr(layer), "torch.nn.utils.prune": pruned}
    if importlib.util.find_spec("sparseprop"):
        from sparseprop.modules.linear import SparseLinear

        found["sparseprop"] = SparseLinear.from_dense(layer)
    return found


def beside(batch, density, side, report):
    """How many times as long the best other tool takes for a layer of random blocks of a side."""
    generator = torch.Generator().manual_seed(0)
    layer, x = nn.Linear(SIDE, SIDE), torch.randn(batch, SIDE, generator=generator)
    mask = random_mask((SIDE, SIDE), density, side, generator)
    with torch_threads(1), torch.no_grad():
        layer.weight.mul_(mask)
        ours = compile(nn.Sequential(layer), {"0.weight": mask}, x[:1], batches=[batch])
        theirs = others(layer, mask)
        if side > 1:
            theirs = {"torch BSR": Bsr(layer, side), **theirs}
        for other in theirs.values():
            torch.testing.assert_close(ours(x), other(x), rtol=0, atol=1e-4)
        own, *rest = turns([partial(run, x) for run in (ours, *theirs.values())], rounds=ROUNDS, seconds=SECONDS)
    ratios = [Interval.of([a / b for a, b in zip(one, own, strict=True)]).median for one in rest]
    report(batch=batch, density=density, side=side, **dict(zip(theirs, ratios, strict=True)))
    return min(ratios)


def test_a_layer_beside_other_tools(report):
    """Faster than the best of them in nine of twelve cells, nowhere slower than nine tenths of it."""
    ratios = [beside(batch, density, 1, report) for batch, density in CELLS]
    report(cells=sum(ratio > 1 for ratio in ratios), least=min(ratios))
    assert SMOKE or (sum(ratio > 1 for ratio in ratios) >= 9 and min(ratios) >= 0.9)


@pytest.mark.parametrize("side", [4, 16])
def test_blocks_beside_other_tools(side, report):
    """Faster than all of them, whatever the batch and the density."""
    ratios = [beside(batch, density, side, report) for batch, density in CELLS]
    assert SMOKE or min(ratios) > 1
