"""The blocks of residual networks.

References:
    [He2016] K. He, X. Zhang, S. Ren, J. Sun, "Deep residual learning for image recognition", CVPR 2016.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from typing import final

from jaxtyping import Float
from torch import Tensor, nn


@final
class BasicBlock(nn.Module):
    """Two 3x3 convolutions beside a shortcut [He2016, Figure 2]; the first has the stride.

    Maps `(batch, inputs, height, width)` to `(batch, channels, height / stride, width / stride)`, rounded up.

    Args:
        inputs: channels that come in.
        channels: channels that go out.
        stride: of the block.
    """

    expansion = 1

    def __init__(self, inputs: int, channels: int, stride: int) -> None:
        super().__init__()
        self.conv1, self.bn1 = _convolution(inputs, channels, 3, stride), nn.BatchNorm2d(channels, device="meta")
        self.relu1 = nn.ReLU()
        self.conv2, self.bn2 = _convolution(channels, channels, 3, 1), nn.BatchNorm2d(channels, device="meta")
        self.shortcut = _shortcut(inputs, channels, stride)
        self.relu2 = nn.ReLU()

    def forward(self, x: Float[Tensor, "batch inputs height width"]) -> Float[Tensor, "batch channels rows columns"]:
        """`relu(f(x) + shortcut(x))`."""
        h = self.relu1(self.bn1(self.conv1(x)))
        h = self.bn2(self.conv2(h))
        return self.relu2(h + self.shortcut(x))


@final
class Bottleneck(nn.Module):
    """A 1x1, a 3x3 and a 1x1 convolution beside a shortcut [He2016, Figure 5].

    Gives out four times as many channels as the 3x3 convolution has. The stride is that of the 3x3 convolution and not
    of the first, as in the paper: what is published as ResNet-50 today skips no pixel.

    Args:
        inputs: channels that come in.
        channels: channels of the 3x3 convolution.
        stride: of the block.
    """

    expansion = 4

    def __init__(self, inputs: int, channels: int, stride: int) -> None:
        super().__init__()
        outputs = self.expansion * channels
        self.conv1, self.bn1 = _convolution(inputs, channels, 1, 1), nn.BatchNorm2d(channels, device="meta")
        self.relu1 = nn.ReLU()
        self.conv2, self.bn2 = _convolution(channels, channels, 3, stride), nn.BatchNorm2d(channels, device="meta")
        self.relu2 = nn.ReLU()
        self.conv3, self.bn3 = _convolution(channels, outputs, 1, 1), nn.BatchNorm2d(outputs, device="meta")
        self.shortcut = _shortcut(inputs, outputs, stride)
        self.relu3 = nn.ReLU()

    def forward(self, x: Float[Tensor, "batch inputs height width"]) -> Float[Tensor, "batch outputs rows columns"]:
        """`relu(f(x) + shortcut(x))`."""
        h = self.relu1(self.bn1(self.conv1(x)))
        h = self.relu2(self.bn2(self.conv2(h)))
        h = self.bn3(self.conv3(h))
        return self.relu3(h + self.shortcut(x))


Block = type[BasicBlock] | type[Bottleneck]


def stages(block: Block, inputs: int, widths: Sequence[int], counts: Sequence[int]) -> dict[str, nn.Module]:
    """The stages of a residual network, `stage1, stage2, ...`, each with blocks `block1, block2, ...` in a row.

    Every stage but the first halves height and width, in its first block.

    Args:
        block: the kind of the blocks.
        inputs: channels that come in.
        widths: for each stage, the channels of its blocks.
        counts: for each stage, how many blocks it has.

    Example:
        >>> made = stages(BasicBlock, 16, [16, 32], [3, 3])
        >>> list(made), made["stage2"].get_submodule("block1").conv1.stride
        (['stage1', 'stage2'], (2, 2))
    """
    made: dict[str, nn.Module] = {}
    for number, (channels, count) in enumerate(zip(widths, counts, strict=True), start=1):
        blocks: OrderedDict[str, nn.Module] = OrderedDict()
        for i in range(1, count + 1):
            blocks[f"block{i}"] = block(inputs, channels, 2 if number > 1 and i == 1 else 1)
            inputs = block.expansion * channels
        made[f"stage{number}"] = nn.Sequential(blocks)
    return made


def _convolution(inputs: int, outputs: int, size: int, stride: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, size, stride=stride, padding=size // 2, bias=False, device="meta")


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    """The input itself, or a projection where it would not fit: option B of [He2016, Section 4.1]."""
    if inputs == outputs and stride == 1:
        return nn.Identity()
    projection = {"conv": _convolution(inputs, outputs, 1, stride), "bn": nn.BatchNorm2d(outputs, device="meta")}
    return nn.Sequential(OrderedDict[str, nn.Module](projection))
