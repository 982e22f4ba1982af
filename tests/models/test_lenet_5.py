import pytest
import torch
from torch.nn import functional as F

from tombola import data
from tombola.models import lenet_5
from tombola.training import adam, evaluate, fit


def by_definition(net, x, padding):
    """The network written out, with the values of `net`."""
    p = dict(net.named_parameters())
    h = F.max_pool2d(F.conv2d(x, p["conv1.weight"], p["conv1.bias"], padding=padding).relu(), 2)
    h = F.max_pool2d(F.conv2d(h, p["conv2.weight"], p["conv2.bias"]).relu(), 2).flatten(1)
    h = F.linear(h, p["fc1.weight"], p["fc1.bias"]).relu()
    h = F.linear(h, p["fc2.weight"], p["fc2.bias"]).relu()
    return F.linear(h, p["fc3.weight"], p["fc3.bias"])


@pytest.mark.parametrize(
    ("shape", "padding", "parameters"),
    [
        ((1, 32, 32), 0, 61_706),
        ((1, 28, 28), 2, 61_706),
        ((3, 32, 32), 0, 62_006),  # 2 x 6 x 25 more in the first convolution
        ((1, 8, 8), 4, 15_626),  # 16 instead of 400 inputs of the first linear layer
        ((1, 12, 40), 2, 29_066),  # 1 x 8 instead of 5 x 5 pixels there
    ],
)
def test_the_network_is_what_its_definition_says(generator, shape, padding, parameters):
    net = lenet_5(input_shape=shape, generator=generator)
    assert sum(p.numel() for p in net.parameters()) == parameters
    x = torch.randn(3, *shape, generator=generator)
    torch.testing.assert_close(net(x), by_definition(net, x, padding))


def test_every_pixel_of_the_smallest_image_counts(generator):
    net = lenet_5(input_shape=(1, 8, 8), generator=generator)
    with torch.no_grad():
        for p in net.parameters():
            p.abs_()  # so that no ReLU is in the way
    pixels = 100 * torch.eye(64).view(64, 1, 8, 8)
    assert bool((net(pixels) > net(torch.zeros(1, 1, 8, 8))).all())


def test_it_learns_the_bundled_digits(generator):
    digits = data.load("digits")
    net = lenet_5(input_shape=digits.input_shape, generator=generator)
    trained = fit(net, digits, epochs=20, optimiser=adam(3e-3), generator=generator)
    assert evaluate(trained, *digits.test()).accuracy > 0.9


def test_without_biases_there_are_only_weights(generator):
    names = [name for name, _ in lenet_5(bias=False, generator=generator).named_parameters()]
    assert names == ["conv1.weight", "conv2.weight", "fc1.weight", "fc2.weight", "fc3.weight"]


def test_images_that_leave_nothing_are_refused(generator):
    with pytest.raises(ValueError, match=r"lenet-5 takes .* at least 8 x 8, but an example has 1 x 7 x 8"):
        lenet_5(input_shape=(1, 7, 8), generator=generator)
