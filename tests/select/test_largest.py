import hypothesis
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tombola.select import _largest

INF = float("inf")
seeded = hypothesis.settings(max_examples=60, deadline=None, derandomize=True, database=None)


def by_sort(values, kept):
    wanted = torch.zeros_like(values, dtype=torch.bool)
    wanted[values.sort(descending=True, stable=True).indices[:kept]] = True
    return wanted


@seeded
@given(st.lists(st.sampled_from([-INF, -1.0, 0.0, 2.0, INF]), min_size=1, max_size=12), st.data())
def test_of_equal_values_the_first_stay(values, data):
    values = torch.tensor(values, dtype=torch.float64)
    kept = data.draw(st.integers(0, len(values)))
    torch.testing.assert_close(_largest.largest([values], kept)[0], by_sort(values, kept))


@pytest.mark.parametrize("kind", ["distinct", "few values", "sorted", "mostly minus infinity", "misleading sample"])
@pytest.mark.parametrize("share", [0.0, 1e-5, 0.03, 0.5, 0.999, 1.0])
def test_many_values_as_by_a_sort(kind, share, generator):
    n = 600_001
    values = torch.rand(n, generator=generator, dtype=torch.float64)
    if kind == "few values":
        values = (values * 5).floor()
    elif kind == "sorted":
        values = values.sort().values
    elif kind == "mostly minus infinity":
        values[values < 0.9] = -INF
    elif kind == "misleading sample":
        values[:: n // _largest.SAMPLE] += 1  # the regular sample sees only these
    kept = round(share * n)
    torch.testing.assert_close(_largest.largest([values], kept)[0], by_sort(values, kept))


@pytest.mark.parametrize("kept", [1, 500, 100_000, 399_999, 400_000])
@pytest.mark.parametrize("kind", ["spread", "equal", "sorted", "many zeros"])
def test_several_tensors_are_one_after_the_other(kind, kept, generator):
    numbers = torch.rand(400_000, generator=generator, dtype=torch.float64)
    if kind == "equal":
        numbers.fill_(0.5)
    elif kind == "sorted":
        numbers = numbers.sort().values
    elif kind == "many zeros":
        numbers[numbers < 0.9] = 0
    found = _largest.largest([numbers[:70_000].view(700, 100), numbers[70_000:]], kept)
    assert [part.shape for part in found] == [(700, 100), (330_000,)]
    torch.testing.assert_close(torch.cat([part.flatten() for part in found]), by_sort(numbers, kept))


def test_more_than_there_are_cannot_stay():
    with pytest.raises(ValueError, match="4 of 3 weights cannot stay"):
        _largest.largest([torch.ones(3)], 4)
