"""Laws that every allocation keeps."""

import functools

import pytest
import torch
from hypothesis import given as for_all
from hypothesis import settings
from hypothesis import strategies as st
from tests.allocate.shapes import RESNET_20, VGG_16, size

from tombola import allocate
from tombola.masks import kept_count

RULES = {
    "uniform": allocate.uniform,
    "uniform_plus": functools.partial(allocate.uniform_plus, last=0.05),
    "er": allocate.er,
    "erk": allocate.erk,
    "erk, power 2": functools.partial(allocate.erk, power=2.0),
    "erk, power 0.5": functools.partial(allocate.erk, power=0.5),
    "erk_plus": functools.partial(allocate.erk_plus, last=0.5),
    "balanced": allocate.balanced,
    "pyramid": allocate.pyramid,
    "igq": allocate.igq,
}
every_rule = pytest.mark.parametrize("rule", RULES.values(), ids=RULES)
layers = st.lists(st.tuples(*[st.integers(1, 20)] * 2) | st.tuples(*[st.integers(1, 7)] * 4), min_size=1, max_size=6)


def fits(counts, shapes, density):
    assert list(counts) == list(shapes)
    assert all(0 <= kept <= size(shapes[name]) for name, kept in counts.items())
    assert sum(counts.values()) == kept_count(sum(map(size, shapes.values())), density)


@every_rule
@pytest.mark.parametrize("shapes", [VGG_16, RESNET_20], ids=["vgg-16", "resnet-20"])
@pytest.mark.parametrize("density", [0.01, 0.0314159, 0.1, 0.5, 0.97])
def test_counts_add_up_and_fit(rule, shapes, density):
    fits(rule(shapes, density), shapes, density)


@pytest.mark.parametrize("name", [name for name in RULES if not name.endswith("_plus")])
@settings(max_examples=60, deadline=None, derandomize=True)
@for_all(shapes=layers, density=st.floats(1e-4, 1.0))
def test_counts_add_up_and_fit_for_any_shapes(name, shapes, density):
    named = {f"layer {place}": shape for place, shape in enumerate(shapes)}
    fits(RULES[name](named, density), named, density)


@pytest.mark.parametrize("name", [name for name in RULES if name != "erk_plus"])
def test_density_one_keeps_everything(name):
    assert RULES[name](RESNET_20, 1.0) == {name: size(shape) for name, shape in RESNET_20.items()}


def test_an_emptier_classifier_than_the_others_can_make_up_for_is_refused():
    with pytest.raises(ValueError, match="the other layers would keep 270576 of 270256"):
        RULES["erk_plus"](RESNET_20, 1.0)


@every_rule
def test_a_torch_size_is_as_good_as_a_tuple(rule):
    assert rule({name: torch.Size(shape) for name, shape in RESNET_20.items()}, 0.1) == rule(RESNET_20, 0.1)


@every_rule
def test_bad_input_is_refused(rule):
    with pytest.raises(ValueError, match="no parameters"):
        rule({}, 0.1)
    with pytest.raises(ValueError, match=r"'a' has the shape \(3, 0\)"):
        rule({"a": (3, 0)}, 0.1)
    for density in (0.0, -0.1, 1.5):
        with pytest.raises(ValueError, match="density is the kept fraction"):
            rule({"a": (3, 3), "b": (3, 3)}, density)
