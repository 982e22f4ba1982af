"""One exchange by hand, and its edges."""

import math

import pytest
import torch
from scipy import stats

from tombola.dynamic import DropAndGrow, rigl, sparse_evolution


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def of(text):
    """A mask from ones and zeros."""
    return torch.tensor([mark == "1" for mark in text])


def exchanged(method, kept, share, *, weight=None, gradient=None, ever=None):
    kept = of(kept)
    weight = torch.where(kept, torch.arange(1.0, len(kept) + 1), torch.zeros(())) if weight is None else weight
    gradient = torch.zeros(len(kept)) if gradient is None else gradient
    after = method.exchange(weight, gradient, kept, kept if ever is None else of(ever), share)
    return "".join("1" if mark else "0" for mark in after.tolist())


def test_rigl_by_hand():
    """Of 5 kept, floor(0.5 * 5) = 2 go, the smallest moduli; the two pruned of largest gradient come."""
    weight = torch.tensor([3.0, -0.1, 2.0, -0.2, 1.0, 0, 0, 0, 0, 0])
    gradient = torch.tensor([9.0, 0.0, 9.0, 0.0, 9.0, 1.0, -4.0, 2.0, 3.0, 0.0])
    method = rigl(steps=100, generator=seeded())
    assert exchanged(method, "1111100000", 0.5, weight=weight, gradient=gradient) == "1010101010"


def test_a_dropped_weight_may_come_back_or_not():
    weight = torch.tensor([3.0, -0.1, 2.0, 0.0, 0.0])
    gradient = torch.tensor([0.0, 9.0, 0.0, 2.0, 3.0])
    settings = {"weight": weight, "gradient": gradient}
    assert exchanged(rigl(steps=1, generator=seeded()), "11100", 0.4, **settings) == "11100"
    other = rigl(steps=1, generator=seeded(), regrow_dropped=False)
    assert exchanged(other, "11100", 0.4, **settings) == "10101"


def test_only_unused_weights_grow_if_asked():
    method = rigl(steps=1, generator=seeded(), only_unused=True)
    gradient = torch.tensor([0.0, 0.0, 9.0, 1.0, 2.0, 9.0])
    assert exchanged(method, "110000", 0.5, gradient=gradient, ever="111001") == "010010"
    assert exchanged(method, "111000", 0.9, gradient=gradient, ever="111011") == "011100"  # one is left, not two
    assert exchanged(method, "110000", 0.5, gradient=gradient, ever="111111") == "110000"


@pytest.mark.parametrize("regrow", [True, False])
@pytest.mark.parametrize(
    ("kept", "share"), [("111111", 0.5), ("110000", 0.4), ("000000", 0.5)], ids=["dense", "no drop", "empty"]
)
def test_nothing_to_exchange_leaves_the_very_mask(regrow, kept, share):
    kept = of(kept)
    method = sparse_evolution(steps=1, generator=seeded(), regrow_dropped=regrow)
    assert method.exchange(torch.ones(6), torch.ones(6), kept, kept, share) is kept


@pytest.mark.parametrize("regrow", [True, False])
def test_fewer_pruned_weights_than_drops(regrow):
    """Six of seven kept, three to be dropped, one pruned."""
    method = rigl(steps=1, generator=seeded(), regrow_dropped=regrow)
    gradient = torch.tensor([0.0, 0.0, 0, 0, 0, 0, 1.0])
    after = exchanged(method, "1111110", 0.5, gradient=gradient)
    assert after.count("1") == 6
    assert after[6] == "1"
    if not regrow:
        assert after == "0111111"


@pytest.mark.parametrize("make", [rigl, sparse_evolution])
@pytest.mark.parametrize("regrow", [True, False])
@pytest.mark.parametrize("unused", [True, False])
@pytest.mark.parametrize("share", [0.01, 0.3, 0.77, 1.0])
def test_counts_stay_and_the_largest_stay(make, regrow, unused, share):
    generator = seeded(1)
    method = make(steps=1, generator=generator, regrow_dropped=regrow, only_unused=unused)
    for kept_fraction in (0.05, 0.5, 0.95):
        kept = torch.rand(13, 7, generator=generator) < kept_fraction
        ever = kept | (torch.rand(13, 7, generator=generator) < 0.3)
        weight, gradient = torch.randn(2, 13, 7, generator=generator)
        after = method.exchange(weight, gradient, kept, ever, share)
        number = int(kept.sum())
        assert int(after.sum()) == number
        gone, stayed = kept & ~after, kept & after
        assert int(gone.sum()) <= math.floor(share * number)
        if gone.any() and stayed.any() and not regrow:
            assert weight[gone].abs().max() <= weight[stayed].abs().min()
        if unused:
            assert not (after & ~kept & ever).any()


@pytest.mark.parametrize("regrow", [True, False])
def test_growth_of_set_is_uniform(regrow):
    """3 of the 12 (or of the 12 and the 3 dropped) in 1500 draws."""
    method = sparse_evolution(steps=1, generator=seeded(5), regrow_dropped=regrow)
    weight, kept = torch.arange(18.0), torch.arange(18) < 6
    gradient = torch.linspace(0, 1, 18)
    hits = sum(method.exchange(weight, gradient, kept, kept, 0.5).long() for _ in range(1500))
    assert hits[3:6].tolist() == [1500] * 3  # the largest stay
    places = torch.cat([hits[:3], hits[6:]]) if regrow else hits[6:]
    assert int(places.sum()) == 4500
    assert regrow or hits[:3].sum() == 0
    assert stats.chisquare(places.numpy()).pvalue > 0.01


def test_ties_of_rigl_are_broken_by_chance():
    method = rigl(steps=1, generator=seeded(6), regrow_dropped=False)
    kept = torch.arange(18) < 6
    hits = sum(method.exchange(torch.ones(18), torch.zeros(18), kept, kept, 0.5).long() for _ in range(1500))
    assert stats.chisquare(hits[:6].numpy()).pvalue > 0.01
    assert stats.chisquare(hits[6:].numpy()).pvalue > 0.01


def test_the_share_falls_along_half_a_cosine():
    method = rigl(steps=1000, every=10, fraction=0.4, until=0.5, generator=seeded())
    assert [method.share(step) for step in (0, 5, 499, 500, 510, 2000)] == [0.0] * 6
    torch.testing.assert_close(method.share(250), 0.2)
    torch.testing.assert_close(method.share(10), 0.2 * (1 + math.cos(math.pi / 50)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "steps and every must be at least 1"),
        ({"every": 0}, "steps and every must be at least 1"),
        ({"fraction": 0.0}, r"fraction lies in \(0, 1\)"),
        ({"fraction": 1.0}, r"fraction lies in \(0, 1\)"),
        ({"until": 1.1}, r"until in \(0, 1\]"),
    ],
)
@pytest.mark.parametrize("make", [rigl, sparse_evolution])
def test_settings_out_of_range_are_refused(make, settings, message):
    with pytest.raises(ValueError, match=message):
        make(**{"steps": 10, "generator": seeded()} | settings)


def test_a_growth_of_ones_own():
    method = DropAndGrow(lambda weight, gradient: -gradient.abs(), steps=1, generator=seeded())
    assert exchanged(method, "1100", 0.5, gradient=torch.tensor([5.0, 5.0, 2.0, 1.0])) == "0101"
