"""State dicts with masks beside the weights, as layers with masks and torch's pruning leave them."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from tombola.interchange import from_state_dict, to_state_dict


class Masked(nn.Linear):
    """A layer that masks itself, as those of Synaptic-Flow do."""

    def __init__(self, inputs, outputs):
        super().__init__(inputs, outputs)
        self.register_buffer("weight_mask", torch.ones(outputs, inputs))
        self.register_buffer("bias_mask", torch.ones(outputs))

    def forward(self, x):
        return nn.functional.linear(x, self.weight * self.weight_mask, self.bias * self.bias_mask)


class MaskedNorm(nn.BatchNorm1d):
    def __init__(self, features):
        super().__init__(features)
        self.register_buffer("weight_mask", torch.ones(features))
        self.register_buffer("bias_mask", torch.ones(features))

    def forward(self, x):
        weight, bias = self.weight * self.weight_mask, self.bias * self.bias_mask
        return nn.functional.batch_norm(x, self.running_mean, self.running_var, weight, bias, eps=self.eps)


def masked():
    return nn.Sequential(Masked(4, 6), MaskedNorm(6), nn.ReLU(), Masked(6, 2)).eval()


def plain():
    return nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 2)).eval()


def test_layers_with_masks_give_a_plain_model_and_masks(generator):
    model = masked()
    model[0].weight_mask.bernoulli_(0.5, generator=generator)
    model[3].bias_mask[1] = 0
    weights, masks = from_state_dict(model.state_dict())
    assert set(masks) == {f"{layer}.{leaf}" for layer in (0, 1, 3) for leaf in ("weight", "bias")}
    assert masks["0.weight"].equal(model[0].weight_mask.bool())
    assert masks["3.bias"].tolist() == [True, False]
    back, x = plain(), torch.randn(5, 4, generator=generator)
    back.load_state_dict(weights)
    assert_close(back[0].weight, model[0].weight, rtol=0, atol=0)  # pruned values are there
    with torch.no_grad():
        for name, value in back.named_parameters():
            value *= masks[name]
    assert_close(back(x), model(x), rtol=0, atol=0)


def test_layers_with_masks_load_what_is_written_for_them(generator):
    model, there = plain(), masked()
    masks = {"0.weight": torch.rand(6, 4, generator=generator) < 0.5, "3.bias": torch.tensor([True, False])}
    there.load_state_dict(to_state_dict(model, masks))  # strict
    assert there[0].weight_mask.equal(masks["0.weight"].float())
    assert there[1].weight_mask.equal(torch.ones(6))
    weights, found = from_state_dict(there.state_dict())
    assert {name for name, mask in found.items() if not mask.all()} == set(masks)
    assert_close(weights, dict(model.state_dict()), rtol=0, atol=0)


def test_a_tied_parameter_has_its_mask_under_both_names():
    first, second = nn.Linear(3, 3, bias=False), nn.Linear(3, 3, bias=False)
    second.weight = first.weight
    state = to_state_dict(nn.Sequential(first, second), {"0.weight": torch.eye(3).bool()})
    assert state["0.weight_mask"].equal(torch.eye(3))
    assert state["1.weight_mask"].equal(torch.eye(3))


def test_what_is_called_a_mask_but_masks_nothing_is_a_buffer():
    state = {"fc.weight": torch.ones(2), "causal_mask": torch.tensor([0.0, 5.0]), "weight_orig": torch.ones(1)}
    weights, masks = from_state_dict(state)
    assert (set(weights), masks) == (set(state), {})


@pytest.mark.parametrize("kind", [torch.bool, torch.uint8, torch.int64, torch.float16, torch.float64])
def test_masks_are_of_any_type(kind):
    mask = torch.tensor([1, 0, 1]).to(kind)
    assert from_state_dict({"w": torch.ones(3), "w_mask": mask})[1]["w"].tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"w": torch.ones(2), "w_mask": torch.tensor([1.0, 0.5])}, "'w_mask' has the value 0.5, wanted 0 and 1"),
        ({"w": torch.ones(2), "w_mask": torch.tensor([1.0, torch.nan])}, "has the value nan"),
        ({"w": torch.ones(2), "w_mask": torch.tensor([1, -1])}, "has the value -1"),
        ({"w_orig": torch.ones(3), "w_mask": torch.ones(2)}, r"shapes \(2,\) and \(3,\)"),
        ({"w": torch.ones(2), "w_orig": torch.ones(2), "w_mask": torch.ones(2)}, "both 'w' and 'w_orig'"),
    ],
)
def test_masks_that_make_no_sense_are_refused(state, said):
    with pytest.raises(ValueError, match=said):
        from_state_dict(state)


@pytest.mark.parametrize(
    ("masks", "said"),
    [({"1": torch.ones(1).bool()}, "names no parameter"), ({"bias": torch.ones(2).bool()}, "wanted torch.bool of")],
)
def test_masks_that_do_not_fit_are_not_written(masks, said):
    with pytest.raises(ValueError, match=said):
        to_state_dict(nn.Linear(2, 1), masks)
