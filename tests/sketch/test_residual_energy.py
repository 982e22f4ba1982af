import pytest
import torch

from tombola.select import top
from tombola.sketch import sampled_energy, sketch, top_energy

TABLE = [
    (0.5, 0.071, 0.224),
    (0.2, 0.350, 0.633),
    (0.1, 0.561, 0.808),
    (0.05, 0.721, 0.902),
    (0.02, 0.856, 0.960),
    (0.01, 0.916, 0.980),
]


@pytest.mark.parametrize(("density", "largest", "drawn"), TABLE)
def test_figures(density, largest, drawn):
    assert top_energy(density) == pytest.approx(largest, abs=1e-3)
    assert sampled_energy(density) == pytest.approx(drawn, abs=1e-3)


def test_a_million_gaussian_weights(generator):
    w = torch.randn(1_000_000, generator=generator)
    energy = w.square() / w.square().sum()
    for density in (0.5, 0.1, 0.01):
        kept = round(density * 1_000_000)
        for mask, wanted in (
            (top({"w": w.abs()}, kept), top_energy(density)),
            (sketch()({"w": w}, kept, generator=generator), sampled_energy(density)),
        ):
            assert float(energy[~mask["w"]].sum()) == pytest.approx(wanted, abs=0.01)


def test_ends_and_order():
    assert top_energy(1.0) == sampled_energy(1.0) == 0
    for density in (1e-6, 0.3, 0.9, 0.999, 1 - 1e-6):
        assert 0 <= top_energy(density) < sampled_energy(density) < 1 - density


@pytest.mark.parametrize("density", [0.0, -0.1, 1.1, float("nan")])
def test_densities_out_of_range_are_refused(density):
    with pytest.raises(ValueError, match="density is the kept fraction"):
        top_energy(density)
    with pytest.raises(ValueError, match="density is the kept fraction"):
        sampled_energy(density)
