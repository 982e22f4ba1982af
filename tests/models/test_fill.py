import math

import pytest
import torch
from torch import nn

from tombola.isolation import isolated_random_state
from tombola.models import build, draw_parameters


def constructed(make, seed):
    """What the constructors of torch draw from the global state, when that starts from `seed`."""
    with isolated_random_state(torch.Generator()):
        torch.random.default_generator.manual_seed(seed)
        return make()


@pytest.mark.parametrize(
    "make",
    [
        lambda: nn.Sequential(nn.Flatten(), nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 3)),
        lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3, groups=2, bias=False)),
        lambda: nn.Conv1d(2, 4, 3),
    ],
)
def test_the_values_are_those_of_the_constructors(make):
    wanted = constructed(make, 5)
    drawn = draw_parameters(constructed(make, 6), generator=torch.Generator().manual_seed(5))
    for ours, theirs in zip(drawn.parameters(), wanted.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


def test_a_built_network_is_as_torch_would_make_it():
    wanted = constructed(lambda: nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 2)), 5)
    ours = build("mlp:6-5-2", generator=torch.Generator().manual_seed(5))
    for a, b in zip(ours.parameters(), wanted.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_the_law_of_the_weights():
    layer = draw_parameters(nn.Linear(100, 400), generator=torch.Generator().manual_seed(0))
    bound = 1 / math.sqrt(100)
    assert layer.weight.abs().max() <= bound
    # the standard deviation of the mean of n uniform numbers is bound / sqrt(3 n); 5 of them
    assert abs(layer.weight.mean()) < 5 * bound / math.sqrt(3 * layer.weight.numel())
    torch.testing.assert_close(layer.weight.std(), torch.tensor(bound / math.sqrt(3)), rtol=0.02, atol=0)


@pytest.mark.parametrize("kind", [nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d])
@pytest.mark.parametrize("affine", [True, False])
def test_batch_normalisation_starts_afresh(kind, affine):
    used, wanted = kind(3, affine=affine), kind(3, affine=affine)
    with torch.no_grad():
        for value in used.state_dict().values():
            value.fill_(7)
    draw_parameters(used, generator=torch.Generator().manual_seed(0))
    for name, value in wanted.state_dict().items():
        torch.testing.assert_close(used.state_dict()[name], value, rtol=0, atol=0)


def test_batch_normalisation_draws_nothing(generator):
    before = generator.get_state()
    draw_parameters(nn.BatchNorm2d(3), generator=generator)
    assert generator.get_state().equal(before)


def test_a_layer_of_another_kind_is_named(generator):
    with pytest.raises(ValueError, match=r"\b1 \(LayerNorm\)"):
        draw_parameters(nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3)), generator=generator)
