import pytest
import torch
from torch import nn

from tombola.training import adam, keep_pruned_, sgd

MASK = torch.tensor([[True, False, False], [True, True, False]])


def stepped(model, optimiser, steps=3):
    for _ in range(steps):
        optimiser.zero_grad()
        model(torch.ones(1, 3)).pow(2).sum().backward()
        optimiser.step()


@pytest.mark.parametrize("make", [sgd(0.1, weight_decay=0.1), adam(0.1, weight_decay=0.1)])
def test_pruned_weights_are_zero_before_and_after_every_step(make):
    model = nn.Linear(3, 2)
    optimiser = make(model.parameters())
    keep_pruned_(optimiser, model, {"weight": MASK})
    assert ((model.weight != 0) == MASK).all()
    before = model.weight.detach().clone()
    for _ in range(3):
        stepped(model, optimiser, 1)
        assert ((model.weight != 0) == MASK).all()
    assert (model.weight[MASK] != before[MASK]).all()


def test_after_removal_they_move_again():
    model = nn.Linear(3, 2)
    optimiser = sgd(0.1)(model.parameters())
    keep_pruned_(optimiser, model, {"weight": MASK}).remove()
    stepped(model, optimiser)
    assert (model.weight != 0).all()


def test_infinite_and_undefined_pruned_weights_become_zero():
    model = nn.Linear(3, 2)
    with torch.no_grad():
        model.weight[0, 1:] = torch.tensor([float("inf"), float("nan")])
    keep_pruned_(sgd()(model.parameters()), model, {"weight": MASK})
    assert model.weight[0, 1:].tolist() == [0.0, 0.0]


def test_a_mask_of_no_parameter_is_refused():
    model = nn.Linear(3, 2)
    with pytest.raises(ValueError, match=r"'fc9\.weight' names no parameter"):
        keep_pruned_(sgd()(model.parameters()), model, {"fc9.weight": MASK})


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("value", [1.5, -2.5, torch.inf, -torch.inf, torch.nan])
def test_a_pruned_weight_is_zero_whatever_a_step_made_of_it(dtype, value):
    model = nn.Conv2d(2, 3, 2).to(dtype=dtype, memory_format=torch.channels_last)
    mask = torch.arange(24).reshape(3, 2, 2, 2) % 3 == 0
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    keep_pruned_(optimiser, model, {"weight": mask})
    with torch.no_grad():
        model.weight.fill_(value)
    optimiser.step()
    assert model.weight[~mask].tolist() == [0.0] * 16
    torch.testing.assert_close(model.weight[mask], torch.full((8,), value, dtype=dtype), equal_nan=True)
