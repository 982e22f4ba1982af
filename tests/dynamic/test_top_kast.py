"""Top-KAST by hand."""

import pytest
import torch
from torch import nn

from tombola.dynamic import TopKast, top_kast
from tombola.dynamic._top_kast import _Attached


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def layer(weights):
    net = nn.Linear(len(weights), 1, bias=False)
    with torch.no_grad():
        net.weight.copy_(torch.tensor([weights]))
    return net


def pulled(net, optimiser, slope):
    optimiser.zero_grad()
    (net.weight * torch.tensor(slope)).sum().backward()
    optimiser.step()


def attached(weights, used, *, lr=0.1, momentum=0.0, weight_decay=0.0, **settings):
    net = layer(weights)
    optimiser = torch.optim.SGD(net.parameters(), lr=lr, momentum=momentum, weight_decay=weight_decay)
    masks = {"weight": torch.tensor([[place < used for place in range(len(weights))]])}
    return net, optimiser, _Attached(top_kast(generator=seeded(), **settings), optimiser, net, masks)


def all_weights(net, found):
    """Those that are used and those that rest beside the model."""
    return (net.weight.detach() + found.layers["weight"].rest)[0]


def test_a_step_by_hand():
    """A is {2, 1}, B is {2, 1, 0.9}; the penalty of 0.1 counts twice where a weight is not used, at density 1/2."""
    net, optimiser, found = attached([0.1, 2.0, 0.9, -1.0], 2, margin=0.25, penalty=0.1)
    assert net.weight.tolist() == [[0.0, 2.0, 0.0, -1.0]]
    pulled(net, optimiser, [1.0, 1.0, 1.0, 1.0])
    wanted = torch.tensor([0.1, 2 - 0.1 * (1 + 0.2), 0.9 - 0.1 * (1 + 0.18), -1 - 0.1 * (1 - 0.1)])
    torch.testing.assert_close(all_weights(net, found), wanted, rtol=1e-6, atol=0)
    assert net.weight[0, [0, 2]].tolist() == [0.0, 0.0]


def test_a_weight_that_has_grown_is_used_from_the_next_choice_on():
    net, optimiser, found = attached([0.1, 2.0, 0.9, -1.0], 2, margin=0.25, penalty=0.0, every=3)
    for _ in range(2):
        pulled(net, optimiser, [0.0, 0.0, -2.0, 0.0])
    assert net.weight.tolist() == [[0.0, 2.0, 0.0, -1.0]]
    pulled(net, optimiser, [0.0, 0.0, -2.0, 0.0])
    torch.testing.assert_close(net.weight, torch.tensor([[0.0, 2.0, 1.5, 0.0]]))
    assert (found.handle.updates, found.handle.explored) == (1, 0.75)
    torch.testing.assert_close(all_weights(net, found), torch.tensor([0.1, 2.0, 1.5, -1.0]))


def test_weights_that_are_not_trained_rest_whatever_momentum_and_decay_say():
    net, optimiser, found = attached([0.1, 2.0, 0.9, -1.0], 2, margin=0.25, every=2, momentum=0.9, weight_decay=0.1)
    for _ in range(6):
        pulled(net, optimiser, [5.0, 0.0, -2.0, 0.0])
    torch.testing.assert_close(all_weights(net, found)[0], torch.tensor(0.1), rtol=0, atol=0)


def test_momentum_from_before_a_weight_left_is_forgotten_when_it_comes_back():
    net, optimiser, found = attached([3.0, 2.0, 1.0, 0.95], 2, margin=0.25, every=1, penalty=0.0, momentum=0.9)
    assert found.layers["weight"].trained.tolist() == [[True, True, True, False]]
    pulled(net, optimiser, [0.0, 0.0, 1.0, 0.0])  # the third falls to 0.9 and leaves
    assert found.layers["weight"].trained.tolist() == [[True, True, False, True]]
    assert optimiser.state[net.weight]["momentum_buffer"][0, 2] != 0
    pulled(net, optimiser, [0.0, 0.0, 0.0, 1.0])  # the fourth falls to 0.85
    assert found.layers["weight"].trained.tolist() == [[True, True, True, False]]
    assert optimiser.state[net.weight]["momentum_buffer"][0, 2] == 0


@pytest.mark.parametrize(("numel", "used", "trained"), [(100, 10, 20), (100, 95, 100), (100, 100, 100), (3, 1, 2)])
def test_how_many_are_trained(numel, used, trained):
    assert TopKast(generator=seeded()).backward_count(numel, used) == trained


def test_only_the_numbers_of_the_masks_count():
    net = layer([1.0, 2.0, 3.0, 4.0])
    optimiser = torch.optim.SGD(net.parameters(), lr=0.1)
    dynamic = top_kast(generator=seeded())(optimiser, net, {"weight": torch.tensor([[True, True, False, False]])})
    assert dynamic.masks["weight"].tolist() == [[False, False, True, True]]


def test_used_weights_are_the_largest_of_all_after_every_choice():
    net, optimiser, found = attached(torch.linspace(-1, 1, 40).tolist(), 8, every=2, margin=0.3, momentum=0.9)
    generator = seeded(3)
    for step in range(40):
        pulled(net, optimiser, torch.randn(40, generator=generator).tolist())
        if step % 2:
            moduli, used = all_weights(net, found).abs(), found.handle.masks["weight"][0]
            assert moduli[used].min() >= moduli[~used].max()
            assert (found.layers["weight"].trained[0] >= used).all()
            assert int(found.layers["weight"].trained.sum()) == 20
    assert found.handle.explored > 0.2


@pytest.mark.parametrize("settings", [{"margin": 0.0}, {"margin": 1.1}, {"every": 0}, {"penalty": -1.0}])
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(ValueError, match=r"margin lies in \(0, 1\], every is at least 1 and penalty 0 or more"):
        top_kast(generator=seeded(), **settings)
