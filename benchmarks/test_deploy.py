"""How small tickets and compacted networks are: the tables of `docs/deploy.md`, line by line as they are printed here.

No clock and no size that could be left out: it takes seconds, and every smoke run checks the page.
"""

import sys
from pathlib import Path

import pytest
import torch

from tombola import Source, initialise, models
from tombola.deploy import compact, sizes
from tombola.random_source import Uniform, he
from tombola.ticket import Ticket, half, kept_only

PAGE = (Path(__file__).parents[1] / "docs" / "deploy.md").read_text()
NETS = {
    "lenet-300-100": ("LeNet-300-100", (1, 28, 28)),
    "conv-4x0.5": ("Conv-4, half as wide", (3, 32, 32)),
    "resnet-20": ("ResNet-20", (3, 32, 32)),
    "vgg-16x0.5": ("VGG-16, half as wide", (3, 32, 32)),
}


@pytest.fixture
def row(capsys):
    """Prints a row of a table, and wants it on the page."""

    def show(*cells):
        line = f"| {' | '.join(cells)} |"
        with capsys.disabled():
            sys.stdout.write(f"\n{line}")
        assert line in PAGE.splitlines()

    return show


def masks_of(net, density, generator):
    """Random masks of all weights, biases and normalisations aside."""
    weights = {name: value for name, value in net.named_parameters() if value.ndim > 1}
    return {name: torch.rand(value.shape, generator=generator) < density for name, value in weights.items()}


def drawn(name, value):
    """He's law for weights, and one for biases, so that these are addresses too."""
    return he(name, value) or Uniform(0.05)


def lenet(*, bias):
    """The sizes of LeNet-300-100 under random masks: as addresses, and with kept values in float16 and in float32."""
    net = models.build("lenet-300-100", bias=bias, generator=torch.Generator())
    net.load_state_dict(initialise(net, Source(7), scheme=drawn))
    masks = masks_of(net, 0.05, torch.Generator().manual_seed(1))
    saved = kept_only(Ticket.from_masks(net, masks))
    return [sizes(one) for one in (Ticket.from_masks(net, masks, source=Source(7), scheme=drawn), half(saved), saved)]


def test_tickets_beside_dense_weights(row):
    """Bytes of dense float32 over those of the file, without and with biases."""
    names = "addresses: drawn again from a seed", "saved, float16", "saved, float32"
    for name, *found in zip(names, lenet(bias=False), lenet(bias=True), strict=True):
        row(name, *(f"{one.dense('float32') / one.ticket:.1f}" for one in found))


def test_masks_beside_their_entropy(report):
    """How much longer the code of a mask is, in percent; layers of 784 x 300, 300 x 100 and 100 x 10."""
    first, second, third = (100 * (layer.mask / layer.bound - 1) for layer in lenet(bias=False)[0].layers)
    report(first=first, second=second, third=third)
    said = " ".join(PAGE.split())
    assert f"takes {first:.1f} % more than the entropy, {second:.1f} % for 300 x 100" in said
    assert f"which is {third:.0f} % for 100 x 10" in said


@pytest.mark.parametrize("name", NETS)
def test_parameters_after_compaction(name, row):
    """With random masks on single weights; network and masks are drawn anew for each density."""
    title, shape = NETS[name]
    left = []
    for density in (0.1, 0.02, 0.005):
        generator = torch.Generator().manual_seed(0)
        net = models.build(name, input_shape=shape, generator=generator)
        smaller = compact(net, masks_of(net, density, generator), torch.zeros(1, *shape))
        left.append(sum(value.numel() for value in smaller.parameters()))
    whole = sum(value.numel() for value in net.parameters())
    row(f"{title}, {whole:,}", *(f"{size:,}" for size in left))
