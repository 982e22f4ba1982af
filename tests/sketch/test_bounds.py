import numpy as np
import pytest
import torch

from tombola.sketch import (
    displacement_bound,
    expected_error,
    high_probability_bound,
    mixture_bound,
    optimal_probabilities,
    overlap,
    overlap_bound,
    probabilities,
    ratio_bound,
)

DRAWS = 40


def normal(generator, *shape):
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@pytest.fixture
def problem(generator):
    x, initial = normal(generator, 50, 200), normal(generator, 200)
    return x, initial, initial + 0.3 * normal(generator, 200)


def true_error(x, w, p):
    return expected_error(x.norm(dim=0), w, p, draws=DRAWS, output=float((x @ w).norm()))


def test_the_overlap_bound_holds(problem):
    x, initial, trained = problem
    norms = x.norm(dim=0)
    p = probabilities({"w": norms * initial}, mixture=0.2)["w"]
    error, bound = true_error(x, trained, p), overlap_bound(norms, trained, p, draws=DRAWS)
    beta = overlap(norms, trained, p)
    assert 0 < beta < 1
    assert error < bound <= float(norms.square().sum() * trained.square().sum()) / (beta * DRAWS)


def test_the_bounds_for_initially_optimal_probabilities_hold(problem):
    x, initial, trained = problem
    norms = x.norm(dim=0)
    error = true_error(x, trained, optimal_probabilities(norms, initial))
    assert error < ratio_bound(norms, initial, trained, draws=DRAWS)
    assert error < displacement_bound(norms, initial, trained, draws=DRAWS)


def test_without_training_the_ratio_bound_is_tight_but_for_the_output(problem):
    x, initial, _ = problem
    norms = x.norm(dim=0)
    error = true_error(x, initial, optimal_probabilities(norms, initial))
    bound = ratio_bound(norms, initial, initial, draws=DRAWS)
    assert bound - error == pytest.approx(float((x @ initial).square().sum()) / DRAWS, rel=1e-9)
    assert displacement_bound(norms, initial, initial, draws=DRAWS) == pytest.approx(2 * bound, rel=1e-12)
    assert overlap_bound(norms, initial, optimal_probabilities(norms, initial), draws=DRAWS) == pytest.approx(bound)


@pytest.mark.parametrize("mixture", [0.05, 0.2, 1.0])
def test_a_mixture_bounds_the_error_whatever_training_did(mixture, problem, generator):
    x, initial, _ = problem
    norms, trained = x.norm(dim=0), normal(generator, 200)
    p = probabilities({"w": norms * initial}, mixture=mixture)["w"]
    assert true_error(x, trained, p) < mixture_bound(norms, trained, mixture=mixture, draws=DRAWS)


@pytest.mark.parametrize("mixture", [0.0, 0.3])
def test_the_bound_with_high_probability_is_never_broken_in_many_draws(mixture, problem):
    x, w, _ = problem
    norms = x.norm(dim=0)
    p = probabilities({"w": norms * w}, mixture=mixture)["w"]
    counts = np.random.default_rng(0).multinomial(DRAWS, p / p.sum(), size=20_000)
    errors = ((torch.from_numpy(counts) / (DRAWS * p) - 1) * w @ x.T).square().sum(1)
    bound = high_probability_bound(norms, w, draws=DRAWS, failure=0.01, beta=overlap(norms, w, p))
    assert float(errors.max()) < bound
    assert bound > 10 * float(errors.quantile(0.99))  # loose, as its docstring says


def test_no_chance_for_a_weight_that_matters_is_no_bound():
    ones, half = torch.ones(2), torch.tensor([1.0, 0.0])
    assert overlap(ones, ones, half) == 0
    assert overlap_bound(ones, ones, half, draws=3) == float("inf")
    assert overlap(ones, half, half) == 1
    assert ratio_bound(ones, half, ones, draws=3) == float("inf")
    assert ratio_bound(ones, half, half, draws=4) == 0.25
    assert displacement_bound(ones, half, ones, draws=3) == float("inf")
    assert ratio_bound(ones, ones, torch.zeros(2), draws=3) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda w: high_probability_bound(w, w, draws=3, failure=0.0), "failure lies in"),
        (lambda w: high_probability_bound(w, w, draws=3, failure=0.1, beta=0.0), "beta in"),
        (lambda w: high_probability_bound(w, w, draws=0, failure=0.1), "draws must be"),
        (lambda w: overlap_bound(w, w, w, draws=0), "draws must be"),
        (lambda w: ratio_bound(w, w, w, draws=0), "draws must be"),
        (lambda w: displacement_bound(w, w, w, draws=0), "draws must be"),
        (lambda w: mixture_bound(w, w, mixture=0.0, draws=3), "mixture lies in"),
        (lambda w: mixture_bound(w, w, mixture=0.5, draws=0), "draws must be"),
    ],
)
def test_numbers_out_of_range_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(torch.ones(2))
