"""Small targets with convolutions, branches and activations, each with the shape of its inputs."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn


class Residual(nn.Module):
    """A stem, a block with an identity skip, one with a strided projection, and a linear read-out; with batch norm."""

    def __init__(self, *, channels: int = 4, bias: bool = True) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, channels, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1, bias=bias)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1, bias=bias)
        self.down1 = nn.Conv2d(channels, channels + 2, 3, padding=1, stride=2, bias=bias)
        self.down2 = nn.Conv2d(channels + 2, channels + 2, 3, padding=1, bias=bias)
        self.skip = nn.Conv2d(channels, channels + 2, 1, stride=2, bias=bias)
        self.fc = nn.Linear(channels + 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.norm(self.stem(x)))
        x = torch.relu(self.conv2(torch.relu(self.conv1(x))) + x)
        x = torch.relu(self.down2(torch.relu(self.down1(x))) + self.skip(x))
        return self.fc(x.mean((2, 3)))


def plain() -> nn.Module:
    """Convolution, max-pooling, flatten, linear."""
    return nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(4, 5, 3, stride=2), nn.ReLU(),
        nn.Flatten(), nn.Linear(5, 3),
    )  # fmt: skip


def grouped() -> nn.Module:
    """Grouped and dilated convolutions without biases, average pooling."""
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=2, dilation=2, groups=2, bias=False), nn.ReLU(), nn.AvgPool2d(2),
        nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(4, 3, bias=False),
    )  # fmt: skip


def signal() -> nn.Module:
    """Convolutions over one axis."""
    return nn.Sequential(
        nn.Conv1d(2, 4, 5, padding=2), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(4, 3, 3), nn.Tanh(), nn.AvgPool1d(2),
        nn.Flatten(), nn.Linear(6, 2),
    )  # fmt: skip


def smooth() -> nn.Module:
    """Dense layers whose activations let both signs through."""
    return nn.Sequential(
        nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 8), nn.GELU(), nn.Linear(8, 8), nn.ELU(), nn.Linear(8, 8), nn.SiLU(),
        nn.Linear(8, 6), nn.LeakyReLU(0.1), nn.Linear(6, 6), nn.Softsign(), nn.Linear(6, 6), nn.Sigmoid(),
        nn.Linear(6, 6), nn.Softplus(), nn.Linear(6, 3),
    )  # fmt: skip


GRAPHS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "plain": (plain, (1, 8, 8)),
    "residual": (Residual, (1, 8, 8)),
    "grouped": (grouped, (2, 8, 8)),
    "one axis": (signal, (2, 12)),
    "smooth": (smooth, (6,)),
}


def graph_target(name: str) -> tuple[nn.Module, tuple[int, ...]]:
    """A target at evaluation with normal weights from a fixed seed, its batch norms with statistics, and its shape."""
    make, shape = GRAPHS[name]
    generator = torch.Generator().manual_seed(0)
    net = make().eval()
    with torch.no_grad():
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                for value in (module.weight, module.bias, module.running_mean, module.running_var):
                    value.uniform_(0.5, 1.5, generator=generator)
            elif isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d):
                module.weight.normal_(0, module.weight[0].numel() ** -0.5, generator=generator)
                if module.bias is not None:
                    module.bias.normal_(0, 0.3, generator=generator)
    return net, shape
