import sys

import pytest
import torch
from torch import nn

from tombola.models import NAMES, build, lenet_300_100

FACTORIES = """
import torch

def random_layer():
    return torch.nn.Linear(3, 2)

def a_number():
    return 3

constant = 3
"""


@pytest.fixture
def factories(tmp_path, monkeypatch):
    (tmp_path / "some_factories.py").write_text(FACTORIES)
    monkeypatch.syspath_prepend(tmp_path)
    yield "some_factories"
    sys.modules.pop("some_factories", None)


def shapes(model):
    return {name: tuple(parameter.shape) for name, parameter in model.named_parameters()}


def test_lenet_on_mnist_and_on_digits(generator):
    assert shapes(build("lenet-300-100", generator=generator)) == {
        "fc1.weight": (300, 784),
        "fc1.bias": (300,),
        "fc2.weight": (100, 300),
        "fc2.bias": (100,),
        "fc3.weight": (10, 100),
        "fc3.bias": (10,),
    }
    digits = build("lenet-300-100", input_shape=(1, 8, 8), classes=7, bias=False, generator=generator)
    assert shapes(digits) == {"fc1.weight": (300, 64), "fc2.weight": (100, 300), "fc3.weight": (7, 100)}


def test_the_name_and_the_function_make_the_same_network():
    by_name, by_function = (
        make(generator=torch.Generator().manual_seed(3))
        for make in (lambda **k: build("lenet-300-100", **k), lenet_300_100)
    )
    for a, b in zip(by_name.parameters(), by_function.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


@pytest.mark.usefixtures("untouched")
def test_building_leaves_the_global_state_alone(factories, generator):
    for name in ("lenet-300-100", "mlp:3-4-2", f"{factories}:random_layer"):
        build(name, generator=generator)


def test_equal_seeds_give_equal_weights_and_others_do_not():
    first, again, other = (build("mlp:3-4-2", generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2))
    torch.testing.assert_close(first.fc1.weight, again.fc1.weight, rtol=0, atol=0)
    assert not first.fc1.weight.equal(other.fc1.weight)


def test_a_factory_follows_the_generator(factories):
    first, again, other = (
        build(f"{factories}:random_layer", generator=torch.Generator().manual_seed(s)) for s in (1, 1, 2)
    )
    assert isinstance(first, nn.Linear)
    torch.testing.assert_close(first.weight, again.weight, rtol=0, atol=0)
    assert not first.weight.equal(other.weight)


SMALL = {
    "lenet-5": (1, 8, 8),
    "conv-2x0.1": (1, 8, 8),
    "conv-4x0.1": (1, 8, 8),
    "conv-6x0.1": (1, 8, 8),
    "vgg-16x0.05": (3, 32, 32),
    "vgg-19x0.05": (3, 32, 32),
    "resnet-20x0.25": (1, 8, 8),
    "resnet-32x0.25": (1, 8, 8),
    "resnet-56x0.25": (1, 8, 8),
    "resnet-18x0.05": (3, 40, 40),
    "resnet-50x0.05": (3, 40, 40),
    "univariate-polynomialx0.1": (1, 8, 8),
    "univariate-fourierx0.1": (1, 8, 8),
}


@pytest.fixture(params=SMALL)
def small(request):
    """A function that builds a convolutional network, and a batch for it."""

    def make(**options):
        options = {"generator": torch.Generator().manual_seed(3), "classes": 7} | options
        return build(request.param, input_shape=SMALL[request.param], **options)

    return make, torch.randn(4, *SMALL[request.param], generator=torch.Generator().manual_seed(4))


def test_every_network_for_images_is_held_to_the_laws():
    assert {name.partition("x")[0] for name in SMALL} >= {
        name for name in NAMES if ":" not in name and "x" not in name and name != "lenet-300-100"
    }


@pytest.mark.usefixtures("untouched")
def test_a_network_for_images_gives_an_output_per_class_and_follows_the_generator(small):
    make, x = small
    first, again, other = make(), make(), make(generator=torch.Generator().manual_seed(5))
    outputs = first(x)
    assert outputs.shape == (4, 7)
    assert bool(outputs.isfinite().all())
    assert shapes(first) == shapes(again)
    torch.testing.assert_close(again(x), outputs, rtol=0, atol=0)
    assert not other(x).equal(outputs)


def test_every_parameter_of_a_network_for_images_matters(small):
    make, x = small
    net = make()
    net(x).square().sum().backward()
    dead = [name for name, p in net.named_parameters() if p.grad is None or not p.grad.any()]
    assert dead == []


def test_biases_are_left_out_where_there_is_no_normalisation(small):
    make, _ = small
    with_bias, without = ({name for name, _ in make(bias=bias).named_parameters()} for bias in (True, False))
    left = {name for name in without if name.endswith("bias")}
    assert all("bn" in name for name in left)
    assert without == with_bias - {name for name in with_bias if name.endswith("bias") and "bn" not in name}
    assert with_bias > without


def test_a_network_for_images_can_be_exported(small):
    make, x = small
    net = make().eval()
    exported = torch.export.export(net, (x,)).module()
    torch.testing.assert_close(exported(x), net(x))


def test_a_factor_behind_the_name_is_the_width(generator):
    assert build("conv-2x0.5", generator=generator).conv1.out_channels == 32
    assert build("conv-2x2", generator=generator).conv1.out_channels == 128
    assert build("resnet-20x1.5", generator=generator).stage1.block1.conv1.out_channels == 24


def test_without_sizes_a_network_is_that_of_its_function(generator):
    assert build("lenet-5", generator=generator).conv1.in_channels == 1
    assert shapes(build("resnet-20", generator=generator))["conv1.weight"] == (16, 3, 3, 3)
    assert shapes(build("resnet-18x0.1", generator=generator))["fc.bias"] == (1000,)


def test_images_that_do_not_fit_and_widths_of_nothing_are_refused(generator):
    with pytest.raises(ValueError, match=r"vgg-16 takes .* but an example has 1 x 28 x 28"):
        build("vgg-16", input_shape=(1, 28, 28), generator=generator)
    with pytest.raises(ValueError, match="positive number, got 0"):
        build("resnet-20x0", generator=generator)


def test_widths_that_do_not_fit_the_data_are_refused(generator):
    with pytest.raises(ValueError, match="takes 784 inputs, but an example has 1 x 8 x 8 = 64"):
        build("mlp:784-500-10", input_shape=(1, 8, 8), generator=generator)
    with pytest.raises(ValueError, match="has 10 outputs, but there are 26 classes"):
        build("mlp:784-500-10", input_shape=(1, 28, 28), classes=26, generator=generator)


@pytest.mark.parametrize(
    "name",
    [
        "lenet",
        "",
        "LeNet-300-100",
        "no_such_module:factory",
        ":factory",
        "lenet-5x2",
        "conv-3",
        "resnet-20x",
        "resnet-20x-1",
        "resnet-20xx2",
        "resnet-20xinf",
        "resnet-20x1e9",
        "xresnet-20",
    ],
)
def test_an_unknown_name_lists_the_known_ones(generator, name):
    with pytest.raises(ValueError, match="unknown model") as caught:
        build(name, generator=generator)
    assert all(known in str(caught.value) for known in NAMES)


@pytest.mark.parametrize("attribute", ["no_such", "constant", ""])
def test_a_factory_that_is_none_is_refused(factories, generator, attribute):
    with pytest.raises(ValueError, match="has no function"):
        build(f"{factories}:{attribute}", generator=generator)


def test_a_factory_that_makes_no_module_is_refused(factories, generator):
    with pytest.raises(TypeError, match="returned int"):
        build(f"{factories}:a_number", generator=generator)
