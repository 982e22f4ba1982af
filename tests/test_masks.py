from fractions import Fraction

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tombola.masks import apply, attach_, bake_, combine, count, density, detach_, kept_count


def model():
    net = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.Sequential(nn.Linear(2, 1)))
    with torch.no_grad():
        for number, parameter in enumerate(net.parameters(), start=1):
            parameter.copy_(number + torch.arange(parameter.numel()).reshape(parameter.shape) / 10)
    return net


MASKS = {
    "0.weight": torch.tensor([[True, False, True], [False, True, False]]),
    "2.0.bias": torch.tensor([False]),
}


def test_counting_by_hand():
    assert count(MASKS) == 3
    assert density(MASKS) == 3 / 7
    assert (count({}), density({})) == (0, 1.0)


@pytest.mark.parametrize(
    ("numel", "fraction", "kept"),
    [
        (1000, 0.3, 300),
        (3, 0.5, 2),
        (5, 0.5, 3),
        (10, 0.001, 1),
        (10, 1.0, 10),
        (0, 0.5, 0),
        (7, 0.35, 2),
        (1000, 0.0005, 1),
    ],
)
def test_kept_counts_by_hand(numel, fraction, kept):
    assert kept_count(numel, fraction) == kept


@given(numel=st.integers(1, 10**9), thousandths=st.integers(1, 1000))
def test_the_kept_count_is_the_nearest_integer_to_the_decimal_that_was_written(numel, thousandths):
    kept, wanted = kept_count(numel, thousandths / 1000), Fraction(thousandths, 1000) * numel
    assert 1 <= kept <= numel
    assert kept == 1 or -Fraction(1, 2) < wanted - kept < Fraction(1, 2) or wanted - kept == -Fraction(1, 2)


@given(numel=st.integers(1, 10**6), densities=st.lists(st.floats(1e-6, 1.0), min_size=2, max_size=2))
def test_a_larger_density_keeps_no_less(numel, densities):
    low, high = sorted(densities)
    assert kept_count(numel, low) <= kept_count(numel, high)


@pytest.mark.parametrize("value", [0.0, -0.1, 1.0001, float("nan"), float("inf")])
def test_densities_out_of_range_are_refused(value):
    with pytest.raises(ValueError, match=r"lies in \(0, 1\]"):
        kept_count(10, value)


def test_combining_keeps_what_both_keep():
    other = {"0.weight": torch.tensor([[True, True, False], [True, True, True]]), "0.bias": torch.tensor([True, False])}
    both = combine(MASKS, other)
    assert {name: mask.int().tolist() for name, mask in both.items()} == {
        "0.weight": [[1, 0, 0], [0, 1, 0]],
        "2.0.bias": [0],
        "0.bias": [1, 0],
    }
    assert MASKS["0.weight"].sum() == 3


def test_masks_of_two_models_are_not_combined_by_broadcasting():
    with pytest.raises(ValueError, match=r"'w' have the shapes \(1, 3\) and \(2, 3\)"):
        combine({"w": torch.ones(1, 3, dtype=torch.bool)}, {"w": torch.ones(2, 3, dtype=torch.bool)})


def test_applying_leaves_the_parameters_and_zeroes_a_copy():
    net = model()
    applied = apply(MASKS, dict(net.named_parameters()))
    torch.testing.assert_close(applied["0.weight"], torch.tensor([[1.0, 0.0, 1.2], [0.0, 1.4, 0.0]]))
    torch.testing.assert_close(applied["0.bias"], net[0].bias)
    assert (net[0].weight != 0).all()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_pruned_weight_that_is_not_finite_becomes_zero(value):
    applied = apply({"w": torch.tensor([True, False])}, {"w": torch.tensor([1.0, value])})
    assert applied["w"].tolist() == [1.0, 0.0]


def output(net):
    return net(torch.tensor([[1.0, -2.0, 0.5]]))


