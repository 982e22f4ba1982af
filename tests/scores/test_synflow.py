import copy
import math
from functools import partial
from itertools import pairwise

import pytest
import torch
from tests.problems.small_networks import arguments
from tests.scores.definition import closely
from torch import nn

from tombola.models import cifar_resnet, mlp, vgg
from tombola.scores import is_collapsed, synflow
from tombola.select import top

exactly = partial(torch.testing.assert_close, rtol=0, atol=0)


def everything(model):
    return {name: torch.ones_like(p, dtype=torch.bool) for name, p in model.named_parameters() if p.ndim > 1}


def scored(model, masks=None, shape=(3, 32, 32), **options):
    given = {"masks": masks or everything(model), "loss": nn.MSELoss(), "generator": torch.Generator()}
    return synflow(model, [(torch.zeros(1, *shape), torch.zeros(1))], **given, **options)


def defined(model, masks, x):
    """The definition with hand-made derivatives of a positive network: no rules, no copy, no cuts."""
    weights = {name: (model.get_parameter(name).detach().abs() * mask).requires_grad_() for name, mask in masks.items()}
    total = model_of_ones(weights, x)
    total.backward()
    return {name: weight.detach() * weight.grad for name, weight in weights.items()}


def model_of_ones(weights, x):
    """The residual network of the small problems with positive weights, on ones."""
    conv = nn.functional.conv2d
    x = conv(torch.ones_like(x), weights["stem.weight"], padding=1)
    inside = conv(x, weights["inner.weight"], stride=2, padding=1)
    inside = conv(inside, weights["outer.weight"], padding=1)
    return ((inside + conv(x, weights["shortcut.weight"], stride=2)).mean((2, 3)) @ weights["last.weight"].T).sum()


@pytest.mark.parametrize("density", [1.0, 0.6])
def test_the_definition_on_a_residual_network(density):
    given = arguments("residual", density)
    wanted = defined(given["model"], given["masks"], given["batches"][0][0][:1])
    closely(synflow(**given), wanted, 1e-13)


def test_the_definition_with_scaled_norms():
    given = arguments("convolutional", 0.6)
    net = given["model"]
    weights = {
        name: (net.get_parameter(name).detach().abs() * m).requires_grad_() for name, m in given["masks"].items()
    }
    scales = [net[i].weight.abs() / (net[i].running_var + net[i].eps).sqrt() for i in (1, 4)]
    x = nn.functional.conv2d(torch.ones(1, 2, 6, 6).double(), weights["0.weight"], padding=1) * scales[0].view(-1, 1, 1)
    x = nn.functional.conv2d(x, weights["3.weight"], stride=2) * scales[1].view(-1, 1, 1)
    (x.flatten(1) @ weights["7.weight"].T).sum().backward()
    wanted = {name: weight.detach() * weight.grad for name, weight in weights.items()}
    closely(synflow(**given, scale_norms=True), wanted, 1e-13)


def test_in_a_chain_all_layers_have_the_same_sum_and_units_pass_on_what_they_get(generator):
    net = mlp([12, 30, 20, 25, 7], generator=generator)
    found = list(scored(net, shape=(12,)).values())
    for score in found:
        assert bool((score >= 0).all())
        assert float(score.sum()) == pytest.approx(float(found[0].sum()), rel=1e-12)
    for before, after in pairwise(found):
        torch.testing.assert_close(before.sum(1), after.sum(0), rtol=1e-12, atol=0)


def test_pruned_weights_score_0_and_what_is_left_is_still_conserved(generator):
    net = mlp([12, 30, 20, 7], generator=generator)
    masks = {name: torch.rand(mask.shape, generator=generator) < 0.3 for name, mask in everything(net).items()}
    found = scored(net, masks, shape=(12,))
    assert all(not score[~masks[name]].any() for name, score in found.items())
    sums = [float(score.sum()) for score in found.values()]
    assert max(sums) == pytest.approx(min(sums), rel=1e-12)


@pytest.mark.parametrize("average", [False, True])
def test_conservation_through_pools_and_batch_norm(generator, average):
    net = vgg(16, width=0.125, generator=generator)
    sums = [float(score.sum()) for score in scored(net, average_pools=average).values()]
    assert max(sums) == pytest.approx(min(sums), rel=1e-6)


def test_both_precisions_choose_the_same_weights_of_resnet_20(generator):
    net = cifar_resnet(20, generator=generator)
    double, single = scored(net), scored(net, dtype=torch.float32)
    assert next(iter(single.values())).dtype == torch.float32
    for kept in (27_000, 5_000):
        exactly(top(single, kept), top(double, kept))


def test_resnet_110_overflows_float32_but_its_copy_does_not(generator):
    net = cifar_resnet(110, width=0.5, generator=generator)
    he_normal_(net, 0)
    plain = copy.deepcopy(net).eval()
    with torch.no_grad():
        for parameter in plain.parameters():
            parameter.abs_()
        assert plain(torch.ones(1, 3, 32, 32)).isinf().all()
    single, double = scored(net, dtype=torch.float32), scored(net)
    assert all(bool(score.isfinite().all()) and float(score.max()) > 0 for score in single.values())
    exactly(top(single, 4000), top(double, 4000))


