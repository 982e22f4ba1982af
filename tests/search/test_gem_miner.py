import math

import pytest
import torch
from tests.problems.searches import DATA, net_of, state_of

from tombola.search import gem_miner


def test_the_share_that_is_not_frozen_falls_exponentially_to_the_density():
    method, steps, total, kept = gem_miner(freezes=4), 100, 100_000, 1_000
    c = math.log(total / kept) / 4
    for step in range(steps):
        done = min(4, step // 20)
        assert method.remaining(kept, total, step=step, steps=steps) == pytest.approx(
            total * math.exp(-c * done), abs=1
        )
    assert method.remaining(kept, total, step=80, steps=steps) == kept


@pytest.mark.parametrize(("freezes", "steps"), [(1, 1), (20, 3), (3, 4), (7, 1000)])
def test_the_schedule_never_rises_and_starts_with_all(freezes, steps):
    counts = [gem_miner(freezes=freezes).remaining(7, 500, step=step, steps=steps) for step in range(steps + 1)]
    assert counts[0] == 500
    assert counts == sorted(counts, reverse=True)
    assert counts[-1] == 7


def walked(method, generator, steps=30):
    """Each step of a search whose scores move by chance."""
    state = state_of(method, net_of("convolution"), density=0.1, steps=steps).train()
    for step in range(steps):
        with torch.no_grad():
            state(DATA.x_train)
            yield step, state
            for score in state.scores().values():
                score += torch.randn(score.shape, generator=generator)


def test_frozen_scores_are_the_smallest_and_stay_frozen(generator):
    method, before = gem_miner(freezes=5), None
    for step, state in walked(method, generator):
        frozen = torch.cat([value.flatten() for value in state.memory("frozen").values()])
        scores = torch.cat([score.detach().flatten() for score in state.scores().values()])
        assert int((~frozen).sum()) == method.remaining(state.kept, frozen.numel(), step=step, steps=30)
        if before is not None:
            assert not (before & ~frozen).any()
            if new := int((frozen & ~before).sum()):
                assert scores[frozen & ~before].max() <= scores[~frozen].min()
                assert new > 1
        before = frozen.clone()
    assert int((~frozen).sum()) == state.kept
    masks = torch.cat([mask.flatten() for mask in method.masks(state).values()])
    assert masks.equal(~frozen), "after the last freeze all that is left is kept"


def test_scores_are_clipped_before_each_step(generator):
    for _, state in walked(gem_miner(), generator, steps=4):
        for score in state.scores().values():
            assert score.min() >= 0
            assert score.max() <= 1


def test_equal_scores_are_frozen_by_chance_and_not_layer_by_layer():
    state = state_of(gem_miner(freezes=1), net_of("mlp"), density=0.5, steps=2).train()
    with torch.no_grad():
        for score in state.scores().values():
            score.zero_()
        state.step += 1
        state(DATA.x_train)
    shares = [float(frozen.double().mean()) for frozen in state.memory("frozen").values()]
    assert all(0.25 < share < 0.75 for share in shares)


def test_first_scores_are_uniform_between_0_and_1(generator):
    scores = gem_miner().first(torch.zeros(100, 100), generator)
    assert scores.min() >= 0
    assert scores.max() < 1
    assert scores.mean() == pytest.approx(0.5, abs=0.02)


def test_the_free_density_counts_what_is_rounded_up_and_not_frozen():
    state = state_of(gem_miner(), net_of("mlp"), density=0.5)
    first, second = state.scores().values()
    with torch.no_grad():
        first.fill_(0.5), second.fill_(0.49)
    state.memory("frozen")["network.0.weight"][0] = True
    assert state.method.free_density(state) == pytest.approx(11 * 16 / (12 * 16 + 12 * 3))


@pytest.mark.parametrize("options", [{"freezes": 0}, {"penalty": -1.0}, {"penalty": float("nan")}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match="freezes is at least 1"):
        gem_miner(**options)
