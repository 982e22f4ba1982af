"""Small networks in float64, and their Jacobians in full."""

import torch
from torch import nn
from torch.func import functional_call, jacrev


class Residual(nn.Module):
    """A block with a skip, whose two maps share one weight."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(3, 3, bias=False)
        self.again = nn.Linear(3, 3, bias=False)
        self.again.weight = self.first.weight
        self.last = nn.Linear(3, 1)

    def forward(self, x):
        return self.last(x + self.again(self.first(x).relu()).tanh())


def built(kind):
    if kind == "mlp":
        return nn.Sequential(nn.Linear(4, 5), nn.ReLU(), nn.Dropout(0.5), nn.Linear(5, 1)), (4,)
    if kind == "conv":
        layers = nn.Conv2d(2, 3, 3, bias=False), nn.BatchNorm2d(3), nn.ReLU(), nn.MaxPool2d(2)
        return nn.Sequential(*layers, nn.Flatten(), nn.Linear(3, 1)), (2, 4, 4)
    if kind == "without biases":
        first, second, third = (nn.Linear(n, m, bias=False) for n, m in ((4, 8), (8, 6), (6, 2)))
        return nn.Sequential(first, nn.ReLU(), second, nn.ReLU(), third), (4,)
    return Residual(), (3,)


def made(kind):
    """A network and the shape of one input."""
    with torch.random.fork_rng(devices=[]):  # constructors draw from torch's global random numbers
        net, shape = built(kind)
    generator = torch.Generator().manual_seed(1)
    net.double()
    with torch.no_grad():
        for value in net.parameters():
            value.copy_(torch.rand(value.shape, generator=generator) - 0.3)
    return net, shape


def inputs_for(shape, count, generator):
    """Batches of one example each, so that random signs say exactly what a scalar output's Jacobian is."""
    return [(torch.randn(1, *shape, generator=generator, dtype=torch.float64), torch.zeros(1)) for _ in range(count)]


def all_masks(net):
    return {name: torch.ones_like(value, dtype=torch.bool) for name, value in net.named_parameters() if value.ndim > 1}


def jacobian(net, batches, masks):
    """`Phi` by parameter name, `(outputs of all examples, size)`, and the masked weights, in evaluation mode."""
    net.eval()
    weights = {name: value.detach() * masks[name] for name, value in net.named_parameters() if name in masks}
    x = torch.cat([x for x, _ in batches])
    found = jacrev(lambda w: functional_call(net, w, (x,)))(weights)
    columns = {name: part.detach() * masks[name] for name, part in found.items()}
    return {name: part.reshape(-1, masks[name].numel()) for name, part in columns.items()}, weights
