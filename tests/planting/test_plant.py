from itertools import pairwise

import pytest
import torch
from torch import nn

from tombola.masks import apply, density
from tombola.planting import circle_target, helix_target, plant, relu_target
from tombola.random_source import Source, Uniform

TARGETS = (relu_target, circle_target, helix_target)
DENSITY = {  # of weights and biases at width 100 [Fischer2022]
    (relu_target, 3): 0.0066,
    (relu_target, 5): 0.0002,
    (circle_target, 3): 0.176,
    (circle_target, 5): 0.0062,
    (circle_target, 6): 0.0045,
    (circle_target, 10): 0.0025,
}


def layer_outputs(net, x):
    """The values behind every linear layer, activations where a ReLU follows."""
    values = []
    for module in net:
        x = module(x)
        if isinstance(module, nn.Linear):
            values.append(x)
        else:
            values[-1] = x
    return values


def pruned(planted):
    """The chain that the masks leave."""
    net = nn.Sequential(*planted.network)
    kept = apply(planted.masks, dict(planted.network.named_parameters()))
    modules = []
    for name, module in planted.network.named_children():
        if isinstance(module, nn.Linear):
            layer = nn.Linear(module.in_features, module.out_features, dtype=module.weight.dtype)
            layer.load_state_dict({"weight": kept[f"{name}.weight"], "bias": kept[f"{name}.bias"]})
            modules.append(layer)
        else:
            modules.append(module)
    assert len(modules) == len(net)
    return nn.Sequential(*modules)


def sparse_target(*widths, bias=True, seed=0):
    """A random network with one weight in three, and a hidden neuron that has no parameters at all."""
    generator = torch.Generator().manual_seed(seed)
    modules = []
    for inputs, outputs in pairwise(widths):
        layer = nn.Linear(inputs, outputs, bias=bias)
        with torch.no_grad():
            for p in layer.parameters():
                p.copy_(torch.randn(p.shape, generator=generator) * (torch.rand(p.shape, generator=generator) < 0.33))
        modules += [layer, nn.ReLU()]
    with torch.no_grad():
        for p in modules[0].parameters():
            p[0] = 0
    return nn.Sequential(*modules[:-1])


def assert_reproduced(target, planted, *, rtol):
    """Pruned by the known masks, every layer is the target's over its scales."""
    inputs = target[0].in_features
    x = 2 * torch.rand(500, inputs, generator=torch.Generator().manual_seed(1), dtype=target[0].weight.dtype) - 1
    with torch.no_grad():
        found, wanted = layer_outputs(pruned(planted), x), layer_outputs(target, x)
    for layer, (ours, theirs) in enumerate(zip(found, wanted, strict=True)):
        scaled = ours[:, planted.neurons[layer]] * planted.scales[layer].to(x.dtype)
        size = max(float(theirs.abs().max()), 1e-12)
        torch.testing.assert_close(scaled / size, theirs / size, rtol=0, atol=rtol)


def test_a_path_is_chosen_and_not_overwritten():
    # one weight per neuron: any positive random weight is a multiple of it, so planting changes nothing
    planted = plant(relu_target(3), 4, source=Source(1))
    first = Source(1).tensor("fc1.weight", Uniform(6**0.5), (4, 1))
    torch.testing.assert_close(planted.network.fc1.weight.detach(), first)
    (neuron,) = planted.neurons[0].tolist()
    assert neuron == (first[:, 0] > 0).nonzero()[0].item()
    assert planted.scales[0].item() == pytest.approx(1 / first[neuron, 0].item())
    assert planted.masks["fc1.weight"].nonzero().tolist() == [[neuron, 0]]
    assert planted.masks["fc2.weight"].nonzero().tolist() == [[0, neuron]]


@pytest.mark.parametrize("make", TARGETS)
@pytest.mark.parametrize("depth", [3, 5, 6, 10])
def test_the_known_masks_give_the_target_over_its_scales_at_every_layer(make, depth):
    target = make(depth).double()
    planted = plant(target, 100, source=Source(depth))
    assert_reproduced(target, planted, rtol=1e-6)
    assert all((scales > 0).all() for scales in planted.scales[:-1])


@pytest.mark.parametrize("make", TARGETS)
def test_in_single_precision_too(make):
    target = make(5)
    assert_reproduced(target, plant(target, 100, source=Source(0)), rtol=2e-5)


