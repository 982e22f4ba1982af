import math

import torch
from torch import nn
from torch.nn.functional import mse_loss

from tombola.scores import random
from tombola.select import top


def drawn(shape, seed, model=None):
    layer = model or nn.Linear(shape[1], shape[0], bias=False)
    masks = {"weight": torch.ones(shape, dtype=torch.bool)}
    return random(layer, [], masks=masks, loss=mse_loss, generator=torch.Generator().manual_seed(seed))["weight"]


def test_the_choice_of_one_weight_of_three_is_even():
    layer, counts = nn.Linear(3, 1, bias=False), torch.zeros(1, 3)
    for seed in range(900):
        counts += top({"weight": drawn((1, 3), seed, layer)}, 1)["weight"]
    # chi squared with two degrees of freedom is above 13.8 in one of a thousand
    assert float(((counts - 300) ** 2 / 300).sum()) < 13.8


def test_numbers_are_uniform_and_none_comes_twice():
    found = drawn((1000, 1000), 0)
    assert found.dtype == torch.float64
    assert found.unique().numel() == found.numel()
    assert 0 <= float(found.min()) <= float(found.max()) < 1
    assert abs(float(found.mean()) - 0.5) < 4 / math.sqrt(12 * found.numel())
