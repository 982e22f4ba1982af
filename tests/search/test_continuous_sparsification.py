import pytest
import torch
from tests.problems.searches import DATA, net_of, state_of

from tombola.search import continuous_sparsification


def test_beta_grows_from_one_by_the_same_factor_at_each_step():
    method = continuous_sparsification(beta=256.0)
    betas = [float(method.beta(torch.tensor(step), 9)) for step in range(9)]
    assert betas == pytest.approx([2.0**step for step in range(9)], rel=1e-12)
    assert float(method.beta(torch.tensor(50), 9)) == pytest.approx(256.0)
    assert float(method.beta(torch.tensor(0), 1)) == 1.0


def test_the_first_step_has_beta_one_and_the_last_one_the_largest():
    state = state_of(continuous_sparsification(beta=100.0, first=0.1), net_of("mlp"), density=0.5, steps=3).train()
    seen = []
    for _ in range(3):
        state(DATA.x_train)
        soft = state.method.weights(state)["network.0.weight"] / state.frozen()["network.0.weight"]
        seen.append(float(soft.detach().double().mean().logit()))
    assert seen == pytest.approx([0.1, 1.0, 10.0], rel=1e-3)


def test_what_is_above_zero_would_stay_of_its_own():
    state = state_of(continuous_sparsification(), net_of("mlp"), density=0.5)
    first, second = state.scores().values()
    with torch.no_grad():
        first.fill_(0.3), second.fill_(-0.3)
    assert state.method.free_density(state) == first.numel() / (first.numel() + second.numel())


def test_a_penalty_makes_masks_sparser():
    free = []
    for penalty in (0.0, 0.1):
        state = state_of(continuous_sparsification(penalty=penalty, beta=20.0), net_of("mlp"), density=0.5).train()
        optimiser = torch.optim.SGD(state.parameters(), lr=0.1)
        for _ in range(10):
            optimiser.zero_grad()
            torch.nn.functional.cross_entropy(state(DATA.x_train), DATA.y_train).backward()
            optimiser.step()
        free.append(state.method.free_density(state))
    assert free[1] < free[0]


@pytest.mark.parametrize("options", [{"beta": 1.0}, {"beta": float("inf")}, {"penalty": -1.0}, {"first": float("nan")}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match="beta is above 1"):
        continuous_sparsification(**options)
