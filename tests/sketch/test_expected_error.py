import numpy as np
import pytest
import torch

from tombola.sketch import data_free_error, expected_error, optimal_probabilities, probabilities, with_replacement

N, D, DRAWS, REPEATS = 50, 200, 40, 4000


@pytest.fixture
def problem():
    """A linear model whose features have norms of their own."""
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(N, D, generator=generator, dtype=torch.float64) * torch.rand(D, generator=generator).double() * 2
    return x, torch.randn(D, generator=generator, dtype=torch.float64)


def measured(x, w, p):
    """Squared errors of sketches with replacement: their mean and its standard error."""
    counts = np.random.default_rng(0).multinomial(DRAWS, p / p.sum(), size=REPEATS)
    return mean_of((x, w), torch.from_numpy(counts) / (DRAWS * p))


def mean_of(problem, scales):
    x, w = problem
    errors = ((scales - 1) * w @ x.T).square().sum(1)
    return float(errors.mean()), float(errors.std()) / len(errors) ** 0.5


@pytest.mark.parametrize("kind", ["optimal", "magnitude", "uniform"])
def test_the_formula_is_what_independent_draws_do(kind, problem):
    x, w = problem
    norms = x.norm(dim=0)
    p = {
        "optimal": optimal_probabilities(norms, w),
        "magnitude": probabilities({"w": w})["w"],
        "uniform": torch.full_like(w, 1 / D),
    }[kind]
    mean, error = measured(x, w, p)
    assert abs(mean - expected_error(norms, w, p, draws=DRAWS, output=float((x @ w).norm()))) < 3 * error


def test_the_formula_is_what_sketches_do(problem, generator):
    x, w = problem
    norms = x.norm(dim=0)
    p = optimal_probabilities(norms, w)
    scales = [with_replacement({"w": p}, DRAWS, generator=generator).scale["w"] for _ in range(800)]
    mean, error = mean_of(problem, torch.stack(scales))
    assert abs(mean - expected_error(norms, w, p, draws=DRAWS, output=float((x @ w).norm()))) < 3 * error


def test_the_formula_holds_for_weights_after_training(problem, generator):
    x, initial = problem
    trained = initial + 0.5 * torch.randn(D, generator=generator, dtype=torch.float64)
    norms = x.norm(dim=0)
    p = probabilities({"w": norms * initial}, mixture=0.2)["w"]
    mean, error = measured(x, trained, p)
    assert abs(mean - expected_error(norms, trained, p, draws=DRAWS, output=float((x @ trained).norm()))) < 3 * error


def test_no_other_probabilities_have_a_smaller_error(problem, generator):
    x, w = problem
    norms, output = x.norm(dim=0), float((x @ w).norm())
    best = optimal_probabilities(norms, w)
    least = expected_error(norms, w, best, draws=1, output=output)
    total = float((norms * w.abs()).sum())
    assert least == pytest.approx(total**2 - output**2, rel=1e-12)
    for _ in range(20):
        other = best * torch.rand(D, generator=generator, dtype=torch.float64)
        assert expected_error(norms, w, other / other.sum(), draws=1, output=output) > least


def test_one_sided_choices_have_the_error_of_the_product_of_norms(problem):
    x, w = problem
    norms, output = x.norm(dim=0), float((x @ w).norm())
    for energies in (w.square(), norms.square()):
        found = expected_error(norms, w, energies / energies.sum(), draws=7, output=output)
        assert found == pytest.approx((float(norms.square().sum() * w.square().sum()) - output**2) / 7, rel=1e-12)


def test_isotropic_gaussians_save_two_over_pi_and_data_hardly_more():
    generator, n, d = torch.Generator().manual_seed(0), 64, 4000
    x = torch.randn(n, d, generator=generator, dtype=torch.float64)
    w = torch.randn(d, generator=generator, dtype=torch.float64)
    uniform, magnitude = torch.full_like(w, 1 / d), probabilities({"w": w})["w"]
    norms, output = x.norm(dim=0), float((x @ w).norm())
    errors = [
        expected_error(norms, w, p, draws=100, output=output)
        for p in (optimal_probabilities(norms, w), magnitude, uniform)
    ]
    assert errors[1] / errors[2] == pytest.approx(2 / np.pi, abs=0.01)
    assert 0.98 <= errors[0] / errors[1] <= 1
    data_free = [data_free_error(w, p, draws=100) for p in (magnitude, uniform)]
    assert data_free[0] / data_free[1] == pytest.approx(2 / np.pi, abs=0.01)


def test_without_data_the_error_is_that_on_average_over_data(generator):
    w = torch.randn(30, generator=generator, dtype=torch.float64)
    p = probabilities({"w": w}, mixture=0.1)["w"]
    found = []
    for _ in range(4000):
        x = 1.5 * torch.randn(8, 30, generator=generator, dtype=torch.float64)
        found.append(expected_error(x.norm(dim=0), w, p, draws=5, output=float((x @ w).norm())))
    wanted = data_free_error(w, p, draws=5, samples=8, variance=1.5**2)
    assert abs(np.mean(found) - wanted) < 3 * np.std(found) / 4000**0.5


def test_without_data_magnitude_is_the_best(generator):
    w = torch.randn(30, generator=generator, dtype=torch.float64)
    least = data_free_error(w, optimal_probabilities(torch.ones(30), w), draws=1)
    assert least == pytest.approx(float(w.abs().sum() ** 2 - w.square().sum()), rel=1e-12)
    for temperature in (0.5, 0.9, 1.1, 2.0, float("inf")):
        assert data_free_error(w, probabilities({"w": w}, temperature=temperature)["w"], draws=1) > least


def test_what_is_never_drawn_counts_only_if_it_matters():
    ones = torch.ones(2)
    assert expected_error(ones, torch.tensor([1.0, 0.0]), torch.tensor([1.0, 0.0]), draws=1, output=1.0) == 0
    assert expected_error(ones, ones, torch.tensor([1.0, 0.0]), draws=1, output=1.0) == float("inf")


def test_no_draw_is_refused():
    with pytest.raises(ValueError, match="draws must be at least 1"):
        expected_error(torch.ones(2), torch.ones(2), torch.ones(2), draws=0, output=1.0)
    with pytest.raises(ValueError, match="draws must be at least 1"):
        data_free_error(torch.ones(2), torch.ones(2), draws=0)
