import itertools

import pytest
import torch
from torch import nn

from tombola import Source
from tombola.random_source import Mirrored, Normal, Uniform, law_from_json, law_to_json, looks_linear


def network(*widths):
    layers = [nn.Linear(*pair) for pair in itertools.pairwise(widths)]
    return nn.Sequential(*[one for layer in layers for one in (layer, nn.ReLU())][:-1]).double()


def map_of(net, inputs):
    return net(torch.eye(inputs, dtype=torch.float64)).T.detach()


@pytest.mark.parametrize("widths", [(12, 20, 16, 4), (4, 10, 24, 12), (5, 5)])
def test_it_is_linear_and_all_singular_values_that_are_not_zero_are_equal(widths):
    net = network(*widths)
    net.load_state_dict(looks_linear(net, Source(3)))
    x = torch.randn(50, widths[0], dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    matrix = map_of(net, widths[0])
    torch.testing.assert_close(net(x).detach(), x @ matrix.T, rtol=1e-6, atol=1e-6)
    values = torch.linalg.svdvals(matrix)
    values = values[values > 1e-9]
    torch.testing.assert_close(values, values[:1].expand_as(values), rtol=1e-9, atol=0)


def test_widths_that_shrink_and_grow_do_not_keep_singular_values_equal():
    net = network(9, 6, 18, 5)
    net.load_state_dict(looks_linear(net, Source(3)))
    values = torch.linalg.svdvals(map_of(net, 9))
    assert values[:3].max() > 1.05 * values[values > 1e-9].min()


def test_the_model_is_not_changed_and_the_state_is_the_sources():
    net = network(4, 6, 3)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    first, again, other = (looks_linear(net, Source(seed)) for seed in (1, 1, 2))
    for name, value in net.state_dict().items():
        torch.testing.assert_close(value, before[name], rtol=0, atol=0)
        torch.testing.assert_close(first[name], again[name], rtol=0, atol=0)
    assert not torch.equal(first["0.weight"], other["0.weight"])


def test_an_odd_hidden_width_is_refused():
    with pytest.raises(ValueError, match="'0' has 5 outputs; units in pairs want an even number"):
        looks_linear(network(4, 5, 3), Source(1))
    with pytest.raises(ValueError, match="wants a model with Linear layers"):
        looks_linear(nn.ReLU(), Source(1))


@pytest.mark.parametrize("base", [Uniform(0.5), Normal(2.0)])
def test_mirrored_rows_come_in_pairs_on_every_path(base):
    law, source = Mirrored(base), Source(7)
    assert law_from_json(law_to_json(law)) == law
    block, tensor = source.block("w", law, [3, 2, 0], range(5)), source.tensor("w", law, (5, 5))
    single = source.block("w", base, range(3), range(5))
    torch.testing.assert_close(torch.from_numpy(block), tensor[[3, 2, 0]], rtol=0, atol=0)
    torch.testing.assert_close(tensor[::2], torch.from_numpy(single), rtol=0, atol=0)
    torch.testing.assert_close(tensor[1::2], -tensor[:4:2], rtol=0, atol=0)


@pytest.mark.parametrize("record", [{"law": "mirrored"}, {"law": "mirrored", "base": {"law": "mirrored"}}])
def test_a_mirrored_law_without_a_base_is_refused(record):
    with pytest.raises(ValueError, match="law mirrored takes another law as its base"):
        law_from_json(record)
