import pytest
import torch
from torch import nn

from tombola.models import draw_parameters
from tombola.models._residual import BasicBlock, Bottleneck, stages


def settled(block):
    """The block at evaluation, with normalisation that changes nothing and 1 in the middle of every kernel."""
    block.to_empty(device="cpu")
    draw_parameters(block, generator=torch.Generator().manual_seed(0)).eval()
    with torch.no_grad():
        for module in block.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_var.fill_(1 - module.eps)
            if isinstance(module, nn.Conv2d):
                middle = module.kernel_size[0] // 2
                module.weight.zero_()[:, :, middle, middle] = 1
    return block


IMAGE = torch.tensor([[[[1.0, -2.0, 3.0], [4.0, 5.0, 6.0], [-7.0, 8.0, 9.0]]]])


@pytest.mark.parametrize("norm", ["bn1", "bn2"])
def test_a_basic_block_worked_by_hand(norm):
    block = settled(BasicBlock(1, 1, 1))
    with torch.no_grad():
        block.get_submodule(norm).weight.fill_(3)
    # relu(3 relu(x) + x) = 4 relu(x), also with the 3 inside
    torch.testing.assert_close(block(IMAGE), 4 * IMAGE.relu())
    with torch.no_grad():
        block.conv2.weight.neg_()
    # relu(x - 3 relu(x)) = 0 wherever x is positive, and x is dropped where it is negative
    torch.testing.assert_close(block(IMAGE), torch.zeros_like(IMAGE))


def test_a_strided_basic_block_worked_by_hand():
    block = settled(BasicBlock(1, 2, 2))
    with torch.no_grad():
        block.shortcut.conv.weight.copy_(torch.tensor([10.0, -10.0]).view(2, 1, 1, 1))
        block.shortcut.bn.bias.copy_(torch.tensor([0.0, 100.0]))
    corners = torch.tensor([[1.0, 3.0], [-7.0, 9.0]])
    # the second convolution adds up both channels of the first
    wanted = torch.stack([(2 * corners.relu() + 10 * corners).relu(), (2 * corners.relu() + 100 - 10 * corners).relu()])
    torch.testing.assert_close(block(IMAGE), wanted[None])


def test_a_bottleneck_worked_by_hand():
    block = settled(Bottleneck(4, 1, 1))
    x = torch.tensor([1.0, 2.0, -4.0, 3.0]).view(1, 4, 1, 1)
    # the first convolution adds up the channels, 2, and the last one gives it to each of them
    torch.testing.assert_close(block(x), torch.tensor([3.0, 4.0, 0.0, 5.0]).view(1, 4, 1, 1))


def test_the_stride_of_a_bottleneck_is_that_of_its_3x3_convolution():
    block = Bottleneck(8, 2, 2)
    assert [block.get_submodule(f"conv{i}").stride for i in (1, 2, 3)] == [(1, 1), (2, 2), (1, 1)]
    assert [block.get_submodule(f"conv{i}").kernel_size for i in (1, 2, 3)] == [(1, 1), (3, 3), (1, 1)]
    assert block.shortcut.conv.stride == (2, 2)


@pytest.mark.parametrize("block", [BasicBlock, Bottleneck])
@pytest.mark.parametrize(
    ("inputs", "stride", "kind"), [(8, 1, nn.Identity), (8, 2, nn.Sequential), (4, 1, nn.Sequential)]
)
def test_a_shortcut_projects_only_where_it_must(block, inputs, stride, kind):
    assert type(block(inputs, 8 // block.expansion, stride).shortcut) is kind


def test_stages_halve_the_image_but_the_first():
    made = stages(Bottleneck, 3, [2, 4, 8], [1, 2, 1])
    assert [[name for name, _ in stage.named_children()] for stage in made.values()] == [
        ["block1"],
        ["block1", "block2"],
        ["block1"],
    ]
    h, sizes = torch.zeros(1, 3, 9, 8), []
    for stage in made.values():
        h = settled(stage)(h)
        sizes.append(tuple(h.shape))
    assert sizes == [(1, 8, 9, 8), (1, 16, 5, 4), (1, 32, 3, 2)]
