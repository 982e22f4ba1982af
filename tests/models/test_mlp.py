import pytest
import torch
from torch import nn

from tombola.models import mlp, parse_widths


def test_a_network_worked_by_hand(generator):
    net = mlp([2, 2, 1], generator=generator)
    with torch.no_grad():
        net.fc1.weight.copy_(torch.tensor([[1.0, 2.0], [-1.0, 1.0]]))
        net.fc1.bias.copy_(torch.tensor([0.0, -3.0]))
        net.fc2.weight.copy_(torch.tensor([[2.0, 5.0]]))
        net.fc2.bias.copy_(torch.tensor([0.5]))
    # hidden: relu(1 + 2), relu(-1 + 1 - 3) = 3, 0; output: 2 * 3 + 0.5
    torch.testing.assert_close(net(torch.tensor([[1.0, 1.0]])), torch.tensor([[6.5]]))


def test_the_children_are_stock_modules_with_names(generator):
    net = mlp([3, 4, 5, 2], generator=generator)
    assert [(name, type(child)) for name, child in net.named_children()] == [
        ("flatten", nn.Flatten),
        ("fc1", nn.Linear),
        ("relu1", nn.ReLU),
        ("fc2", nn.Linear),
        ("relu2", nn.ReLU),
        ("fc3", nn.Linear),
    ]
    assert [tuple(net.get_submodule(f"fc{i}").weight.shape) for i in (1, 2, 3)] == [(4, 3), (5, 4), (2, 5)]


def test_two_widths_make_a_linear_classifier(generator):
    assert [name for name, _ in mlp([3, 2], generator=generator).named_children()] == ["flatten", "fc1"]


def test_without_biases_there_are_only_weights(generator):
    names = [name for name, _ in mlp([3, 4, 2], bias=False, generator=generator).named_parameters()]
    assert names == ["fc1.weight", "fc2.weight"]


def test_images_are_flattened(generator):
    assert mlp([12, 4], generator=generator)(torch.zeros(7, 3, 2, 2)).shape == (7, 4)


@pytest.mark.parametrize("widths", [[], [3], [3, 0, 2], [-1, 2]])
def test_widths_that_make_no_network_are_refused(generator, widths):
    with pytest.raises(ValueError, match="at least two positive widths"):
        mlp(widths, generator=generator)


@pytest.mark.parametrize("text", ["", "784", "784-", "-784", "3--2", "3-0-2", "3-x", "3-²"])
def test_texts_that_are_no_widths_are_refused(text):
    with pytest.raises(ValueError, match="joined by hyphens"):
        parse_widths(text)
