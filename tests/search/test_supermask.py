import math

import pytest
import torch
from tests.problems.searches import DATA, net_of, state_of

from tombola.random_source import Normal
from tombola.search import supermask


def test_weights_are_drawn_with_their_probabilities():
    state = state_of(supermask(first=0.25), net_of("mlp"), density=0.5).train()
    with torch.no_grad():
        state.scores()["network.2.weight"].fill_(math.log(3))
        drawn = {name: torch.zeros_like(weight) for name, weight in state.frozen().items()}
        for _ in range(400):
            state(DATA.x_train[:1])
            for name, weight in state.method.weights(state).items():
                drawn[name] += weight != 0
    for name, chance in (("network.0.weight", 0.25), ("network.2.weight", 0.75)):
        shares = drawn[name] / 400
        assert (shares - chance).abs().max() < 5 * math.sqrt(chance * (1 - chance) / 400)
        assert shares.mean() == pytest.approx(chance, abs=0.02)


def test_each_step_draws_another_mask_and_the_same_step_the_same():
    state = state_of(supermask(), net_of("mlp"), density=0.5).train()
    first = state.noise("network.0.weight")
    assert first.equal(state.noise("network.0.weight"))
    state.step += 1
    assert not first.equal(state.noise("network.0.weight"))
    torch_state = torch.get_rng_state()
    state(DATA.x_train)
    assert torch.get_rng_state().equal(torch_state), "torch's own random numbers are left alone"


def test_evaluation_is_fixed():
    state = state_of(supermask(), net_of("mlp"), density=0.5).eval()
    assert state(DATA.x_train).equal(state(DATA.x_train))
    state.train()
    assert not state(DATA.x_train).equal(state(DATA.x_train))


def test_rescaling_widens_the_laws_as_the_masks_say():
    state = state_of(supermask(rescale=True, by_layer=False), net_of("mlp"), density=0.25)
    with torch.no_grad():
        for score in state.scores().values():
            score += torch.rand(score.shape, generator=torch.Generator().manual_seed(4))
    masks, laws = state.method.masks(state), state.method.laws(state)
    for name, mask in masks.items():
        assert laws[name] == Normal(state.laws[name].std * (mask.numel() / int(mask.sum())))
    with torch.no_grad():
        state.scores()["network.2.weight"].fill_(-9.0)  # all of a layer goes
    assert state.method.laws(state)["network.2.weight"] == state.laws["network.2.weight"]
    assert supermask().laws(state) == state.laws


def test_the_free_density_is_the_mean_probability():
    state = state_of(supermask(first=0.2), net_of("mlp"), density=0.5)
    assert state.method.free_density(state) == pytest.approx(0.2)


@pytest.mark.parametrize("first", [0.0, 1.0, -1.0, float("nan")])
def test_a_first_probability_out_of_range_is_refused(first):
    with pytest.raises(ValueError, match="between 0 and 1"):
        supermask(first=first)
