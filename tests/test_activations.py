from __future__ import annotations

import math

import pytest
import torch

from tombola.activations import TABLE, Activation, activation, parse_activation


def test_tanh_by_hand():
    found = activation("tanh")
    assert (found.above, found.below, found.offset) == (1.0, 1.0, 0.0)
    assert found.radius(9e-6) == pytest.approx((3 * 9e-6) ** (1 / 3))


@pytest.mark.parametrize("name", TABLE)
@pytest.mark.parametrize("residual", [1e-2, 1e-4, 1e-6])
def test_within_its_radius_a_function_stays_within_the_residual_and_not_much_closer(name, residual):
    found = activation(name)
    if found.exact:
        assert found.radius(residual) == math.inf
        return
    radius = found.radius(residual)
    z = torch.linspace(-radius, radius, 1001, dtype=torch.float64)
    worst = float((found(z) - found.straight(z)).abs().max())
    assert 0.7 * residual <= worst <= residual * (1 + 1e-6)


@pytest.mark.parametrize("name", TABLE)
def test_plain_data_comes_back(name):
    assert Activation.from_json(activation(name).to_json()) == activation(name)


def test_numbers_that_are_not_a_named_functions_own_are_refused():
    with pytest.raises(ValueError, match="'tanh' has other slopes"):
        Activation.from_json(activation("tanh").to_json() | {"curvature": 0.1})


def test_functions_that_cannot_pass_a_number_on_are_refused_with_the_reason():
    with pytest.raises(ValueError, match=r"slopes 1 and -1 next to 0 that cancel: it cannot tell x from -x"):
        Activation("absolute value", above=1.0, below=-1.0, function=torch.abs)
    with pytest.raises(ValueError, match="slopes 0 and 0"):
        Activation("square", above=0.0, below=0.0, curvature=1.0, function=torch.square)


def test_a_claim_that_a_probe_contradicts_is_refused():
    Activation("sine", above=1.0, below=1.0, curvature=1 / 6, power=3.0, function=torch.sin)
    with pytest.raises(ValueError, match="'sine' is farther from its slopes than its curvature allows"):
        Activation("sine", above=1.0, below=1.0, curvature=1 / 7, power=3.0, function=torch.sin)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("swish2", "unknown activation 'swish2'; known are relu"),
        ("tanh:2", "tanh takes no parameter, got 2.0"),
        ("elu:x", "is a number, got 'x'"),
    ],
)
def test_what_is_no_activation_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        parse_activation(text)


def test_parameters_are_read():
    assert parse_activation("leaky-relu:0.3").below == 0.3
    assert parse_activation("elu:0.5").settings == {"alpha": 0.5}
