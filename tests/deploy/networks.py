"""Random small networks of every operation that compacting knows, and masks that empty units, channels and weights."""

import torch
from torch import nn


class Net(nn.Module):
    """Convolutions with branches that are added or put side by side, pooling, a flatten or a mean, linear layers."""

    def __init__(self, draw):
        super().__init__()
        self.blocks, self.heads = nn.ModuleList(), nn.ModuleList()
        channels = 3
        for _ in range(draw(1, 3)):
            block = Block(channels, draw)
            self.blocks.append(block)
            channels = block.channels
        self.flatten = draw(0, 2)
        width = channels if self.flatten == 0 else channels * 36
        for _ in range(draw(1, 2)):
            out = draw(3, 9)
            self.heads += [nn.Linear(width, out, bias=bool(draw(0, 1))), activation(draw)]
            if draw(0, 1):
                self.heads.append(nn.BatchNorm1d(out))
            width = out
        self.heads.append(nn.Linear(width, 4))

    def forward(self, x):
        for block in self.blocks:
            x = block(x)
        x = x.mean((2, 3)) if self.flatten == 0 else x.view(x.size(0), -1) if self.flatten == 1 else x.flatten(1)
        for layer in self.heads:
            x = layer(x)
        return x


class Block(nn.Module):
    """One convolution, and perhaps another one beside it; the image stays 6 x 6."""

    def __init__(self, channels, draw):
        super().__init__()
        self.channels = draw(3, 8)
        self.first, self.kind = convolution(channels, self.channels, draw), draw(0, 3)
        self.second = convolution(self.channels, self.channels, draw)
        self.last = activation(draw)
        if self.kind == 2:
            self.channels *= 2
        self.pool = [nn.Identity(), nn.MaxPool2d(3, 1, 1), nn.AvgPool2d(3, 1, 1), nn.AdaptiveAvgPool2d(6)][draw(0, 3)]

    def forward(self, x):
        x = self.first(x)
        if self.kind == 1:
            x = x + self.second(x)
        if self.kind == 2:
            x = torch.cat([x, self.second(x)], 1)
        if self.kind == 3:
            x = self.second(x)
        return self.pool(self.last(x))


def convolution(inputs, outputs, draw):
    """A convolution that keeps the size of the image, perhaps a depthwise one behind it, a norm, an activation."""
    size = [1, 3][draw(0, 1)]
    mode = ["zeros", "replicate"][draw(0, 1)]
    made = [nn.Conv2d(inputs, outputs, size, padding=size // 2, padding_mode=mode, bias=bool(draw(0, 1)))]
    if draw(0, 3) == 0:
        made.append(nn.Conv2d(outputs, outputs, 3, padding=1, groups=outputs))
    if draw(0, 1):
        made.append(nn.BatchNorm2d(outputs))
    return nn.Sequential(*made, activation(draw))


def activation(draw):
    kinds = [nn.ReLU(), nn.ReLU(inplace=True), nn.Tanh(), nn.Sigmoid(), nn.GELU(), nn.LeakyReLU(0.1), nn.Identity()]
    return kinds[draw(0, len(kinds) - 1)]


def fill_(net, generator):
    """Random values for all parameters and statistics, in place."""
    with torch.no_grad():
        for name, value in [*net.named_parameters(), *net.named_buffers()]:
            if value.is_floating_point():
                drawn = torch.randn(value.shape, generator=generator, dtype=value.dtype)
                value.copy_(
                    drawn.abs() + 0.5 if name.endswith("running_var") else drawn / max(1, value[0].numel()) ** 0.5
                )


def random_masks(net, generator):
    """Masks of every parameter but the last layer's: single weights, whole outputs and whole inputs are pruned."""
    masks = {}
    for name, value in net.named_parameters():
        mask = torch.rand(value.shape, generator=generator) < torch.rand((), generator=generator)
        for axis in range(min(2, value.ndim)):
            gone = torch.rand(value.shape[axis], generator=generator) < 0.4
            mask[(slice(None),) * axis + (gone,)] = False
        masks[name] = mask
    return masks


def drawing(generator):
    """A function for integers from a first to a last one."""
    return lambda first, last: int(torch.randint(first, last + 1, (), generator=generator))
