import pytest
import torch

from tombola.sketch import gumbel_inclusion


def test_by_hand():
    """Of two kinds: 1 - x and 1 - x^2 with x^2 + x = 1, so that one of two stays."""
    x = (5**0.5 - 1) / 2
    found = gumbel_inclusion({"w": torch.tensor([1.0, 2.0])}, 1)["w"]
    torch.testing.assert_close(found, torch.tensor([1 - x, 1 - x * x], dtype=torch.float64))


@pytest.mark.parametrize("kept", [0, 1, 10, 4000, 4999])
def test_the_chances_add_up(kept, generator):
    chances = {"a": torch.randn(50, 80, generator=generator).exp() ** 3, "b": torch.rand(1000, generator=generator)}
    found = gumbel_inclusion(chances, kept)
    assert sum(float(part.sum()) for part in found.values()) == pytest.approx(kept, abs=1e-6)
    order = chances["a"].flatten().argsort()
    assert (found["a"].flatten()[order].diff() >= 0).all()


def test_what_has_no_chance_never_stays():
    found = gumbel_inclusion({"a": torch.tensor([0.0, 0.7]), "b": torch.tensor([0.3])}, 2)
    assert (found["a"].tolist(), found["b"].tolist()) == ([0.0, 1.0], [1.0])


@pytest.mark.parametrize(("chance", "kept"), [(0.0, 1), (1.0, -1), (float("nan"), 1)])
def test_what_is_no_distribution_is_refused(chance, kept):
    with pytest.raises(ValueError, match="probabilities and a number"):
        gumbel_inclusion({"w": torch.tensor([chance])}, kept)
