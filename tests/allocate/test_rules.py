"""Each allocation by hand, and against densities of published networks."""

import numpy as np
import pytest
from scipy import optimize
from tests.allocate.shapes import RESNET_20, VGG_16, size

from tombola.allocate import balanced, er, erk, erk_plus, given, igq, pyramid, uniform, uniform_plus
from tombola.masks import kept_count

TWO = {"a": (10, 10), "b": (5, 10)}


def densities(counts, shapes):
    return [kept / size(shapes[name]) for name, kept in counts.items()]


def test_the_networks_are_those_of_the_published_densities():
    assert (len(VGG_16), sum(map(size, VGG_16.values()))) == (14, 14_715_584)
    assert (len(RESNET_20), sum(map(size, RESNET_20.values()))) == (22, 270_896)


def test_uniform_gives_what_is_missing_to_the_largest_remainder():
    assert uniform({"a": (1, 7), "b": (1, 6), "c": (1, 7)}, 0.5) == {"a": 4, "b": 3, "c": 3}


def test_erk_on_vgg_16():
    published = [1, 0.3335, 0.2464, 0.1630, 0.1213, 0.0806, 0.0806, 0.0602, *[0.0401] * 5, 1]
    np.testing.assert_allclose(densities(erk(VGG_16, 0.05), VGG_16), published, rtol=0, atol=1e-4)


def test_erk_on_resnet_20():
    counts = erk(RESNET_20, 0.1)
    found = dict(zip(counts, densities(counts, RESNET_20), strict=True))
    np.testing.assert_allclose(found["first"], 0.983, rtol=0, atol=5e-4 + 0.5 / 432)
    np.testing.assert_allclose([found["0.0"], found["2.5"]], [0.2802, 0.0617], rtol=0, atol=5e-4)
    assert found["1.shortcut"] == found["last"] == 1


def test_er_by_hand():
    """Proportions 20/100 and 15/50 of 100 and 50 weights: 20 and 15 parts."""
    assert er(TWO, 35 / 150) == {"a": 20, "b": 15}
    assert er(TWO, 0.8) == {"a": 70, "b": 50}  # 51.4 of 50 do not fit


def test_er_forgets_the_kernel_that_erk_counts():
    shapes = {"conv": (10, 10, 3, 3), "last": (10, 10)}
    assert er(shapes, 0.1) == {"conv": 90, "last": 10}
    assert erk(shapes, 0.1) == {"conv": 57, "last": 43}  # 26 : 20


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_densities_of_layers_that_are_not_dense_are_in_erks_proportion(power):
    counts = erk(VGG_16, 0.02, power=power)
    ratios = [
        counts[name] / size(shape) / (sum(shape) / size(shape)) ** power
        for name, shape in VGG_16.items()
        if counts[name] < size(shape)
    ]
    assert len(ratios) > 5
    np.testing.assert_allclose(ratios, ratios[0], rtol=0.01)  # whole numbers of weights


def test_erk_with_the_power_zero_is_uniform():
    assert erk(VGG_16, 0.07, power=0.0) == uniform(VGG_16, 0.07)


def test_erk_plus_leaves_the_classifier_as_told():
    assert erk_plus(RESNET_20, 0.05)["last"] == 640
    counts = erk_plus(RESNET_20, 0.05, last=0.3)
    assert counts.pop("last") == 192
    rest = {name: shape for name, shape in RESNET_20.items() if name != "last"}
    assert counts == erk(rest, (kept_count(270_896, 0.05) - 192) / (270_896 - 640))
    with pytest.raises(ValueError, match=r"with 640 of 'last' the other layers would keep -369"):
        erk_plus(RESNET_20, 0.001)


def test_uniform_plus_by_hand():
    shapes = {"conv": (4, 1, 3, 3), "middle": (50, 20), "last": (10, 50)}
    assert uniform_plus(shapes, 0.15) == {"conv": 36, "middle": 94, "last": 100}
    assert uniform_plus(shapes, 786 / 1536) == {"conv": 36, "middle": 500, "last": 250}  # above a fifth: like the rest
    assert uniform_plus({"middle": (50, 20), "last": (10, 50)}, 0.1) == {"middle": 50, "last": 100}
    with pytest.raises(ValueError, match="keeps 77 weights, fewer than 36 weights of 'conv' and 100"):
        uniform_plus(shapes, 0.05)


def test_balanced_by_hand():
    shapes = {"first": (2, 5), "middle": (20, 10), "last": (5, 6)}
    assert balanced(shapes, 0.1) == {"first": 8, "middle": 8, "last": 8}
    assert balanced(shapes, 0.5) == {"first": 10, "middle": 80, "last": 30}


def test_balanced_keeps_what_the_published_rule_loses():
    """Without handing on what small layers cannot hold, 1 % of VGG-16 is 0.904 %."""
    total = sum(map(size, VGG_16.values()))
    published = sum(min(size(shape), 0.01 * total / 14) for shape in VGG_16.values())
    assert f"{published / total:.3%}" == "0.904%"
    assert sum(balanced(VGG_16, 0.01).values()) == 147_156


@pytest.mark.parametrize("density", [0.01, 0.1, 0.6])
def test_a_pyramids_densities_are_powers(density):
    sizes = np.array([size(shape) for shape in RESNET_20.values()])
    place = np.arange(1, 23)
    q = optimize.brentq(lambda value: (sizes * value**place).sum() - kept_count(270_896, density), 0.0, 1.0, xtol=1e-14)
    np.testing.assert_allclose(list(pyramid(RESNET_20, density).values()), sizes * q**place, rtol=0, atol=1)


@pytest.mark.parametrize("density", [0.01, 0.1, 0.6])
def test_igqs_layers_are_under_one_pressure(density):
    sizes = np.array([size(shape) for shape in VGG_16.values()])
    kept = kept_count(14_715_584, density)
    force = optimize.brentq(lambda value: (sizes / (value * sizes + 1)).sum() - kept, 0.0, 1.0, xtol=1e-16)
    np.testing.assert_allclose(list(igq(VGG_16, density).values()), sizes / (force * sizes + 1), rtol=0, atol=1)


def test_given_densities_are_those_that_were_given():
    wanted = erk(RESNET_20, 0.1)
    shares = dict(zip(wanted, densities(wanted, RESNET_20), strict=True))
    assert given(shares)(RESNET_20, 0.1) == wanted
    with pytest.raises(ValueError, match=r"these densities keep 0\.1\d* in all, and not 0\.2"):
        given(shares)(RESNET_20, 0.2)
    with pytest.raises(ValueError, match=r"densities for \['a'\], and the parameters \['a', 'b'\]"):
        given({"a": 0.5})(TWO, 0.5)
    with pytest.raises(ValueError, match=r"got 1\.5 for 'a'"):
        given({"a": 1.5})


@pytest.mark.parametrize(
    ("rule", "options", "message"),
    [
        (erk, {"power": -1.0}, "power must be 0 or more"),
        (erk_plus, {"last": 1.1}, r"last is a density in \[0, 1\]"),
        (uniform_plus, {"last": -0.1}, "last is the least density"),
    ],
)
def test_options_out_of_range_are_refused(rule, options, message):
    with pytest.raises(ValueError, match=message):
        rule(TWO, 0.5, **options)


@pytest.mark.parametrize("rule", [er, erk, erk_plus])
def test_fans_need_two_axes(rule):
    with pytest.raises(ValueError, match=r"'bias' has the shape \(4,\); only weights"):
        rule({"bias": (4,), "last": (2, 4)}, 0.9)
