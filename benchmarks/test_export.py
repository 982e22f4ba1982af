"""Files for other runtimes: every model of the library, masked at random, in every form.

`TOMBOLA_BENCH_SMOKE=1` runs two narrow ones and checks answers only.
"""

import os

import onnxruntime
import pytest
import torch

from tombola import models
from tombola.deploy import export
from tombola.masks import bake_
from tombola.training import reestimate_batch_norm_

SMOKE = os.environ.get("TOMBOLA_BENCH_SMOKE") == "1"
DENSITY, GAIN = 0.1, 2.0  # with no gain outputs of masked deep networks no longer depend on the input
SMALL, PHOTOGRAPH = (3, 32, 32), (3, 224, 224)
SHAPES = {
    "lenet-300-100": (1, 28, 28),
    "lenet-5": (1, 28, 28),
    **{f"conv-{depth}": SMALL for depth in (2, 4, 6)},
    **{f"vgg-{depth}": SMALL for depth in (16, 19)},
    **{f"resnet-{depth}": SMALL for depth in (20, 32, 56)},
    **{f"resnet-{depth}": PHOTOGRAPH for depth in (18, 50)},
    "univariate-polynomial": (784,),
    "univariate-fourier": (784,),
    "mlp:784-500-10": (784,),
}
NARROW = {"lenet-5": (1, 28, 28), "conv-2x0.25": SMALL}
ALLOWED = 1e-4  # of the largest output


def live(name, shape):
    """A network, random masks of its weights, and inputs on which its outputs differ."""
    generator = torch.Generator().manual_seed(0)
    net = models.build(name, generator=generator)
    weights = {key: value for key, value in net.named_parameters() if len(value) > 1 and value[0].numel() > 1}
    masks = {key: torch.rand(value.shape, generator=generator) < DENSITY for key, value in weights.items()}
    with torch.no_grad():
        for value in weights.values():
            value *= GAIN / DENSITY**0.5
    bake_(net, masks)
    x = torch.randn(16 if shape == PHOTOGRAPH or SMOKE else 1000, *shape, generator=generator)
    reestimate_batch_norm_(net, x, batch_size=200)
    return net.eval(), masks, x


def largest_error(forward, net, x):
    """Of all outputs, over the largest of them, in batches of three sizes; and how much outputs differ at all."""
    with torch.no_grad():
        wanted = torch.cat([net(part) for part in x.split(100)])
    cut = [1, len(x) // 3, len(x) - len(x) // 3 - 1]
    found = torch.cat([forward(part) for part in x.split(cut)])
    scale = wanted.abs().max()
    return float((found - wanted).abs().max() / scale), float(wanted.std(0).max() / scale)


def loaded(path):
    """The function in a file, by nothing of this library."""
    if path.suffix == ".pt2":
        forward = torch.export.load(path).module()
        return lambda x: forward(x).detach()
    session = onnxruntime.InferenceSession(path)
    return lambda x: torch.from_numpy(session.run(None, {"input": x.numpy()})[0])


@pytest.mark.filterwarnings("ignore:`isinstance.treespec, LeafSpec:FutureWarning")
@pytest.mark.parametrize("name", NARROW if SMOKE else SHAPES)
def test_every_form_computes_what_the_masked_network_does(name, tmp_path, report):
    net, masks, x = live(name, (NARROW if SMOKE else SHAPES)[name])
    figures = {"parameters": sum(value.numel() for value in net.parameters())}
    for path, form in (("net.onnx", "compacted"), ("net.onnx", "sparse"), ("net.pt2", "compacted")):
        record = export(net, masks, x[:1], tmp_path / path, form=form)
        error, spread = largest_error(loaded(tmp_path / path), net, x)
        assert record.form == form
        assert error < ALLOWED
        assert spread > 10 * ALLOWED  # or else any constant would pass
        key = "program" if path.endswith("pt2") else form
        figures |= {key: record.size, f"{key}_error": error, f"{key}_ms": record.latency.median}
        figures |= {f"{key}_masked": record.dense_size, f"{key}_masked_ms": record.dense_latency.median}
    assert figures["sparse"] < 0.5 * figures["sparse_masked"]
    report(spread=spread, **figures)
