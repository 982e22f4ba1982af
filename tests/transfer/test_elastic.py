import copy

import pytest
import torch
from torch import nn

from tombola import models
from tombola.imp import everywhere, prunable
from tombola.masks import count
from tombola.transfer import append, as_given, elastic, interpolate, masks_and_weights, written


def resnet(depth, *, width=0.25, seed=0, classes=10):
    """With values of their own in every tensor, statistics of batch norm among them."""
    generator = torch.Generator().manual_seed(seed)
    net = models.build(f"resnet-{depth}x{width}", classes=classes, generator=generator)
    with torch.no_grad():
        for value in net.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.rand(value.shape, generator=generator))
            else:
                value.fill_(seed + 7)
    return net


def pruned(net, density=0.2):
    full = {name: torch.ones_like(net.get_parameter(name), dtype=torch.bool) for name in prunable(net)}
    return everywhere(net, full, int(density * count(full)))


@pytest.fixture(scope="module")
def short():
    return resnet(20)


@pytest.fixture(scope="module")
def masks(short):
    return pruned(short)


@pytest.mark.parametrize(
    ("rule", "text"), [(append, "0:0;1:1,5;2:2,6;3:3,7;4:4,8"), (interpolate, "0:0;1:1,2;2:3,4;3:5,6;4:7,8")]
)
def test_from_32_to_56_weights_masks_and_batch_norm_go_where_the_map_says(rule, text):
    source, target = resnet(32), resnet(56, seed=1)
    masks = pruned(source)
    made = elastic(source, masks, target, rule=rule)
    values, found = source.state_dict(), made.model.state_dict()
    for pair in text.split(";"):
        block, places = pair.split(":")
        for place in map(int, places.split(",")):
            for stage in (1, 2, 3):
                ours = f"stage{stage}.block{int(block) + 1}."
                names = [name for name in values if name.startswith(ours)]
                assert len(names) >= 12
                for name in names:
                    other = f"stage{stage}.block{place + 1}." + name.removeprefix(ours)
                    wanted = values[name] * masks[name] if name in masks else values[name]
                    torch.testing.assert_close(found[other], wanted, rtol=0, atol=0)
                    assert (name in masks) == (other in made.masks)
                    if name in masks:
                        assert made.masks[other].equal(masks[name])
    as_text = elastic(source, masks, target, rule=as_given(text)).model.state_dict()
    assert all(as_text[name].equal(value) for name, value in found.items())


def test_no_value_of_the_target_is_left(short, masks):
    marked = resnet(32)
    for value in marked.state_dict().values():
        value.fill_(float("nan") if value.is_floating_point() else -1)
    made = elastic(short, masks, marked)
    for name, value in made.model.state_dict().items():
        assert value.isfinite().all(), name
        assert (value >= 0).all(), name
    assert set(made.masks) == set(prunable(made.model))


@pytest.mark.parametrize("depth", [32, 56])
@pytest.mark.parametrize("rule", [append, interpolate])
def test_stretched_and_squeezed_a_ticket_is_what_it_was(short, masks, rule, depth):
    deep = elastic(short, masks, resnet(depth, seed=1), rule=rule)
    back = elastic(deep.model, deep.masks, resnet(20, seed=2), rule=rule)
    wanted = masks_and_weights(short, masks, short)
    assert back.masks.keys() == masks.keys()
    assert all(back.masks[name].equal(mask) for name, mask in masks.items())
    values = back.model.state_dict()
    assert all(values[name].equal(value) for name, value in wanted.model.state_dict().items())


def test_the_result_is_a_network_of_its_own(short, masks):
    target = resnet(32, seed=1)
    before = copy.deepcopy(short.state_dict()), copy.deepcopy(target.state_dict())
    made = elastic(short, masks, target)
    with torch.no_grad():
        made.model.stage1.block1.conv1.weight.fill_(3.0)
        made.masks["stage1.block1.conv1.weight"].fill_(True)
    assert made.model.stage1.block3.conv1.weight.max() < 3.0
    assert all(value.equal(before[0][name]) for name, value in short.state_dict().items())
    assert all(value.equal(before[1][name]) for name, value in target.state_dict().items())
    assert not masks["stage1.block1.conv1.weight"].all()
    assert made.model(torch.zeros(2, 3, 32, 32)).shape == (2, 10)


def test_other_stages_and_names_of_blocks():
    def chain(blocks):
        layers = {f"layer{stage}": nn.ModuleList([nn.Linear(2, 2) for _ in range(blocks)]) for stage in "ab"}
        return nn.ModuleDict(layers)

    source, target = chain(3), chain(5)
    made = elastic(source, {}, target, rule=interpolate, blocks="layer{stage}.{block}.").model
    assert made["layerb"][4].weight.equal(source["layerb"][2].weight)
    flat = nn.Sequential(*[nn.Linear(2, 2) for _ in range(3)])
    longer = nn.Sequential(*[nn.Linear(2, 2) for _ in range(4)])
    assert elastic(flat, {}, longer, blocks="{block}.").model[3].bias.equal(flat[1].bias)
    assert written(append(3, 4)) == "0:0;1:1,3;2:2"


def test_what_is_not_offered_is_said(short):
    with pytest.raises(ValueError, match="For other widths there is `elastic_width`"):
        elastic(short, {}, resnet(32, width=0.5))
    with pytest.raises(ValueError, match="another number of classes"):
        elastic(short, {}, resnet(32, classes=5))
    with pytest.raises(ValueError, match="the stages are none and none"):
        elastic(short, {}, resnet(32), blocks="layer{stage}.{block}.")
    with pytest.raises(ValueError, match="once and"):
        elastic(short, {}, resnet(32), blocks="stage{stage}.")
    with pytest.raises(ValueError, match="fill the blocks 0 to 4"):
        elastic(short, {}, resnet(32), rule=as_given("0:0;1:1"))
    one, two = nn.Sequential(nn.Linear(2, 2, bias=False)), nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    with pytest.raises(ValueError, match=r"'0\.bias', which the source does not have"):
        elastic(one, {}, two, blocks="{block}.", rule=as_given("0:0,1"))
