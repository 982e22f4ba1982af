import numpy as np
import pytest
import torch
from tests.problems.targets import relu_network
from tests.problems.tickets import STRONG, target_of, ticket_of
from torch import nn

from tombola import Box, construct, two_layer
from tombola.activations import activation
from tombola.effective import effective_maps, target_layers
from tombola.explanation import explain
from tombola.models._fill import draw_parameters
from tombola.strong import Parent, on_parent


def sums(terms):
    """The sum of all products on each path."""
    paths = {term["path"] for term in terms}
    return {path: sum(term["product"] for term in terms if term["path"] == path) for path in paths}


@pytest.mark.parametrize("name", [name for name in STRONG if "one-extra" not in name])
def test_the_terms_of_every_weight_add_up_to_it(name):
    ticket = ticket_of(name)
    for stages, maps in zip(target_layers(ticket), effective_maps(ticket), strict=True):
        for (row, column), value in np.ndenumerate(maps.positive):
            found = sums(explain(ticket, stages[0].layer, row, column))
            assert set(found) <= {"x > 0", "x < 0"}
            np.testing.assert_allclose(found.get("x > 0", 0.0), value, rtol=1e-12, atol=1e-15)
            if maps.negative is not None:
                np.testing.assert_allclose(found.get("x < 0", 0.0), maps.negative[row, column], rtol=1e-12, atol=1e-15)
        for row, value in enumerate([] if maps.bias is None else maps.bias):
            found = sums(explain(ticket, stages[0].layer, row, None))
            np.testing.assert_allclose(found.get("constant", 0.0), value, rtol=1e-12, atol=1e-15)


def test_every_term_names_two_kept_source_values():
    ticket = ticket_of("two-layer")
    inner, outer = (ticket.block(name, 0, ticket.tensors[name].mask.shape[0]) for name in ("fc1.in", "fc1.out"))
    terms = explain(ticket, "fc1", 2, 1)
    assert terms
    assert [term["unit"] for term in terms] == sorted(term["unit"] for term in terms)
    for term in terms:
        assert term["inner"] == inner[term["unit"], 1]
        assert term["outer"] == outer[term["unit"], 2]
        assert ticket.tensors["fc1.in"].mask.owner[term["unit"]] == 1
        assert term["product"] == term["inner"] * term["outer"]


@pytest.mark.parametrize("name", ["one-extra", "one-extra, signed", "one-extra, biases"])
def test_terms_over_copies_add_up_to_the_targets_weight(name):
    ticket, target = ticket_of(name), target_of(name)
    for layer in [stages[0].layer for stages in target_layers(ticket)][1:]:
        weight = target.get_submodule(layer).weight.detach().numpy()
        for (row, column), value in np.ndenumerate(weight):
            terms = explain(ticket, layer, row, column)
            assert all(term["path"] == "copy" and term["inner"] == 1.0 for term in terms)
            assert abs(sum(term["product"] for term in terms) - value) <= 0.05 * np.abs(weight).max() * (1 + 1e-6)


def test_biases_over_copies_of_the_constant_add_up_to_the_targets_bias():
    """The constants themselves are off by up to 5 % of their layer's largest weight."""
    ticket, target = ticket_of("one-extra, biases"), target_of("one-extra, biases")
    for layer in ("fc1", "fc2", "fc3"):
        weight, bias = (part.detach().numpy() for part in target.get_submodule(layer).parameters())
        for row, value in enumerate(bias):
            terms = explain(ticket, layer, row, None)
            assert {term["path"] for term in terms} <= {"constant"}
            allowed = 0.05 * np.abs(weight).max() + (0 if layer == "fc1" else 0.2 * abs(value))
            assert abs(sum(term["product"] for term in terms) - value) <= allowed


