import pytest
import torch

from tombola.data import Scaling
from tombola.data._scaling import fit_scaling


def test_the_formula_by_hand():
    scaled = Scaling("standard", shift=2.0, scale=4.0)(torch.tensor([2, 4, 10], dtype=torch.uint8))
    torch.testing.assert_close(scaled, torch.tensor([0.0, 0.5, 2.0]), rtol=0, atol=0)


@pytest.mark.parametrize(
    ("values", "shift", "scale"),
    [
        (torch.tensor([0, 7], dtype=torch.uint8), 0.0, 255.0),
        (torch.tensor([0.0, 0.3]), 0.0, 1.0),
        (torch.tensor([-1.0, 3.0]), -1.0, 4.0),
    ],
)
def test_unit_maps_into_the_unit_interval(values, shift, scale):
    scaling = fit_scaling("unit", values)
    assert scaling == Scaling("unit", shift, scale)
    assert scaling(values).min() >= 0
    assert scaling(values).max() <= 1


def test_standard_has_mean_zero_and_variance_one(generator):
    values = torch.randint(0, 256, (500, 3), generator=generator, dtype=torch.uint8)
    scaled = fit_scaling("standard", values)(values)
    torch.testing.assert_close(scaled.mean(), torch.tensor(0.0), rtol=0, atol=1e-6)
    torch.testing.assert_close(scaled.std(correction=0), torch.tensor(1.0), rtol=0, atol=1e-5)


def test_none_changes_only_the_type():
    scaled = fit_scaling("none", torch.tensor([3, 200], dtype=torch.uint8))(torch.tensor([3, 200]))
    torch.testing.assert_close(scaled, torch.tensor([3.0, 200.0]), rtol=0, atol=0)


@pytest.mark.parametrize(
    "scaling", [Scaling("standard", 0.1 + 0.2, 1 / 3), Scaling("none"), Scaling("unit", 0.0, 16.0)]
)
def test_metadata_gives_the_scaling_back_exactly(scaling):
    assert Scaling.from_metadata({**scaling.metadata(), "other": "1"}) == scaling


@pytest.mark.parametrize("missing", ["scaling", "scaling_shift", "scaling_scale"])
def test_missing_metadata_is_named(missing):
    entries = Scaling("unit").metadata()
    del entries[missing]
    with pytest.raises(ValueError, match=f"'{missing}'"):
        Scaling.from_metadata(entries)


def test_numbers_and_kinds_that_make_no_scaling_are_refused():
    with pytest.raises(ValueError, match="unknown scaling 'minmax'; known are unit"):
        fit_scaling("minmax", torch.zeros(2))
    for shift, scale in [(0.0, 0.0), (0.0, -1.0), (float("nan"), 1.0), (0.0, float("inf"))]:
        with pytest.raises(ValueError, match="finite and scale positive"):
            Scaling("unit", shift, scale)
    with pytest.raises(ValueError, match="could not convert"):
        Scaling.from_metadata({"scaling": "unit", "scaling_shift": "x", "scaling_scale": "1"})


@pytest.mark.parametrize("kind", ["unit", "standard"])
def test_a_constant_training_set_is_refused(kind):
    with pytest.raises(ValueError, match="all inputs of the training set are equal"):
        fit_scaling(kind, torch.full((3, 2), 7.0))
