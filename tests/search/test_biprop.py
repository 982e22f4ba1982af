import numpy as np
import pytest
import torch
from tests.problems.searches import net_of, state_of

from tombola import Source
from tombola.random_source import LogUniform, Mirrored, Normal, SignedConstant, Uniform
from tombola.search import biprop


@pytest.mark.parametrize("law", [Normal(0.3), Uniform(2.0), LogUniform(0.1, 4.0), Mirrored(Normal(1.0))])
def test_at_one_address_the_signs_of_all_laws_agree(law):
    other = Mirrored(SignedConstant(1.0)) if isinstance(law, Mirrored) else SignedConstant(1.0)
    for generation in (0, 3):
        source = Source(5, generation)
        values, signs = (source.block("w", one, range(300), range(301)) for one in (law, other))
        np.testing.assert_array_equal(np.sign(values), signs)


def test_the_words_next_to_zero_have_the_signs_of_their_constants():
    from tombola.random_source._transform import fill_values

    words = np.array([0, 1, 2**31 - 1, 2**31, 2**31 + 1, 2**32 - 1], np.uint32)
    found = {}
    for law in (Normal(2.0**-100), Uniform(2.0**-100), LogUniform(0.5), SignedConstant(1.0)):
        values = np.empty(words.size, np.float32)
        fill_values(words, law.code, *law.parameters, values)
        found[law.name] = np.sign(values).tolist()
    assert set(map(tuple, found.values())) == {(-1, -1, -1, 1, 1, 1)}


def test_a_layer_has_two_values_of_the_mean_modulus():
    state = state_of(biprop(), net_of("convolution"), density=0.4)
    masks, laws = state.method.masks(state), state.method.laws(state)
    for name, weight in state.method.weights(state).items():
        alpha = float(state.frozen()[name][masks[name]].double().abs().mean())
        assert isinstance(laws[name], SignedConstant)
        assert laws[name].magnitude == pytest.approx(alpha, rel=1e-12)
        at_addresses = state.source.tensor(name, laws[name], weight.shape)
        torch.testing.assert_close(weight.detach(), torch.where(masks[name], at_addresses, 0.0), rtol=0, atol=0)


def test_a_layer_of_which_nothing_is_kept_has_its_own_law():
    state = state_of(biprop(by_layer=False), net_of("mlp"), density=0.2)
    with torch.no_grad():
        state.scores()["network.2.weight"].zero_()
    assert not state.method.masks(state)["network.2.weight"].any()
    assert state.method.laws(state)["network.2.weight"] == state.laws["network.2.weight"]
    assert not state.method.weights(state)["network.2.weight"].any()
