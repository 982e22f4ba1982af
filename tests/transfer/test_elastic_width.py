import copy
from itertools import pairwise

import pytest
import torch
from torch import nn

from tombola import models
from tombola.imp import everywhere, prunable
from tombola.masks import bake_, count, density
from tombola.transfer import elastic, elastic_width, masks_only

SHAPES = {
    "mlp:64-12-8-10": (64,),
    "conv-4x0.125": (3, 8, 8),
    "resnet-20x0.25": (3, 16, 16),
    "vgg-16x0.125": (3, 32, 32),
}
WIDER = {
    "mlp:64-12-8-10": ("mlp:64-24-16-10", "mlp:64-17-8-10"),
    "conv-4x0.125": ("conv-4x0.25", "conv-4x0.2"),
    "resnet-20x0.25": ("resnet-20x0.5", "resnet-20x0.375"),
    "vgg-16x0.125": ("vgg-16x0.25", "vgg-16x0.1875"),
}


def built(name, *, seed=0, shape=None, classes=10):
    """With values of their own in every tensor, statistics of batch norm among them."""
    generator = torch.Generator().manual_seed(seed)
    net = models.build(name, input_shape=shape, classes=classes, generator=generator)
    with torch.no_grad():
        for value in net.state_dict().values():
            if value.is_floating_point() and value.ndim == 1:
                value.copy_(torch.rand(value.shape, generator=generator) + 0.5)
    return net


def pruned(net, kept=0.3):
    full = {name: torch.ones_like(net.get_parameter(name), dtype=torch.bool) for name in prunable(net)}
    return everywhere(net, full, int(kept * count(full)))


@pytest.mark.parametrize(("name", "wide"), [(name, wide) for name, both in WIDER.items() for wide in both])
def test_a_stretched_ticket_computes_what_it_did(name, wide):
    """Also where widths are no whole multiples, behind a flattening, and over shortcuts."""
    source, target = built(name, shape=SHAPES[name]), built(wide, seed=1, shape=SHAPES[name])
    masks = pruned(source)
    made = elastic_width(source, masks, target)
    assert {key: value.shape for key, value in made.model.state_dict().items()} == {
        key: value.shape for key, value in target.state_dict().items()
    }
    masked = copy.deepcopy(source)
    bake_(masked, masks)
    x = torch.randn(5, *SHAPES[name], generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        wanted, found = masked.eval()(x), made.model.eval()(x)
    assert wanted.std() > 1e-3
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-4 * float(wanted.abs().max()))
    for key, mask in made.masks.items():
        assert not made.model.get_parameter(key)[~mask].any()


@pytest.mark.parametrize("name", list(WIDER))
def test_every_layer_keeps_its_density_if_widths_are_whole_multiples(name):
    source = built(name, shape=SHAPES[name])
    masks = pruned(source)
    made = elastic_width(source, masks, built(WIDER[name][0], shape=SHAPES[name]))
    assert set(made.masks) == set(masks)
    for key, mask in made.masks.items():
        assert density({key: mask}) == pytest.approx(density({key: masks[key]}))
    assert count(made.masks) > 1.9 * count(masks)


def test_by_hand():
    source, wide = (nn.Sequential(nn.Linear(2, n), nn.Linear(n, 1)) for n in (2, 3))
    with torch.no_grad():
        source[0].weight.copy_(torch.tensor([[1.0, 2.0], [3.0, 4.0]]))
        source[1].weight.copy_(torch.tensor([[10.0, 20.0]]))
    made = elastic_width(source, {"0.weight": torch.tensor([[True, False], [True, True]])}, wide)
    assert made.model[0].weight.tolist() == [[1, 0], [3, 4], [1, 0]]
    assert made.model[1].weight.tolist() == [[5, 20, 5]]
    assert made.masks["0.weight"].tolist() == [[True, False], [True, True], [True, False]]
    torch.testing.assert_close(made.model[0].bias, source[0].bias[[0, 1, 0]])


def test_the_largest_units_stay_by_hand():
    """Unit 0 has 1 + 1, unit 1 a pruned 9 and 2 + 3, unit 2 has 4 + 2: units 1 and 2 stay, as they are."""
    source, narrow = (nn.Sequential(nn.Linear(2, n), nn.Linear(n, 1)) for n in (3, 2))
    with torch.no_grad():
        source[0].weight.copy_(torch.tensor([[1.0, 0.0], [9.0, -2.0], [4.0, 0.0]]))
        source[1].weight.copy_(torch.tensor([[1.0, 3.0, -2.0]]))
    masks = {"0.weight": torch.tensor([[True, True], [False, True], [True, True]])}
    made = elastic_width(source, masks, narrow)
    assert made.model[0].weight.tolist() == [[0, -2], [4, 0]]
    assert made.model[1].weight.tolist() == [[3, -2]]
    assert made.masks["0.weight"].tolist() == [[False, True], [True, True]]


