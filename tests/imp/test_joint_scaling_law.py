import numpy as np
import pytest

from tombola.imp import JointScalingLaw, ScalingLaw, fit_joint_scaling_law, fit_scaling_law

DENSITIES = 0.8 ** np.arange(0, 41, 2)
NETWORKS = [(depth, width) for depth in (8.0, 20.0, 50.0) for width in (0.5, 1.0, 2.0)]
LAW = JointScalingLaw(top=0.85, gamma=0.5, p=0.05, phi=1.2, psi=1.6)


def dense_error(depth, width):
    return 0.16 * depth**-0.2 * width**-0.15


def table(law, networks=NETWORKS, densities=DENSITIES):
    """Depths, widths, densities, errors and dense errors, a row for each measurement."""
    rows = []
    for depth, width in networks:
        dense = dense_error(depth, width)
        single = law.of(depth=depth, width=width, dense=dense)
        rows += [(depth, width, density, single(density), dense) for density in densities.tolist()]
    return np.array(rows).T


def fitted(columns, classes=10):
    *first, dense = columns
    return fit_joint_scaling_law(*first, dense=dense, classes=classes)


def constants(law):
    return law.top, law.gamma, law.p, law.phi, law.psi


def test_a_network_twice_as_wide_is_pruned_twice_as_far():
    law = JointScalingLaw(top=0.9, gamma=0.5, p=0.01, phi=0.0, psi=1.0)
    one, two = (law.of(depth=8.0, width=width, dense=0.1) for width in (1.0, 2.0))
    assert (one, two) == (ScalingLaw(0.1, 0.9, 0.5, 0.01), ScalingLaw(0.1, 0.9, 0.5, 0.005))
    assert two.density_for(0.3) == pytest.approx(one.density_for(0.3) / 2)


def test_errors_of_all_networks_collapse():
    """With equal dense errors they are one curve of `depth^phi width^psi density`."""
    for depth, width in NETWORKS:
        density = 0.02 / (depth**LAW.phi * width**LAW.psi)
        assert LAW.of(depth=depth, width=width, dense=0.1)(density) == pytest.approx(
            LAW.of(depth=1.0, width=1.0, dense=0.1)(0.02)
        )


@pytest.mark.parametrize(
    "law",
    [
        LAW,
        JointScalingLaw(top=0.7, gamma=0.3, p=0.02, phi=0.7, psi=1.0),
        JointScalingLaw(top=0.88, gamma=1.2, p=0.4, phi=1.5, psi=-0.5),
    ],
)
def test_planted_constants_are_found(law):
    assert constants(fitted(table(law))) == pytest.approx(constants(law), rel=0.01)


def test_three_networks_are_enough():
    found = fitted(table(LAW, [(8.0, 1.0), (20.0, 1.0), (20.0, 0.5)]))
    assert constants(found) == pytest.approx(constants(LAW), rel=0.01)


def test_units_change_p_and_nothing_else():
    depths, widths, *others = table(LAW)
    found = fitted([depths, 16 * widths, *others])
    wanted = (LAW.top, LAW.gamma, LAW.p * 16**LAW.psi, LAW.phi, LAW.psi)
    assert constants(found) == pytest.approx(wanted, rel=0.01)


def test_through_noise_as_large_as_between_seeds():
    columns = table(LAW)
    columns[3] *= 1 + 0.034 * np.random.default_rng(0).normal(size=columns[3].size)
    found = fitted(columns)
    assert constants(found) == pytest.approx(constants(LAW), rel=0.1)
    unseen = dict(depth=110.0, width=1.0, dense=dense_error(110.0, 1.0))
    assert found.of(**unseen).density_for(0.2) == pytest.approx(LAW.of(**unseen).density_for(0.2), rel=0.1)


def test_for_one_network_it_is_the_law_that_is_fitted_to_it_alone():
    columns = table(LAW)
    one = columns[:, (columns[0] == 20) & (columns[1] == 1)]
    alone = fit_scaling_law(one[2], one[3], dense=float(one[4, 0]), classes=10)
    joint = fitted(columns).of(depth=20.0, width=1.0, dense=float(one[4, 0]))
    assert (alone.gamma, alone.p, alone.top) == pytest.approx((joint.gamma, joint.p, joint.top), rel=0.01)


@pytest.mark.parametrize(
    "networks",
    [
        [(8.0, 1.0)],
        [(8.0, 1.0), (20.0, 1.0), (50.0, 1.0)],
        [(20.0, 0.5), (20.0, 1.0), (20.0, 2.0)],
        [(8.0, 0.5), (20.0, 1.0)],
        [(8.0, 0.5), (16.0, 1.0), (32.0, 2.0)],  # depth and width in step
    ],
)
def test_networks_that_differ_too_little_are_refused(networks):
    with pytest.raises(ValueError, match="tell depth from width"):
        fitted(table(LAW, networks))


def test_networks_that_differ_only_on_the_plateau_are_refused():
    networks = [(8.0, 0.5), (8.0, 1.0), (50.0, 0.5)]
    columns = table(LAW, networks)
    plateau = (columns[0] == 50) & (columns[2] < 0.9)
    with pytest.raises(ValueError, match="the networks on the power law differ too little"):
        fitted(columns[:, ~plateau])


def test_errors_that_stay_below_half_of_chance_are_refused():
    with pytest.raises(ValueError, match="measure at lower densities"):
        fitted(table(LAW, densities=np.array([1.0, 0.8, 0.5, 0.2])))


def test_too_few_densities_on_the_power_law_are_refused():
    with pytest.raises(ValueError, match="lie on the power law"):
        fitted(table(LAW, densities=np.array([1.0, 0.95, 1e-7])))


@pytest.mark.parametrize(
    ("row", "value", "said"),
    [
        (0, 0.0, "positive"),
        (1, -1.0, "positive"),
        (2, 1.5, "fractions"),
        (3, 45.0, "fractions"),
        (4, 0.95, "below chance"),
    ],
)
def test_data_that_make_no_sense_are_refused(row, value, said):
    columns = table(LAW)
    columns[row, 3] = value
    with pytest.raises(ValueError, match=said):
        fitted(columns)


@pytest.mark.parametrize("change", [{"depth": 0.0}, {"width": -1.0}, {"dense": 0.0}, {"dense": 0.9}])
def test_a_network_out_of_range_has_no_law(change):
    with pytest.raises(ValueError, match=r"the dense error lies in \(0, 0.85\)"):
        LAW.of(**{"depth": 8.0, "width": 1.0, "dense": 0.1, **change})
