"""Small networks, data and training loops for searches."""

import torch
from torch import nn

from tombola import Source, initialise
from tombola.data import DataSet, Scaling
from tombola.random_source import he
from tombola.search import Searched
from tombola.training import Trainer, sgd

SIDE, CLASSES, EXAMPLES = 4, 3, 48


class Stopped(Exception):
    """Raised in the middle of a training."""


class Shaped(nn.Module):
    """A network that takes flat examples."""

    def __init__(self, shape, network):
        super().__init__()
        self.shape, self.network = (-1, *shape), network

    def forward(self, x):
        return self.network(x.reshape(self.shape))


class Residual(nn.Module):
    """Two convolutions beside a way around them."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)

    def forward(self, x):
        return torch.relu(x + self.second(torch.relu(self.first(x))))


def mlp():
    return Shaped([SIDE**2], nn.Sequential(nn.Linear(SIDE**2, 12), nn.ReLU(), nn.Linear(12, CLASSES)))


def convolution():
    layers = [nn.Conv2d(1, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten(), nn.Linear(20, CLASSES)]
    return Shaped([1, SIDE, SIDE], nn.Sequential(*layers))


def residual():
    layers = [nn.Conv2d(1, 4, 3), Residual(), nn.Flatten(), nn.Linear(16, CLASSES)]
    return Shaped([1, SIDE, SIDE], nn.Sequential(*layers))


NETS = {"mlp": mlp, "convolution": convolution, "residual": residual}


def net_of(kind):
    """A network by its name; its values are those of a fixed generator."""
    draw, net = torch.Generator().manual_seed(0), NETS[kind]()
    for value in net.parameters():
        nn.init.normal_(value, std=0.3, generator=draw)
    return net


def _data():
    draw = torch.Generator().manual_seed(2)
    x = torch.randn(2 * EXAMPLES, SIDE**2, generator=draw)
    y = (x @ torch.randn(SIDE**2, CLASSES, generator=draw)).argmax(dim=1)
    return DataSet("random", x[:EXAMPLES], y[:EXAMPLES], x[EXAMPLES:], y[EXAMPLES:], Scaling("none"))


DATA = _data()
OPTIMISER = sgd(0.1, momentum=0.9)


def loop(steps):
    """A training loop of so many steps."""
    return Trainer(DATA, steps, batch_size=16, optimiser=OPTIMISER)


def state_of(method, net, *, density, steps=10, seed=11, dtype=torch.float32):
    """A search that has not begun, on a network at the values of a source with normal laws."""
    source = Source(seed)
    net.load_state_dict(initialise(net, source), strict=False)
    laws = {name: he(name, value) for name, value in net.named_parameters() if value.ndim > 1}
    draw = torch.Generator().manual_seed(1)
    return Searched(net.to(dtype), source, laws, method=method, density=density, steps=steps, generator=draw)


def stopping(after):
    """An optimiser that is interrupted before a step."""

    def made(parameters):
        plain, done = OPTIMISER(parameters), [0]

        def counted(*_):
            done[0] += 1
            if done[0] > after:
                raise Stopped

        plain.register_step_pre_hook(counted)
        return plain

    return made
