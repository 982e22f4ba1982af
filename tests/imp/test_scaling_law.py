import numpy as np
import pytest

from tombola.imp import ScalingLaw, fit_scaling_law, prunable_to

DENSITIES = 0.8 ** np.arange(0, 41)
LAW = ScalingLaw(dense=0.08, top=0.85, gamma=0.5, p=1e-3)
# A ResNet-20 on CIFAR-10 with weight rewinding: accuracies in percent at densities 0.8^0, 0.8^5, ..., 0.8^40.
RESNET = 1 - np.array([91.67, 92.01, 90.90, 85.59, 77.07, 63.36, 45.66, 22.58, 12.87]) / 100


def errors(law, densities=DENSITIES):
    return np.array([law(density) for density in densities.tolist()])


def test_the_law_has_a_plateau_a_power_law_and_a_top():
    assert ScalingLaw(dense=0.08, top=0.85, gamma=0.5, p=1e-5)(1.0) == pytest.approx(0.08, rel=1e-3)
    assert LAW(1e-7) == pytest.approx(LAW.top, rel=1e-3)
    middle = np.sqrt(LAW.p * LAW.knee)
    slope = np.log(LAW(middle * 1.01) / LAW(middle / 1.01)) / np.log(1.01**2)
    assert slope == pytest.approx(-LAW.gamma, rel=0.02)


@pytest.mark.parametrize(("gamma", "p", "top"), [(0.5, 1e-3, 0.85), (0.3, 2e-3, 0.7), (1.2, 5e-3, 0.89)])
def test_planted_constants_are_found(gamma, p, top):
    law = ScalingLaw(dense=0.08, top=top, gamma=gamma, p=p)
    found = fit_scaling_law(DENSITIES, errors(law), dense=0.08, classes=10)
    assert (found.gamma, found.p, found.top) == pytest.approx((gamma, p, top), rel=0.01)


def test_a_published_row_is_fitted_within_seven_percent():
    densities = DENSITIES[::5]
    found = fit_scaling_law(densities, RESNET, dense=0.0833, classes=10)
    assert found.gamma == pytest.approx(0.432, abs=0.02)
    assert found.p == pytest.approx(4.8e-4, rel=0.05)
    assert found.top == pytest.approx(0.877, abs=0.01)
    assert np.abs(errors(found, densities) / RESNET - 1).max() < 0.08


def test_errors_that_stay_below_half_of_chance_are_refused():
    densities = np.array([1.0, 0.512, 0.21, 0.107])
    with pytest.raises(ValueError, match="measure at lower densities"):
        fit_scaling_law(densities, np.array([0.0827, 0.0801, 0.0833, 0.09]), dense=0.0827, classes=10)


def test_too_few_densities_on_the_power_law_are_refused():
    with pytest.raises(ValueError, match="lie on the power law"):
        fit_scaling_law(np.array([1.0, 0.9, 1e-6]), np.array([0.08, 0.08, 0.85]), dense=0.08, classes=10)


def test_how_far_one_can_prune_comes_with_an_interval_that_holds_the_truth():
    generator, inside = np.random.default_rng(0), 0
    wanted = LAW.density_for(0.16)
    for _ in range(5):
        noisy = errors(LAW) * (1 + 0.03 * generator.normal(size=DENSITIES.size))
        found = fit_scaling_law(DENSITIES, np.minimum(noisy, 1.0), dense=0.08, classes=10)
        low, estimate, high = prunable_to(
            found, DENSITIES, np.minimum(noisy, 1.0), error=0.16, classes=10, draws=40, generator=generator
        )
        assert low <= estimate <= high
        inside += low <= wanted <= high
    assert inside >= 4


@pytest.mark.parametrize("error", [0.05, 0.08, 0.1, 0.3, 0.8])
def test_density_for_is_the_inverse(error):
    density = LAW.density_for(error)
    assert density == 1.0 or LAW(density) == pytest.approx(error, rel=1e-9)


@pytest.mark.parametrize(
    ("densities", "found", "dense", "message"),
    [
        ([1.0, 0.5], [0.1, 0.2], 0.1, "3 at least"),
        ([1.0, 0.5, 0.0], [0.1, 0.2, 0.9], 0.1, "fractions"),
        ([1.0, 0.5, 0.1], [0.1, 0.2, 90.0], 0.1, "fractions"),
        ([1.0, 0.5, 0.1], [0.1, 0.2, 0.9], 0.95, "below chance"),
    ],
)
def test_data_that_make_no_sense_are_refused(densities, found, dense, message):
    with pytest.raises(ValueError, match=message):
        fit_scaling_law(np.array(densities), np.array(found), dense=dense, classes=10)


def test_an_error_beyond_the_top_has_no_density():
    with pytest.raises(ValueError, match="stays below"):
        LAW.density_for(0.9)


def test_a_dense_error_near_chance_is_refused_in_words():
    with pytest.raises(ValueError, match="lie on the power law"):
        fit_scaling_law(np.array([1.0, 0.1, 0.01]), np.array([0.87, 0.88, 0.89]), dense=0.87, classes=10)
