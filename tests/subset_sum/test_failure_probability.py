import numpy as np
import pytest
from numpy.testing import assert_allclose

from tombola.subset_sum import failure_probability, nearest


def simulated(n, epsilons, trials):
    random = np.random.default_rng(n)
    errors = nearest(random.uniform(-1, 1, (trials, n)), random.uniform(-1, 1, trials)).error
    return [(errors > epsilon).mean() for epsilon in epsilons]


def test_by_hand():
    """n = 1, epsilon = 1: no target is missed by more than 1, so only the fitted gap term is left."""
    assert_allclose(failure_probability(1, 1.0), 0.5 / (1 / (0.74 * 2.4 * 1.0233267 / 4)), rtol=1e-4)
    assert failure_probability(5, 0.0) == 1.0


@pytest.mark.parametrize(("n", "trials"), [(8, 20_000), (10, 40_000), (12, 40_000), (14, 80_000), (16, 80_000)])
def test_agrees_with_simulation(n, trials):
    """Within 25 %, plus three standard deviations of the simulated share."""
    epsilons = (0.001, 0.003, 0.01, 0.03)
    for epsilon, share in zip(epsilons, simulated(n, epsilons, trials), strict=True):
        if share < 0.5:
            noise = 3 * np.sqrt(share * (1 - share) / trials)
            assert_allclose(failure_probability(n, epsilon), share, rtol=0.25, atol=noise)


def test_published_table():
    """P(error > .01) of private pools; 20,000 to 200,000 trials each, so the last ones rest on 50 failures."""
    for n, share in {8: 0.29, 10: 0.079, 12: 0.023, 14: 0.0070, 16: 0.0024, 18: 5.5e-4, 20: 2.5e-4}.items():
        assert_allclose(failure_probability(n, 0.01), share, rtol=0.25 if n < 18 else 0.5)


def test_pools_out_of_reach_are_a_lower_bound():
    """At a large tolerance gaps do not matter: what fails are pools whose numbers of one sign are too few."""
    share = simulated(14, [0.1], 80_000)[0]
    random = np.random.default_rng(1)
    pools, targets = random.uniform(-1, 1, (80_000, 14)), random.uniform(-1, 1, 80_000)
    reach = np.where(targets > 0, np.maximum(pools, 0).sum(1), -np.minimum(pools, 0).sum(1))
    unreached = (np.abs(targets) - reach > 0.1).mean()
    assert_allclose(share, unreached, rtol=0.35)
    assert failure_probability(14, 0.1) >= unreached - 3 * np.sqrt(unreached / 80_000)


def test_falls_with_n_and_epsilon():
    shares = np.array([[failure_probability(n, epsilon) for epsilon in (1e-4, 1e-3, 1e-2)] for n in range(1, 41)])
    assert (np.diff(shares, axis=0) < 0).all()
    assert (np.diff(shares, axis=1) < 0).all()
    assert ((shares > 0) & (shares <= 1)).all()


@pytest.mark.parametrize(("n", "epsilon"), [(0, 0.1), (5, -0.1), (5, 1.1)])
def test_bad_input_is_refused(n, epsilon):
    with pytest.raises(ValueError, match="n must be at least 1 and epsilon from 0 to 1"):
        failure_probability(n, epsilon)
