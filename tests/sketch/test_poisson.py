import pytest
import torch

from tombola.sketch import expected_error, poisson, poisson_error, probabilities, root, water_filling

INF = float("inf")


def doubles(*values):
    return torch.tensor(values, dtype=torch.float64)


@pytest.mark.parametrize(
    ("scores", "kept", "wanted"),
    [
        ([3.0, -2.0, 1.0], 1, [1 / 2, 1 / 3, 1 / 6]),
        ([3.0, -2.0, 1.0], 2, [1, 2 / 3, 1 / 3]),
        ([8.0, 2.0, 1.0, 1.0], 3, [1, 1, 1 / 2, 1 / 2]),  # 2 reaches 1 only after 8 has
        ([3.0, 2.0, 1.0], 3, [1, 1, 1]),
        ([3.0, 0.0, 0.0, -INF], 2, [1, 1 / 2, 1 / 2, 0]),
        ([3.0, 0.0, -INF], 1, [1, 0, 0]),
        ([1.0, 1.0, 1e-30], 2, [1, 1, 0]),
        ([1.0, 1.0, 1.0, 1e-30], 3, [1, 1, 1, 0]),
        ([3.0, 1.0], 0, [0, 0]),
    ],
)
def test_by_hand(scores, kept, wanted):
    found = water_filling({"w": torch.tensor(scores)}, kept)["w"]
    torch.testing.assert_close(found, doubles(*wanted), atol=1e-12, rtol=1e-12)


def test_the_chances_add_up_and_are_in_proportion_below_one(generator):
    scores = {"a": torch.randn(30, 40, generator=generator).exp(), "b": torch.rand(500, generator=generator)}
    found = water_filling(scores, 900, transform=root)
    assert sum(float(part.sum()) for part in found.values()) == pytest.approx(900, abs=1e-6)
    inside = found["a"] < 1
    assert 0 < int(inside.sum()) < inside.numel()
    levels = found["a"][inside] / scores["a"][inside].sqrt()
    torch.testing.assert_close(levels, levels[:1].expand_as(levels), rtol=1e-6, atol=0)


def test_no_other_chances_have_a_smaller_error(generator):
    norms, w = torch.rand(60, generator=generator), torch.randn(60, generator=generator)
    best = water_filling({"w": norms * w}, 20)["w"]
    least = poisson_error(norms, w, best)
    for _ in range(60):  # move chance from one weight to another
        i, j = torch.randperm(60, generator=generator)[:2].tolist()
        other = best.clone()
        step = 0.1 * min(1 - float(best[i]), float(best[j]))
        other[i] += step
        other[j] -= step
        assert poisson_error(norms, w, other) >= least - 1e-12


def test_it_beats_draws_with_replacement_by_what_theory_says(generator):
    """Gaussian weights, features without preferred direction, half the weights: 0.316 and 1.273 of the output."""
    w, norms = torch.randn(200_000, generator=generator, dtype=torch.float64), torch.ones(200_000)
    scale = float(w.square().sum())
    sparse = poisson_error(norms, w, water_filling({"w": w}, 100_000)["w"])
    replaced = expected_error(norms, w, probabilities({"w": w})["w"], draws=100_000, output=scale**0.5)
    assert sparse / scale == pytest.approx(0.316, abs=0.005)
    assert replaced / scale == pytest.approx(1.273, abs=0.01)


def test_the_error_of_draws_is_what_the_formula_says(generator):
    x, w = (torch.randn(*shape, generator=generator, dtype=torch.float64) for shape in ((10, 30), (30,)))
    chances = water_filling({"w": x.norm(dim=0) * w}, 12)
    sketches = [poisson(chances, generator=generator) for _ in range(800)]
    errors = torch.stack([(x @ (w - sketch.rescaled({"w": w})["w"])).square().sum() for sketch in sketches])
    kept = torch.stack([sketch.masks["w"].sum() for sketch in sketches]).double()
    wanted = poisson_error(x.norm(dim=0), w, chances["w"])
    assert abs(float(errors.mean()) - wanted) < 3 * float(errors.std()) / 800**0.5
    assert abs(float(kept.mean()) - 12) < 3 * float(kept.std()) / 800**0.5


def test_chances_of_nothing_and_of_certainty(generator):
    found = poisson({"w": torch.tensor([0.0, 1.0]).repeat(1000)}, generator=generator)
    assert found.masks["w"].view(1000, 2).unique(dim=0).tolist() == [[False, True]]
    assert found.scale["w"].isfinite().all()
    assert poisson_error(torch.ones(2), torch.tensor([3.0, 0.0]), torch.tensor([1.0, 0.0])) == 0
    assert poisson_error(torch.ones(1), torch.ones(1), torch.zeros(1)) == INF


@pytest.mark.parametrize("chance", [-0.1, 1.1, float("nan")])
def test_what_is_no_probability_is_refused(chance, generator):
    with pytest.raises(ValueError, match="do not all lie in"):
        poisson({"w": torch.tensor([0.5, chance])}, generator=generator)


def test_more_than_are_left_is_refused():
    with pytest.raises(ValueError, match="2 of 1 weights"):
        water_filling({"w": torch.tensor([1.0, -INF])}, 2)
