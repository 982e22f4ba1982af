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


def test_widths_that_do_not_fit_the_data_are_refused(generator):
    with pytest.raises(ValueError, match="takes 784 inputs, but an example has 1 x 8 x 8 = 64"):
        build("mlp:784-500-10", input_shape=(1, 8, 8), generator=generator)
    with pytest.raises(ValueError, match="has 10 outputs, but there are 26 classes"):
        build("mlp:784-500-10", input_shape=(1, 28, 28), classes=26, generator=generator)


@pytest.mark.parametrize("name", ["lenet", "", "LeNet-300-100", "no_such_module:factory", ":factory"])
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