def test_attached_masks_act_and_detaching_restores_everything():
    net = model()
    state, dense = {name: value.clone() for name, value in net.state_dict().items()}, output(net)
    wanted = torch.func.functional_call(
        net, apply(MASKS, dict(net.named_parameters())), (torch.tensor([[1.0, -2.0, 0.5]]),)
    )
    attach_(net, MASKS)
    torch.testing.assert_close(output(net), wanted, rtol=0, atol=0)
    assert (net[0].weight == 0).sum() == 3
    detach_(net, MASKS)
    assert list(net.state_dict()) == list(state)
    for name, value in net.state_dict().items():
        torch.testing.assert_close(value, state[name], rtol=0, atol=0)
    torch.testing.assert_close(output(net), dense, rtol=0, atol=0)
    assert type(net[0]) is nn.Linear


def test_pruned_weights_get_no_gradient_and_stay_through_training():
    net = model()
    attach_(net, MASKS)
    net(torch.tensor([[1.0, 2.0, 0.5]])).sum().backward()  # all units are active
    original = net[0].parametrizations.weight.original
    assert ((original.grad == 0) | MASKS["0.weight"]).all()
    assert (original.grad[MASKS["0.weight"]] != 0).all()
    before = original.detach().clone()
    torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9).step()
    torch.testing.assert_close(original[~MASKS["0.weight"]], before[~MASKS["0.weight"]], rtol=0, atol=0)
    assert (original != before).any()


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_pruned_weight_that_is_not_finite_harms_neither_forward_nor_gradient(value):
    net = model()
    net[0].weight.data[0, 1] = value
    attach_(net, MASKS)
    output(net).sum().backward()
    assert output(net).isfinite().all()
    assert net[0].parametrizations.weight.original.grad.isfinite().all()


def test_baking_writes_zeros_for_good():
    net = model()
    bake_(net, MASKS)
    torch.testing.assert_close(net[0].weight.detach(), torch.tensor([[1.0, 0.0, 1.2], [0.0, 1.4, 0.0]]))
    assert net[2][0].bias.item() == 0.0
    assert net[0].weight.requires_grad
    assert list(net.state_dict()) == ["0.weight", "0.bias", "2.0.weight", "2.0.bias"]


BAD = {
    "an unknown name": ({"1.weight": torch.tensor([True])}, r"'1\.weight' names no parameter; the model has 0\.weight"),
    "another shape": (
        {"0.bias": torch.tensor([True])},
        r"torch\.bool of shape \(1,\), wanted torch\.bool of shape \(2,\)",
    ),
    "another dtype": ({"0.bias": torch.tensor([1.0, 0.0])}, r"torch\.float32 of shape \(2,\), wanted torch\.bool"),
}


@pytest.mark.parametrize(("masks", "message"), BAD.values(), ids=BAD)
@pytest.mark.parametrize("use", [attach_, bake_, lambda net, masks: apply(masks, dict(net.named_parameters()))])
def test_masks_that_do_not_fit_are_refused_and_change_nothing(masks, message, use):
    net = model()
    with pytest.raises(ValueError, match=message):
        use(net, MASKS | masks)
    torch.testing.assert_close(net.state_dict(), model().state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("name", "message"), [("0.bias", "no mask is attached to '0.bias'"), ("9.weight", "no module '9'")]
)
def test_detaching_what_is_not_attached_is_refused_and_undoes_nothing(name, message):
    net = model()
    attach_(net, MASKS)
    with pytest.raises(ValueError, match=message):
        detach_(net, MASKS | {name: torch.tensor([True, True])})
    assert (net[0].weight == 0).sum() == 3


def test_a_foreign_parametrisation_is_not_taken_off():
    net = nn.utils.parametrizations.weight_norm(nn.Linear(3, 2))
    with pytest.raises(ValueError, match="no mask is attached"):
        detach_(net, {"weight": torch.ones(2, 3, dtype=torch.bool)})
