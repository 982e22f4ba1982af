import pytest
import torch
from tests.problems.searches import DATA, net_of, state_of

from tombola import Source
from tombola.random_source import he
from tombola.search import iterand
from tombola.ticket import values_at


def steps_of(state, count, generator):
    """Generations, masks and values after each step of a random walk of the scores."""
    for _ in range(count):
        masks = state.method.masks(state)
        with torch.no_grad():
            state(DATA.x_train)
            kept = state.method.masks(state)
            torch.testing.assert_close(kept, masks, rtol=0, atol=0)
            yield (
                masks,
                {name: value.clone() for name, value in state.memory("generation").items()},
                {name: value.clone() for name, value in state.frozen().items()},
            )
            for score in state.scores().values():
                score += 0.2 * torch.randn(score.shape, generator=generator)


@pytest.mark.parametrize("by_layer", [True, False])
def test_only_pruned_weights_are_drawn_again_and_generations_grow(by_layer, generator):
    method = iterand(every=3, fraction=0.4, by_layer=by_layer)
    state = state_of(method, net_of("convolution"), density=0.3).train()
    numbers = {name: torch.zeros_like(value) for name, value in state.memory("generation").items()}
    values = {name: value.clone() for name, value in state.frozen().items()}
    moved = []
    for step, (masks, now, frozen) in enumerate(steps_of(state, 13, generator)):
        grown = {name: now[name] - numbers[name] for name in now}
        moved.append(sum(int(more.sum()) for more in grown.values()))
        for name, more in grown.items():
            assert set(more.unique().tolist()) <= {0, 1}
            assert not more[masks[name]].any(), "a kept weight never changes"
            torch.testing.assert_close(frozen[name][more == 0], values[name][more == 0], rtol=0, atol=0)
            assert (frozen[name][more == 1] != values[name][more == 1]).all()
        assert bool(moved[-1]) == (step > 0 and step % 3 == 0)
        numbers, values = now, frozen
    assert max(int(value.max()) for value in numbers.values()) >= 3
    pruned = 0.7 * sum(value.numel() for value in values.values())
    assert sum(moved) / 4 == pytest.approx(0.4 * pruned, rel=0.25)


def test_values_are_those_of_their_generations(generator):
    state = state_of(iterand(every=1, fraction=0.5), net_of("mlp"), density=0.3).train()
    *_, (_, numbers, values) = steps_of(state, 6, generator)
    for name, number in numbers.items():
        law = he(name, values[name])
        for generation in number.unique().tolist():
            wanted = Source(11, generation).tensor(name, law, number.shape)
            assert values[name][number == generation].equal(wanted[number == generation])
        assert values_at(Source(11), name, law, number).equal(values[name])
    assert max(int(number.max()) for number in numbers.values()) > 1


def test_which_are_drawn_again_is_a_matter_of_seed_and_step():
    drawn = []
    for seed in (11, 11, 12):
        state = state_of(iterand(every=1, fraction=0.5), net_of("mlp"), density=0.3, seed=seed).train()
        for _ in range(3):
            state(DATA.x_train)
        drawn.append(torch.cat([value.flatten() for value in state.memory("generation").values()]))
    assert drawn[0].equal(drawn[1])
    assert not drawn[0].equal(drawn[2])


def test_the_ends_of_the_fraction():
    for fraction, wanted in ((0.0, 0), (1.0, 1)):
        state = state_of(iterand(every=1, fraction=fraction), net_of("mlp"), density=0.3).train()
        state(DATA.x_train), state(DATA.x_train)
        masks = state.method.masks(state)
        for name, number in state.memory("generation").items():
            assert number.equal((wanted * ~masks[name]).to(torch.int16))


def test_evaluation_draws_nothing():
    state = state_of(iterand(every=1, fraction=1.0), net_of("mlp"), density=0.3).train()
    state(DATA.x_train)
    state.eval()(DATA.x_train)
    assert int(state.step) == 1
    assert not any(value.any() for value in state.memory("generation").values())


def test_more_draws_than_a_number_has_room_for_are_refused():
    state = state_of(iterand(every=1), net_of("mlp"), density=0.3).train()
    state.step += 32768
    with pytest.raises(ValueError, match="at most 32767 times"):
        state(DATA.x_train)


@pytest.mark.parametrize("options", [{"every": 0}, {"fraction": -0.1}, {"fraction": 1.1}, {"fraction": float("nan")}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match="every is at least 1"):
        iterand(**options)
