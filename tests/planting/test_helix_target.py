import math

import numpy as np
import pytest
import torch

from tombola.planting import helix_target
from tombola.planting._helix_target import helix

PUBLISHED = {3: (115, 33), 5: (120, 36), 6: (123, 36), 10: (135, 36)}  # weights and biases [Fischer2022]


def test_the_middle_of_the_helix_by_hand():
    # x = 0: t = 5 pi, cos t = -1, sin t = 0
    np.testing.assert_allclose(helix(np.zeros(1)), [[-5 / 8, 0, 5 / 8]], atol=1e-12)


@pytest.mark.parametrize("depth", [3, 5])
def test_the_interpolant_meets_the_helix_at_its_knots(depth):
    knots = np.linspace(-1, 1, 30)
    found = helix_target(depth)(torch.from_numpy(knots).float()[:, None])
    torch.testing.assert_close(found.detach(), torch.from_numpy(helix(knots)).float(), rtol=0, atol=1e-5)


@pytest.mark.parametrize("depth", [3, 4, 5, 6, 10])
def test_the_largest_error_is_the_published_one(depth):
    x = np.linspace(-1, 1, 20_001)
    error = helix_target(depth)(torch.from_numpy(x).float()[:, None]).detach().numpy() - helix(x)
    assert round(float(np.abs(error).max()), 4) == 0.0487
    assert float(np.abs(error[:, 2]).max()) < 1e-6  # the linear coordinate


@pytest.mark.parametrize("depth", PUBLISHED)
def test_the_sizes_are_the_published_ones_less_the_rounding_residues(depth, sizes):
    # The published generator takes slope changes of all three coordinates in floating point. The third is a line: its
    # 29 changes are zero, but for rounding, which leaves 24 of them (25 after the shift) at about 1e-16.
    knots = np.linspace(-1, 1, 30) if depth == 3 else np.linspace(0, 2, 30)
    line = helix(knots - (depth > 3))[:, 2]
    changes = np.diff(np.diff(line) / np.diff(knots))
    assert float(np.abs(changes).max()) < 1e-14
    weights, biases = PUBLISHED[depth]
    assert sizes(helix_target(depth)) == (weights - np.count_nonzero(changes), biases)


@pytest.mark.parametrize("depth", [3, 5, 10])
def test_it_has_as_many_layers_as_its_depth_says(depth):
    shapes = [tuple(p.shape) for name, p in helix_target(depth).named_parameters() if name.endswith("weight")]
    assert len(shapes) == depth - 1
    assert shapes[0][1] == 1
    assert shapes[-1][0] == 3


@pytest.mark.parametrize("depth", [3, 4, 6])
def test_no_parameter_is_idle(depth, idle):
    assert idle(helix_target(depth), torch.linspace(-1, 1, 2001)[:, None], atol=1e-4) == []


def test_the_third_coordinate_grows_with_the_distance_from_the_axis():
    points = helix(np.linspace(-1, 1, 50))
    np.testing.assert_allclose(np.linalg.norm(points[:, :2], axis=1), points[:, 2], rtol=1e-12)
    assert math.isclose(points[-1, 2], 1.0)


def test_a_depth_without_hidden_layer_is_refused():
    with pytest.raises(ValueError, match=r"helix_target: depth counts.*got 2"):
        helix_target(2)
