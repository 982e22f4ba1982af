import pytest
import torch
from torch import nn

from tombola.models import build
from tombola.models._univariate import univariate_net

SHAPES = {"univariate-polynomial": 2, "univariate-fourier": 1}


@pytest.fixture(params=SHAPES)
def small(request):
    """A network of few units for images of two channels."""
    return univariate_net(
        SHAPES[request.param],
        input_shape=(2, 3, 4),
        classes=7,
        knots=8,
        features=5,
        generator=torch.Generator().manual_seed(3),
    )


def block(net, number, z):
    """A block on numbers of any shape, one by one, by its formula."""
    inner, outer = getattr(net, f"in{number}"), getattr(net, f"out{number}")
    slopes, kinks, heights = inner.weight[:, 0], inner.bias, outer.weight[0]
    return ((z[..., None] * slopes + kinks).relu() * heights).sum(-1) + outer.bias


def test_the_network_is_its_formula(small):
    x = torch.rand(6, 2, 3, 4, generator=torch.Generator().manual_seed(4))
    z, last = x.flatten(1), 1
    if hasattr(small, "in2"):
        z, last = block(small, 1, z), 2
    wanted = small.fc(block(small, last, small.map(z)))
    torch.testing.assert_close(small(x), wanted)


def test_pixels_share_one_function():
    net = univariate_net(2, input_shape=(1, 2, 2), knots=8, generator=torch.Generator().manual_seed(3))
    x = torch.rand(5, 1, 2, 2, generator=torch.Generator().manual_seed(4))
    order = torch.tensor([2, 0, 3, 1])
    moved = x.flatten(1)[:, order].view_as(x)
    before = net[: list(dict(net.named_children())).index("map")]
    torch.testing.assert_close(before(moved), before(x)[:, order])


@pytest.mark.parametrize(
    ("blocks", "parameters"), [(1, 784 * 256 + 256 + 193 + 2570), (2, 784 * 256 + 256 + 386 + 2570)]
)
def test_a_block_has_as_many_parameters_for_any_number_of_pixels(generator, blocks, parameters):
    assert sum(p.numel() for p in univariate_net(blocks, generator=generator).parameters()) == parameters  # 3 * 64 + 1
    colour = univariate_net(blocks, input_shape=(3, 32, 32), generator=generator)
    assert colour.in1.weight.shape == (64, 1)
    assert colour.out1.weight.shape == (1, 64)
    assert colour.map.in_features == 3072


def test_a_block_can_be_a_given_function():
    """Knots at quarters interpolate the square on [0, 1], with an error of 1/8 of f'' times the step squared."""
    net = univariate_net(2, input_shape=(1, 1, 9), knots=4, features=1, generator=torch.Generator())
    knots = torch.arange(4) / 4
    slopes = torch.diff((torch.arange(5) / 4) ** 2) * 4
    with torch.no_grad():
        net.in1.weight.fill_(1)
        net.in1.bias.copy_(-knots)
        net.out1.weight.copy_(torch.diff(slopes, prepend=torch.zeros(1))[None])
        net.out1.bias.zero_()
        x = torch.linspace(0, 1, 9).view(1, 1, 1, 9)
        found = net[: list(dict(net.named_children())).index("map")](x)
    torch.testing.assert_close(found[0, ::2], x[0, 0, 0, ::2] ** 2)
    torch.testing.assert_close((found[0] - x.flatten() ** 2).max(), torch.tensor(1 / 64))


def test_names_and_modules_are_stock(small):
    assert {type(child).__module__.split(".")[0] for child in small} == {"torch"}
    names = [name for name, child in small.named_children() if isinstance(child, nn.Linear)]
    assert names in (["map", "in1", "out1", "fc"], ["in1", "out1", "map", "in2", "out2", "fc"])


@pytest.mark.parametrize("name", SHAPES)
def test_a_factor_scales_knots_and_features(generator, name):
    net = build(f"{name}x0.25", input_shape=(1, 14, 14), classes=26, generator=generator)
    assert (net.in1.out_features, net.map.out_features, net.fc.out_features) == (16, 64, 26)


@pytest.mark.parametrize("name", SHAPES)
def test_without_biases_a_network_is_homogeneous(generator, name):
    net = build(f"{name}x0.1", input_shape=(1, 3, 3), bias=False, generator=generator)
    assert not any(key.endswith("bias") for key, _ in net.named_parameters())
    x = torch.rand(4, 1, 3, 3, generator=torch.Generator().manual_seed(4))
    torch.testing.assert_close(net(3 * x), 3 * net(x))


def test_other_blocks_and_sizes_are_refused(generator):
    with pytest.raises(ValueError, match="one or two univariate blocks, got 3"):
        univariate_net(3, generator=generator)
    with pytest.raises(ValueError, match="must be positive, got 0 and 256"):
        univariate_net(1, knots=0, generator=generator)
    with pytest.raises(ValueError, match=r"univariate-fourier takes images .* but an example has 64"):
        univariate_net(1, input_shape=(64,), generator=generator)
    with pytest.raises(ValueError, match="at least one class, got 0"):
        univariate_net(2, classes=0, generator=generator)
    with pytest.raises(ValueError, match="positive number, got 0"):
        build("univariate-polynomialx0", generator=generator)