def test_the_bias_over_copies_is_what_the_network_adds():
    """Only the constant path carries anything if all other weights of the last layer are left out."""
    ticket = ticket_of("one-extra, biases")
    carried = None
    for stages, maps in zip(target_layers(ticket), effective_maps(ticket), strict=True):
        units = maps.bias if carried is None else maps.positive @ carried
        constant = {"fc1": 5, "fc2": 4}.get(stages[0].layer)
        carried = units if constant is None else np.where(stages[-1].copies == constant, units, 0.0)
    for row, value in enumerate(carried):
        found = sum(term["product"] for term in explain(ticket, "fc3", row, None))
        np.testing.assert_allclose(found, value, rtol=1e-12)


def test_a_weight_within_the_tolerance_of_zero_has_no_terms():
    ticket, target = ticket_of("two-layer"), target_of("two-layer")
    weight = target.fc1.weight.detach().abs()
    row, column = divmod(int(weight.argmin()), weight.shape[1])
    assert weight.min() < 0.05 * weight.max()
    assert explain(ticket, "fc1", row, column) == []


@pytest.mark.parametrize("name", ["two-layer", "one-extra"])
@pytest.mark.parametrize(
    ("layer", "output", "column", "message"),
    [
        ("fc9", 0, 0, "no layer 'fc9'; it has fc1, fc2"),
        ("fc2", 3, 0, "layer 'fc2' has no output 3; outputs go from 0 to 2"),
        ("fc2", -1, 0, "no output -1"),
        ("fc2", 0, 5, "layer 'fc2' has no input 5; inputs go from 0 to 4"),
        ("fc2", 0, -1, "no input -1"),
        ("fc2", 0, None, "layer 'fc2' has no bias"),
        ("fc1", 0, 6, "inputs go from 0 to 5"),
    ],
)
def test_what_the_ticket_does_not_have_is_named(name, layer, output, column, message):
    with pytest.raises(ValueError, match=message):
        explain(ticket_of(name), layer, output, column)


def test_masks_of_an_ordinary_model_have_no_terms():
    with pytest.raises(ValueError, match="it has none that can be explained"):
        explain(ticket_of("masked, saved values"), "0", 0, 0)


def test_the_terms_of_a_tap_add_up_to_its_weight():
    net = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(48, 2))
    draw_parameters(net, generator=torch.Generator().manual_seed(0))
    ticket = construct(net, torch.zeros(1, 2, 4, 4), seed=2, inputs=Box(0.0, 1.0))
    weight = net[0].weight.detach()
    scale = 0.01 * float(weight.abs().max())
    for tap in ((0, 0), (1, 2)):
        terms = explain(ticket, "0", 2, 1, tap=tap)
        assert sum(term["product"] for term in terms) == pytest.approx(float(weight[2, 1][tap]), abs=scale)
    bias = explain(ticket, "0", 2, None)
    assert sum(term["product"] for term in bias) == pytest.approx(float(net[0].bias.detach()[2]), abs=scale)
    with pytest.raises(ValueError, match=r"a tap of the 3 x 3 behind output and input, got \[1\]"):
        explain(ticket, "0", 2, 1, tap=(1,))


@pytest.mark.parametrize("name", ["tanh", "sigmoid", "leaky_relu"])
def test_the_terms_of_other_hidden_units_add_up(name):
    net = relu_network(4, 3, bias=True)
    parent = on_parent(two_layer, Parent(activation(name)))
    ticket = construct(net, torch.zeros(1, 4), seed=2, construction=parent)
    weight, bias = net.fc1.weight.detach(), net.fc1.bias.detach()
    for column, wanted in ((1, weight[2, 1]), (None, bias[2])):
        terms = explain(ticket, "fc1", 2, column)
        split = name == "leaky_relu" and column is not None
        for other_sign in ("x < 0", "x > 0") if split else ("neither",):
            found = sum(term["product"] for term in terms if term["path"] != other_sign)
            assert found == pytest.approx(float(wanted), abs=0.011 * float(weight.abs().max()))
