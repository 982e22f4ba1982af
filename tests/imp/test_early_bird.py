from functools import partial

import numpy as np
import pytest
import torch
from torch import nn

from tombola import data, models
from tombola.imp import (
    early_bird,
    everywhere,
    hamming_distance,
    is_early_bird,
    largest_channels,
    largest_weights,
    mask_distance,
    prunable,
)
from tombola.masks import count
from tombola.training import Trainer, cosine

EPOCH, STEPS = 23, 400


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def net():
    return models.build("mlp:64-100-10", generator=seeded())


def mask(*kept):
    return {"w": torch.tensor(kept, dtype=torch.bool)}


def test_distances_worked_by_hand():
    one, other = mask(1, 1, 0, 0, 0), mask(1, 0, 1, 1, 0)
    assert hamming_distance(one, other) == 3 / 5
    assert mask_distance(one, other) == pytest.approx((3 / 5) / (2 / 5 * 2 / 5 + 3 / 5 * 3 / 5))
    assert mask_distance(mask(1, 0), mask(0, 1)) == 2.0
    for distance in (hamming_distance, mask_distance):
        assert distance(one, one) == 0
        assert distance(one, other) == distance(other, one)
        assert distance(mask(1, 1), mask(1, 1)) == distance(mask(0, 0), mask(0, 0)) == 0
    assert (hamming_distance(mask(1, 1), mask(0, 0)), mask_distance(mask(1, 1), mask(0, 0))) == (1, 1)


def test_parameters_count_by_their_weights():
    one = {"a": torch.ones(3, 2, dtype=torch.bool), "b": torch.zeros(2, dtype=torch.bool)}
    other = {"b": torch.ones(2, dtype=torch.bool), "a": torch.ones(3, 2, dtype=torch.bool)}
    assert hamming_distance(one, other) == 2 / 8


@pytest.mark.parametrize(("density", "other"), [(0.02, 0.02), (0.3, 0.3), (0.5, 0.5), (0.7, 0.1)])
def test_independent_masks_are_at_a_distance_of_one(density, other):
    generator = seeded()
    one, two = ({"w": torch.rand(400, 1000, generator=generator) < kept} for kept in (density, other))
    assert mask_distance(one, two) == pytest.approx(1, abs=0.02)
    assert hamming_distance(one, two) == pytest.approx(density * (1 - other) + other * (1 - density), rel=0.02)


@pytest.mark.parametrize("other", [{}, {"v": torch.ones(2, dtype=torch.bool)}, mask(1, 0, 0)])
def test_masks_of_other_parameters_are_refused(other):
    for distance in (hamming_distance, mask_distance):
        with pytest.raises(ValueError, match="not of the same parameters"):
            distance(mask(1, 0), other)
    with pytest.raises(ValueError, match="or of none"):
        mask_distance({}, {})


def test_the_newest_of_five_is_compared_with_the_four_before():
    still, moved = mask(*[1, 0] * 50), mask(*[1, 0] * 47, *[0, 1] * 3)
    assert (hamming_distance(still, moved), mask_distance(still, moved)) == pytest.approx((0.06, 0.12))
    assert not is_early_bird([still] * 4)
    assert is_early_bird([still] * 5)
    for place in range(4):
        masks = [still] * 5
        masks[place] = moved
        assert not is_early_bird(masks)
        assert is_early_bird(masks, distance=hamming_distance)
        assert is_early_bird(masks, within=0.13)
        assert is_early_bird([*masks[: place + 1], *[still] * 5])  # it is five masks ago
    assert not is_early_bird([*[still] * 4, moved])


def test_a_distance_equal_to_the_bound_is_not_within_it():
    still, moved = mask(1, 0), mask(0, 1)
    assert not is_early_bird([still] * 4 + [moved], within=1.0, distance=hamming_distance)


@pytest.mark.parametrize("density", [0.01, 0.2, 1.0])
def test_the_largest_weights_are_those_that_pruning_keeps(density):
    model = net()
    whole = {name: torch.ones_like(model.get_parameter(name), dtype=torch.bool) for name in prunable(model)}
    found = largest_weights(model, density)
    assert count(found) == round(7400 * density)
    torch.testing.assert_close(found, everywhere(model, whole, count(found)))


def test_the_largest_channels_of_all_layers_together():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3), nn.BatchNorm1d(3))
    with torch.no_grad():
        model[1].weight.copy_(torch.tensor([0.1, -3.0]))
        model[4].weight.copy_(torch.tensor([0.5, -0.2, 0.05]))
    found = largest_channels(model, 0.4)
    assert {name: kept.tolist() for name, kept in found.items()} == {
        "1.weight": [False, True],
        "4.weight": [True, False, False],
    }
    assert set(found) <= set(dict(model.named_parameters()))


