import hypothesis
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from tombola import models
from tombola.imp import by_layer, everywhere, prunable
from tombola.masks import count

seeded = hypothesis.settings(max_examples=50, deadline=None, derandomize=True, database=None)


def net(name="mlp:64-40-10", seed=0):
    return models.build(name, generator=torch.Generator().manual_seed(seed))


def dense(model):
    return {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in model.named_parameters()}


def weights_of(model):
    return {name: torch.ones_like(model.get_parameter(name), dtype=torch.bool) for name in prunable(model)}


def is_nested(inner, outer):
    return all((outer[name] | ~mask).all() for name, mask in inner.items())


class Odd(nn.Module):
    """A convolution, batch norm, a layer, and a bare scale."""

    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.last = nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Linear(8, 2)
        self.scale = nn.Parameter(torch.ones(()))


def test_biases_and_batch_norm_are_not_prunable():
    assert prunable(Odd()) == ["conv.weight", "last.weight"]
    assert prunable(Odd(), exclude=["last.weight", "norm.bias"]) == ["conv.weight"]


def test_unknown_names_are_refused():
    with pytest.raises(ValueError, match=r"\['fc9\.weight'\] are no parameters; the model has fc1\.weight"):
        prunable(net(), exclude=["fc1.weight", "fc9.weight"])


@pytest.mark.parametrize("model", [nn.BatchNorm1d(3), nn.ReLU(), nn.Sequential()])
def test_a_model_with_nothing_to_prune_is_refused(model):
    with pytest.raises(ValueError, match="nothing to prune"):
        prunable(model)


def test_a_model_whose_weights_are_all_excluded_is_refused():
    with pytest.raises(ValueError, match="nothing to prune"):
        prunable(net(), exclude=["fc1.weight", "fc2.weight"])


@pytest.mark.parametrize("kept", [0, 1, 77, 1000, 2959, 2960])
def test_everywhere_keeps_the_largest_of_all_parameters_together(kept):
    model = net()
    masks = everywhere(model, weights_of(model), kept)
    sizes = torch.cat([model.get_parameter(name).detach().abs().flatten() for name in masks])
    assert sizes.unique().numel() == sizes.numel()  # so that there is one answer
    wanted = torch.zeros_like(sizes, dtype=torch.bool)
    wanted[sizes.topk(kept).indices] = True
    assert torch.cat([mask.flatten() for mask in masks.values()]).equal(wanted)


@pytest.mark.parametrize("prune", [everywhere, by_layer])
def test_the_largest_of_those_kept_so_far_stay(prune):
    model = net()
    before = prune(model, weights_of(model), 2000)
    with torch.no_grad():  # the pruned weights become the largest
        for name, mask in before.items():
            model.get_parameter(name)[~mask] = 9.0
    after = prune(model, before, 500)
    assert count(after) == 500
    assert is_nested(after, before)


@pytest.mark.parametrize("prune", [everywhere, by_layer])
def test_no_weight_comes_back(prune):
    model = net()
    masks = prune(model, weights_of(model), 100)
    assert all(again.equal(masks[name]) for name, again in prune(model, masks, 100).items())
    with pytest.raises(ValueError, match="101 weights cannot stay of 100 that are kept so far"):
        prune(model, masks, 101)


@pytest.mark.parametrize("prune", [everywhere, by_layer])
def test_equal_weights_keep_exact_counts_by_position(prune):
    model = net()
    for parameter in model.parameters():
        nn.init.ones_(parameter)
    masks = prune(model, weights_of(model), 1001)
    assert count(masks) == 1001
    for mask in masks.values():
        flat = mask.flatten()
        assert flat[: int(flat.sum())].all()


@pytest.mark.parametrize("prune", [everywhere, by_layer])
def test_the_model_and_its_masks_stay(prune):
    model = net()
    masks = weights_of(model)
    before = [parameter.detach().clone() for parameter in model.parameters()]
    prune(model, masks, 100)
    torch.testing.assert_close([p.detach() for p in model.parameters()], before, rtol=0, atol=0)
    assert count(masks) == 2960


@pytest.mark.parametrize("prune", [everywhere, by_layer])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_precisions(prune, dtype):
    model = net().to(dtype)
    masks = prune(model, weights_of(model), 300)
    assert count(masks) == 300
    for name, mask in masks.items():
        sizes = model.get_parameter(name).detach().abs()
        assert sizes[mask].min() >= sizes[~mask].max()


@pytest.mark.parametrize("prune", [everywhere, by_layer])
def test_undefined_weights_are_refused_unless_they_are_pruned(prune):
    model = net()
    masks = weights_of(model)
    with torch.no_grad():
        model.fc1.weight[0, 0] = float("nan")
    with pytest.raises(ValueError, match=r"'fc1\.weight' hold NaN"):
        prune(model, masks, 100)
    masks["fc1.weight"][0, 0] = False
    assert not prune(model, masks, 100)["fc1.weight"][0, 0]


@seeded
@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.data())
def test_by_layer_gives_every_parameter_the_same_share(widths, data):
    draw = torch.Generator().manual_seed(0)
    model = nn.ParameterDict({f"p{i}": torch.rand(width, 2, generator=draw) for i, width in enumerate(widths)})
    masks = {name: torch.rand(weight.shape, generator=draw) < 0.7 for name, weight in model.items()}
    total = count(masks)
    hypothesis.assume(total > 0)
    kept = data.draw(st.integers(0, total))
    found = by_layer(model, masks, kept)
    assert count(found) == kept
    assert is_nested(found, masks)
    for name, mask in found.items():
        assert abs(int(mask.sum()) - kept * int(masks[name].sum()) / total) <= 1
        sizes = model[name].detach().abs()
        if mask.any() and (masks[name] & ~mask).any():
            assert sizes[mask].min() >= sizes[masks[name] & ~mask].max()


def test_by_layer_worked_by_hand():
    model = net("mlp:10-10-10-2")  # 100, 100 and 20 weights
    masks = by_layer(model, weights_of(model), 110)
    assert [int(mask.sum()) for mask in masks.values()] == [50, 50, 10]
    # shares of 45.45, 45.45 and 9.09; running totals of 45.45, 90.91 and 100
    assert [int(mask.sum()) for mask in by_layer(model, masks, 100).values()] == [45, 46, 9]
    masks = by_layer(model, masks, 11)
    assert [int(mask.sum()) for mask in masks.values()] == [5, 5, 1]


def test_biases_are_pruned_where_they_are_asked_for():
    model = net()
    assert count(everywhere(model, dense(model), 1)) == 1
    assert set(everywhere(model, dense(model), 1)) == {"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"}