def test_units_that_are_dead_go_first_also_behind_a_flattening():
    """Channels and units without weights are taken out, and the function is that of before."""
    wide, small = (built(name, shape=(3, 8, 8)) for name in ("conv-4x0.25", "conv-4x0.125"))
    weights = [value for value in wide.state_dict().values() if value.ndim > 1]
    generator = torch.Generator().manual_seed(3)
    places = {len(value): torch.randperm(len(value), generator=generator)[: len(value) // 2] for value in weights[:-1]}
    for value in weights[:-1]:
        value[places[len(value)]] = 0
    for value, before in zip(weights[1:], weights, strict=False):
        value.unflatten(1, (len(before), -1))[:, places[len(before)]] = 0
    for value in wide.state_dict().values():
        if value.ndim == 1 and len(value) in places:
            value[places[len(value)]] = 0
    x = torch.randn(5, 3, 8, 8, generator=generator)
    with torch.no_grad():
        wanted = wide(x)
        torch.testing.assert_close(elastic_width(wide, {}, small).model(x), wanted, rtol=1e-4, atol=1e-6)
    assert wanted.std(dim=0).min() > 1e-4


def test_no_value_of_the_target_is_left_and_the_result_is_a_network_of_its_own():
    source = built("resnet-20x0.25")
    target = built("resnet-20x0.5")
    for value in target.state_dict().values():
        value.fill_(float("nan") if value.is_floating_point() else -1)
    before = copy.deepcopy(source.state_dict())
    made = elastic_width(source, pruned(source), target)
    for value in made.model.state_dict().values():
        assert value.isfinite().all()
        assert (value != -1).all()
        with torch.no_grad():
            value.fill_(7)
    assert all(value.equal(before[name]) for name, value in source.state_dict().items())


def test_the_same_widths_are_the_masked_network_itself():
    source = built("resnet-20x0.25")
    masks = pruned(source)
    made = elastic_width(source, masks, built("resnet-20x0.25", seed=1))
    bake_(source, masks)
    assert all(value.equal(source.state_dict()[name]) for name, value in made.model.state_dict().items())
    assert all(made.masks[name].equal(mask) for name, mask in masks.items())


def test_depth_and_width_one_after_the_other():
    source = built("resnet-20x0.25")
    deep = elastic(source, pruned(source), built("resnet-32x0.25"))
    made = elastic_width(deep.model, deep.masks, built("resnet-32x0.5"))
    assert density(made.masks) == pytest.approx(density(deep.masks), abs=0.01)
    assert made.model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_copies_have_the_same_gradients_unless_weights_are_new():
    """The known weakness of copies, and the way around it."""
    source, wide = (nn.Sequential(nn.Linear(4, n), nn.ReLU(), nn.Linear(n, 2)) for n in (3, 6))
    made = elastic_width(source, {"0.weight": torch.ones(3, 4, dtype=torch.bool)}, wide)
    x = torch.randn(8, 4, generator=torch.Generator().manual_seed(0))
    for net, is_same in ((made.model, True), (masks_only(made.model, made.masks, wide).model, False)):
        net(x).square().sum().backward()
        gradient = net[0].weight.grad
        assert (float((gradient[:3] - gradient[3:]).abs().max()) < 1e-5 * float(gradient.abs().max())) == is_same


def dense(*widths):
    return nn.Sequential(*[nn.Linear(a, b) for a, b in pairwise(widths)])


@pytest.mark.parametrize(
    ("source", "target", "said"),
    [
        (dense(4, 3, 2), dense(4, 3, 5), "other outputs; carry the result over"),
        (dense(4, 3, 2), dense(5, 3, 2), "'0.weight' reads 4 units of the source and 5 of the target"),
        (dense(4, 3, 2), dense(4, 3, 3, 2), "the networks differ in '.*'; only widths may differ"),
        (nn.Sequential(nn.Conv2d(1, 4, 3)), nn.Sequential(nn.Conv2d(1, 4, 5)), "only numbers of units may differ"),
        (nn.LayerNorm(4), nn.LayerNorm(8), "LayerNorm; other widths of it are not offered"),
        (nn.Conv2d(4, 4, 3, groups=2), nn.Conv2d(8, 8, 3, groups=2), "Conv2d; other widths of it are not offered"),
    ],
)
def test_what_is_not_offered_is_said(source, target, said):
    with pytest.raises(ValueError, match=said):
        elastic_width(source, {}, target)


def test_a_layer_that_reads_no_channels_is_refused():
    def net(channels, flat):
        return nn.Sequential(nn.Conv2d(1, channels, 3), nn.Flatten(), nn.Linear(flat, 2))

    with pytest.raises(ValueError, match="which are not the channels"):
        elastic_width(net(4, 36), {}, net(8, 36))
    narrow, wide = (nn.Sequential(net(c, 9 * c), nn.BatchNorm1d(7 * c)) for c in (4, 8))
    with pytest.raises(ValueError, match="no layer has these widths"):
        elastic_width(narrow, {}, wide)


def test_channels_with_a_filter_each_follow_their_inputs():
    def net(channels):
        layers = [nn.Conv2d(1, channels, 3), nn.Conv2d(channels, channels, 3, groups=channels), nn.Flatten()]
        return nn.Sequential(*layers, nn.Linear(channels * 16, 2))

    source, x = net(3), torch.randn(2, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(elastic_width(source, {}, net(7)).model(x), source(x))
