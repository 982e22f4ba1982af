import pytest
import torch

from tombola.planting import circle_data, circle_target

PUBLISHED = {3: (100, 24), 5: (108, 22), 6: (119, 22), 10: (153, 22)}  # weights and biases [Fischer2022]
ACCURACY = {3: 0.960, 5: 0.990, 6: 0.987, 10: 0.998}


def test_scores_by_hand():
    # at the knots of depth 5 the squares are exact, so g = 1/81 + 4/81 and the scores are 5 g, 10 g - 1, 20 g - 6, ...
    g = 5 / 81
    scores = circle_target(5)(torch.tensor([[1 / 9, -2 / 9]]))
    wanted = torch.tensor([[5 * g, 10 * g - 1, 20 * g - 6, 40 * g - 20]])
    torch.testing.assert_close(scores, wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize("depth", PUBLISHED)
def test_the_sizes_are_the_published_ones(depth, sizes):
    assert sizes(circle_target(depth)) == PUBLISHED[depth]


@pytest.mark.parametrize("depth", PUBLISHED)
def test_the_accuracy_is_the_published_one(depth, generator):
    x, y = circle_data(200_000, flipped=0.0, generator=generator)
    accuracy = float((circle_target(depth)(x).argmax(dim=1) == y).double().mean())
    assert abs(accuracy - ACCURACY[depth]) <= 0.005


@pytest.mark.parametrize("depth", range(3, 11))
def test_the_sum_of_squares_is_missed_by_two_chords_at_most(depth, generator):
    x, _ = circle_data(50_000, generator=generator)
    g = x.square().sum(dim=1)
    error = (circle_target(depth)(x)[:, 0] / 5 - g)[g < 1].detach()
    second = 10 if depth <= 5 else max(3, -(-10 // 2 ** (depth - 5)))
    length = 2 if depth == 3 else 1
    narrow = length * torch.sin(torch.tensor(torch.pi / 2 ** max(1, depth - 4))).item()
    bound = (length / (19 - second) / 2) ** 2 + (narrow / (second - 1) / 2) ** 2
    assert float(error.min()) > -1e-5  # chords lie above
    assert 0.8 * bound < float(error.max()) < bound + 1e-5


@pytest.mark.parametrize("depth", [3, 5, 10])
def test_it_has_as_many_layers_as_its_depth_says(depth):
    shapes = [tuple(p.shape) for name, p in circle_target(depth).named_parameters() if name.endswith("weight")]
    assert len(shapes) == depth - 1
    assert shapes[0][1] == 2
    assert shapes[-1][0] == 4


@pytest.mark.parametrize("depth", [3, 4, 5, 6, 10])
def test_no_parameter_is_idle(depth, idle, generator):
    x, _ = circle_data(20_000, generator=generator)
    assert idle(circle_target(depth), x, atol=1e-4) == []


def test_a_depth_without_hidden_layer_is_refused():
    with pytest.raises(ValueError, match=r"circle_target: depth counts.*got 1"):
        circle_target(1)