def test_a_chain_that_overflows_float64_is_rescaled_by_the_same_power_of_two_everywhere(generator):
    net = nn.Sequential(*[nn.Linear(4, 4, bias=False) for _ in range(60)])
    with torch.no_grad():
        for layer in net:
            layer.weight.copy_(torch.rand(4, 4, generator=generator) * 1e6)
    found = scored(net, shape=(4,))
    total = sum(math.log10(float(layer.weight.detach().double().norm())) for layer in net)
    assert total > 308
    sums = [float(score.sum()) for score in found.values()]
    assert max(sums) == pytest.approx(min(sums), rel=1e-12)
    for before, after in pairwise(found.values()):
        torch.testing.assert_close(before.sum(1), after.sum(0), rtol=1e-12, atol=0)


def test_rescaling_keeps_the_ratio_of_parallel_branches():
    class Branches(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.wide, self.narrow = (nn.Linear(1, 1, bias=False) for _ in range(3))

        def forward(self, x):
            x = self.first(x)
            return self.wide(x) + self.narrow(x)

    net = Branches()
    for layer, value in zip(net.children(), (2.0**100, 2.0**60, 2.0**-60), strict=True):
        layer.weight.data.fill_(value)
    found = scored(net, shape=(1,))
    assert float(found["wide.weight"] / found["narrow.weight"]) == 2.0**120
    assert float(found["first.weight"]) == float(found["wide.weight"] + found["narrow.weight"])


@pytest.mark.parametrize("seed", [0, 1])
def test_one_round_at_5_percent_leaves_no_path_in_resnet_20(seed):
    net = cifar_resnet(20, generator=torch.Generator().manual_seed(seed))
    he_normal_(net, seed)
    masks = top(scored(net), round(0.05 * 270_896))
    assert is_collapsed(net, masks, torch.zeros(1, 3, 32, 32))


def he_normal_(net, seed):
    """Weights as in the published experiments: normal with variance 2 / fan-in."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in net.parameters():
            if parameter.ndim > 1:
                parameter.normal_(0, math.sqrt(2 / parameter[0].numel()), generator=generator)


def test_tokens_stand_for_the_whole_vocabulary():
    net = nn.Sequential(nn.Embedding(3, 2), nn.LayerNorm(2), nn.Flatten(), nn.Linear(4, 1))
    net[0].weight.data.copy_(torch.tensor([[1.0, -2.0], [0.0, 3.0], [5.0, 0.0]]))
    net[3].weight.data.copy_(torch.tensor([[1.0, 10.0, -1.0, 0.0]]))
    given = {"masks": everything(net), "loss": nn.MSELoss(), "generator": torch.Generator()}
    found = synflow(net, [(torch.tensor([[0, 0]]), torch.zeros(1))], **given)
    exactly(found["0.weight"], torch.tensor([[2.0, 20.0], [0.0, 30.0], [10.0, 0.0]]).double())
    exactly(found["3.weight"], torch.tensor([[6.0, 50.0, 6.0, 0.0]]).double())


def test_functions_in_a_forward_are_bypassed_as_modules_are():
    class Functional(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.last = nn.Linear(2, 3), nn.Linear(3, 2)

        def forward(self, x):
            x = nn.functional.gelu(self.first(x)).sigmoid_()
            return torch.log_softmax(self.last(nn.functional.dropout(x, 0.5, training=True)), 1)

    net = Functional()
    plain = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))
    plain.load_state_dict(
        {f"{i}.{k}": v for i, part in enumerate(net.children()) for k, v in part.state_dict().items()}
    )
    found, wanted = scored(net, shape=(2,)), scored(plain, shape=(2,))
    for score, other in zip(found.values(), wanted.values(), strict=True):
        exactly(score, other)


def test_a_bias_that_is_scored_adds_to_the_flow():
    net = nn.Linear(2, 1)
    net.weight.data.copy_(torch.tensor([[1.0, -2.0]]))
    net.bias.data.fill_(-4)
    masks = {name: torch.ones_like(parameter, dtype=torch.bool) for name, parameter in net.named_parameters()}
    assert {name: score.flatten().tolist() for name, score in scored(net, masks, shape=(2,)).items()} == {
        "weight": [1.0, 2.0],
        "bias": [4.0],
    }


def test_networks_without_a_positive_copy_are_refused():
    class Difference(nn.Linear):
        def forward(self, x):
            return -super().forward(x)

    class Two(nn.Linear):
        def forward(self, x):
            return super().forward(x), x

    with pytest.raises(ValueError, match=r"the flow through 'weight' is negative: a forward that subtracts"):
        scored(Difference(2, 2), shape=(2,))
    with pytest.raises(ValueError, match="the model returns tuple; wanted one tensor"):
        scored(Two(2, 2), shape=(2,))
    attention = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    with pytest.raises(ValueError, match="multi_head_attention_forward has no positive linear copy"):
        scored(attention, shape=(5, 8))


def test_without_a_batch_there_is_no_shape():
    net = nn.Linear(2, 1)
    with pytest.raises(ValueError, match=r"synflow reads the shape of an input: pass noise\(shape, classes, ...\)"):
        synflow(net, [], masks=everything(net), loss=nn.MSELoss(), generator=torch.Generator())