@pytest.mark.parametrize("model", [nn.Linear(2, 2), nn.BatchNorm1d(2, affine=False)])
def test_channels_without_factors_cannot_be_compared(model):
    with pytest.raises(ValueError, match="no batch norm with factors"):
        largest_channels(model, 0.5)


class Drifting:
    """A training loop and a draw that know which epoch it is: masks stand still from the third on."""

    def __init__(self, still=3):
        self.calls, self.still = [], still

    def __call__(self, model, masks, *, start, stop, generator):
        self.calls.append((start, stop, dict(masks)))
        return model

    def draw(self, model):
        drawn = torch.zeros(10, dtype=torch.bool)
        drawn[min(len(self.calls), self.still)] = True
        return {"w": drawn}


def test_a_ticket_is_drawn_when_five_masks_stood_still():
    train = Drifting()
    bird = early_bird(net(), train, train.draw, epoch=10, stop=1000)
    assert (bird.found, bird.step) == (True, 70)  # epochs 3 to 7
    assert train.calls == [(10 * k, 10 * (k + 1), {}) for k in range(7)]
    assert bird.masks["w"].nonzero().tolist() == [[3]]
    assert np.isnan(bird.distances[:4]).all()
    # one of ten in another place: 2 / 10 over 2 * 0.1 * 0.9
    np.testing.assert_allclose(bird.distances[4:], [10 / 9, 10 / 9, 0])


def test_a_mask_that_never_stands_still_is_no_early_bird():
    train = Drifting(still=9)
    bird = early_bird(net(), train, train.draw, epoch=10, stop=75)
    assert (bird.found, bird.step, bird.distances.size) == (False, 75, 8)
    assert train.calls[-1] == (70, 75, {})
    assert bird.masks["w"].nonzero().tolist() == [[8]]


@pytest.mark.parametrize("options", [{"epoch": 0}, {"stop": 0}])
def test_runs_without_steps_are_refused(options):
    train = Drifting()
    with pytest.raises(ValueError, match="at least one step"):
        early_bird(net(), train, train.draw, **{"epoch": 1, "stop": 1, **options})


@pytest.fixture(scope="module")
def train():
    return Trainer(data.load("digits"), steps=STEPS, batch_size=64, rate=cosine(STEPS))


@pytest.mark.usefixtures("untouched")
def test_on_digits_the_mask_stands_still_before_training_is_over(train):
    model = net()
    before = model.fc1.weight.detach().clone()
    draw = partial(largest_weights, density=0.2)
    bird = early_bird(model, train, draw, epoch=EPOCH, stop=STEPS)
    assert bird.found
    assert 5 * EPOCH <= bird.step < STEPS
    torch.testing.assert_close(bird.masks, draw(bird.model))
    trained = train(bird.model, {}, start=bird.step, stop=STEPS, generator=seeded())
    assert mask_distance(bird.masks, draw(trained)) < mask_distance(draw(model), draw(trained)) / 2
    torch.testing.assert_close(model.fc1.weight.detach(), before, rtol=0, atol=0)
    again, other = (early_bird(net(), train, draw, epoch=EPOCH, stop=STEPS, seed=seed) for seed in (0, 1))
    torch.testing.assert_close(again.model.state_dict(), bird.model.state_dict(), rtol=0, atol=0)
    assert not other.model.fc1.weight.equal(bird.model.fc1.weight)


def test_undivided_distances_see_birds_in_random_masks():
    """The reason for the division: of masks this sparse any five are within the published bound."""
    generator = seeded()
    masks = [{"w": torch.rand(100, 100, generator=generator) < 0.04} for _ in range(5)]
    assert is_early_bird(masks, distance=hamming_distance)
    assert not is_early_bird(masks)


def test_channels_stand_still(train):
    plain = net()
    model = nn.Sequential(plain.flatten, plain.fc1, nn.BatchNorm1d(100), nn.ReLU(), plain.fc2)
    draw = partial(largest_channels, density=0.5)
    bird = early_bird(model, train, draw, epoch=EPOCH, stop=STEPS, distance=hamming_distance)
    assert bird.found
    assert {name: kept.sum().item() for name, kept in bird.masks.items()} == {"2.weight": 50}
    assert bird.distances[-1] < 0.1