@pytest.mark.parametrize("bias", [True, False])
def test_any_sparse_target_can_be_planted(bias):
    target = sparse_target(5, 12, 9, 4, bias=bias).double()
    planted = plant(target, [60, 40], source=Source(3))
    assert_reproduced(target, planted, rtol=1e-6)
    assert {bool((scale > 0).all()) for scale in planted.scales[:-1]} == {True}
    wanted = [int((p != 0).sum()) for p in target.parameters()]
    masks = [int(mask.sum()) for name, mask in planted.masks.items() if bias or name.endswith("weight")]
    assert masks == wanted


def test_output_scales_take_either_sign_and_are_divided_out():
    planted = [plant(circle_target(3), 100, source=Source(seed)) for seed in range(10)]
    signs = torch.cat([each.scales[-1].sign() for each in planted])
    assert set(signs.tolist()) == {-1.0, 1.0}
    x = 2 * torch.rand(50, 2, generator=torch.Generator().manual_seed(0)) - 1
    for each in planted:
        torch.testing.assert_close(each.unscaled(pruned(each)(x)), circle_target(3)(x), rtol=0, atol=1e-3)


def test_outside_the_masks_the_network_is_random_by_address():
    planted = plant(circle_target(5), 100, source=Source(0))
    weight, mask = planted.network.fc2.weight.detach(), planted.masks["fc2.weight"]
    source = Source(0).tensor("fc2.weight", Uniform((6 / 100) ** 0.5), (100, 100))
    torch.testing.assert_close(weight[~mask], source[~mask], rtol=0, atol=0)
    assert not weight[mask].equal(source[mask])


def test_biases_follow_the_product_of_the_half_widths():
    planted = plant(relu_target(4), 1000, source=Source(0), half_widths=[0.5, 0.3, 2.0])
    for name, bound in (("fc1", 0.5), ("fc2", 0.15), ("fc3", 0.3)):
        assert float(planted.network.get_submodule(name).bias.detach().abs().max()) <= bound
    assert float(planted.network.fc2.bias.detach().abs().max()) > 0.149


@pytest.mark.parametrize("make", TARGETS)
@pytest.mark.parametrize("depth", [3, 5, 10])
def test_magnitudes_do_not_give_the_plant_away(make, depth):
    # how many planted weights lie above the 99 % quantile of the other weights of their layer
    above = total = 0
    for seed in range(10):
        planted = plant(make(depth), 100, source=Source(seed))
        for name, p in planted.network.named_parameters():
            if name.endswith("weight"):
                sizes, mask = p.detach().abs(), planted.masks[name]
                above += int((sizes[mask] > torch.quantile(sizes[~mask], 0.99)).sum())
                total += int(mask.sum())
    assert above / total <= 0.01 + 0.10


@pytest.mark.parametrize(("make", "depth"), DENSITY)
def test_the_density_is_the_published_one(make, depth):
    published = DENSITY[make, depth]
    decimals = len(str(published)) - 2
    assert round(density(plant(make(depth), 100, source=Source(0)).masks), decimals) == published


def test_nothing_else_moves(untouched):
    target = circle_target(5)
    before = {name: p.detach().clone() for name, p in target.named_parameters()}
    first, again = (plant(target, 100, source=Source(2)) for _ in range(2))
    assert all(p.equal(before[name]) for name, p in target.named_parameters())
    assert all(a.equal(b) for a, b in zip(first.network.parameters(), again.network.parameters(), strict=True))


def test_no_free_neuron_with_a_positive_scale_is_named():
    seed = next(s for s in range(50) if Source(s).tensor("fc1.weight", Uniform(6**0.5), (1, 1)) < 0)
    with pytest.raises(ValueError, match=r"fc1: none of the 1 free neurons can carry neuron 0.*wider network"):
        plant(relu_target(3), 1, source=Source(seed))


def test_targets_and_widths_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"Linear layers with one ReLU between any two; got Linear, Tanh, Linear"):
        plant(nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1)), 10, source=Source(0))
    with pytest.raises(ValueError, match=r"at least those of the target, \[4, 2, 20\]; got \[4, 2, 19\]"):
        plant(circle_target(5), [4, 2, 19], source=Source(0))
    with pytest.raises(ValueError, match=r"one number per layer, 2; got 1"):
        plant(relu_target(3), 10, source=Source(0), half_widths=[1.0])
    broken = relu_target(3)
    with torch.no_grad():
        broken[0].weight.fill_(float("nan"))
    with pytest.raises(ValueError, match=r"fc1.weight of the target has 1 values that are not finite"):
        plant(broken, 10, source=Source(0))
