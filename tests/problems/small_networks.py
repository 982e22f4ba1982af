"""Networks of the three kinds that criteria of pruning have to cope with, small enough for dense derivatives."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy


class Residual(nn.Module):
    """A stem and one block with a projected shortcut, both with batch norm; frozen and tied weights are elsewhere."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(2, 3, 3, padding=1, bias=False), nn.BatchNorm2d(3)
        self.inner, self.inner_norm = nn.Conv2d(3, 4, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(4)
        self.outer, self.outer_norm = nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4)
        self.shortcut, self.last = nn.Conv2d(3, 4, 1, stride=2, bias=False), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.stem(x)).relu()
        inside = self.outer_norm(self.outer(self.inner_norm(self.inner(x)).relu()))
        return self.last((inside + self.shortcut(x)).relu().mean((2, 3)))


def mlp() -> nn.Sequential:
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 5), nn.Tanh(), nn.Linear(5, 3))


def convolutional() -> nn.Sequential:
    first = (nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())
    second = (nn.Conv2d(4, 4, 3, stride=2), nn.BatchNorm2d(4), nn.ReLU())
    return nn.Sequential(*first, *second, nn.Flatten(), nn.Linear(16, 3))


def tied() -> nn.Sequential:
    """Two layers with one weight, which is `0.weight`, and a last layer that is frozen."""
    net = nn.Sequential(nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 6), nn.ReLU(), nn.Linear(6, 3).requires_grad_(False))
    net[2].weight = net[0].weight
    return net


NETWORKS = {"mlp": mlp, "convolutional": convolutional, "residual": Residual}
SHAPES = {"mlp": (6,), "convolutional": (2, 6, 6), "residual": (2, 6, 6), "tied": (6,)}


def network(name: str) -> nn.Module:
    """One of them in float64, with batch norm that does something; the weights follow from the name alone."""
    with torch.random.fork_rng(devices=[]):
        torch.random.default_generator.manual_seed(len(name))
        model = (NETWORKS | {"tied": tied})[name]().double()
        with torch.no_grad():
            for layer in model.modules():
                if isinstance(layer, nn.BatchNorm2d):
                    layer.running_mean.normal_(0, 0.2)
                    layer.running_var.uniform_(0.5, 2)
                    layer.weight.normal_(1, 0.2)
                    layer.bias.normal_(0, 0.2)
    return model


def examples(name: str, sizes: tuple[int, ...] = (8, 4)) -> list[tuple[Tensor, Tensor]]:
    """Batches of normal inputs, and labels out of three."""
    generator = torch.Generator().manual_seed(7)
    shape = SHAPES[name]
    return [
        (
            torch.randn(size, *shape, generator=generator, dtype=torch.float64),
            torch.randint(3, (size,), generator=generator),
        )
        for size in sizes
    ]


def masks_of(model: nn.Module, density: float = 1.0) -> dict[str, Tensor]:
    """Masks of all matrices and kernels that keep about so many weights."""
    generator = torch.Generator().manual_seed(5)
    return {
        name: torch.rand(weight.shape, generator=generator) < density
        for name, weight in model.named_parameters()
        if weight.ndim > 1
    }


def arguments(name: str, density: float = 1.0) -> dict:
    """All that a criterion is called with, on one of the networks."""
    model = network(name)
    return {
        "model": model,
        "batches": examples(name),
        "masks": masks_of(model, density),
        "loss": cross_entropy,
        "generator": torch.Generator().manual_seed(0),
    }
