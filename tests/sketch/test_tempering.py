import math

import pytest
import torch

from tombola.sketch import data_free_error, probabilities, tempering


def test_half_the_power():
    unmoved, forgotten = tempering(0.5)
    assert unmoved == pytest.approx(1 / math.sqrt(2), abs=1e-9)
    assert forgotten == pytest.approx(math.sqrt(2), abs=1e-9)


@pytest.mark.parametrize(
    ("exponent", "unmoved", "forgotten"),
    [(0.0, 1, 1), (0.25, 0.812, 1.082), (0.75, 0.653, 2.613), (0.9, 0.639, 6.392), (1.0, 2 / math.pi, math.inf)],
)
def test_other_powers(exponent, unmoved, forgotten):
    assert tempering(exponent) == pytest.approx((unmoved, forgotten), abs=5e-4)


@pytest.mark.parametrize("exponent", [0.25, 0.5])
def test_the_constants_are_those_of_many_weights(exponent, generator):
    initial, other = (torch.randn(1_000_000, generator=generator, dtype=torch.float64) for _ in range(2))
    p = probabilities({"w": initial}, temperature=1 / exponent)["w"]
    uniform = torch.full_like(p, 1e-6)
    for trained, wanted in zip((initial, other), tempering(exponent), strict=True):
        ratio = data_free_error(trained, p, draws=1) / data_free_error(trained, uniform, draws=1)
        assert ratio == pytest.approx(wanted, rel=0.01)


@pytest.mark.parametrize("exponent", [-0.1, 1.1, float("nan")])
def test_powers_out_of_range_are_refused(exponent):
    with pytest.raises(ValueError, match="exponent lies in"):
        tempering(exponent)
