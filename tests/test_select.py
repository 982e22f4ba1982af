import hypothesis
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from tombola import select
from tombola.masks import count

INF = float("inf")
seeded = hypothesis.settings(max_examples=100, deadline=None, derandomize=True, database=None)
values = st.sampled_from([-INF, -2.0, -1.0, 0.0, 0.5, 1.0, 3.0, INF])  # few, so that many are equal


def chosen(masks):
    """The pairs of name and flat position that stay."""
    return {(name, i) for name, mask in masks.items() for i, kept in enumerate(mask.flatten().tolist()) if kept}


@seeded
@given(st.data())
def test_as_brute_force(data):
    scores = {
        name: torch.tensor(data.draw(st.lists(values, min_size=rows * 3, max_size=rows * 3))).view(rows, 3)
        for name, rows in (("b", data.draw(st.integers(1, 3))), ("a", data.draw(st.integers(1, 3))))
    }
    places = [(name, i, s) for name, score in scores.items() for i, s in enumerate(score.flatten().tolist())]
    kept = data.draw(st.integers(0, len(places)))
    wanted = sorted(places, key=lambda place: -place[2])[:kept]  # Python's sort is stable
    masks = select.top(scores, kept)
    assert chosen(masks) == {place[:2] for place in wanted}
    assert list(masks) == ["b", "a"]


@seeded
@given(st.lists(values, min_size=1, max_size=8), st.lists(values, min_size=1, max_size=8), st.data())
def test_numbers_for_each_parameter(first, second, data):
    scores = {"a": torch.tensor(first), "b": torch.tensor(second)}
    kept = {name: data.draw(st.integers(0, len(score))) for name, score in scores.items()}
    masks = select.top(scores, kept)
    for name, score in scores.items():
        assert int(masks[name].sum()) == kept[name]
        torch.testing.assert_close(masks[name], select.top({name: score}, kept[name])[name])


@pytest.mark.parametrize("kept", range(7))
def test_of_equal_scores_the_first_stay(kept):
    masks = select.top({"z": torch.zeros(2, 2), "a": torch.zeros(2)}, kept)
    assert torch.cat([masks["z"].flatten(), masks["a"]]).tolist() == [i < kept for i in range(6)]


def test_equal_scores_in_large_numbers_keep_the_exact_count():
    masks = select.top({"a": torch.ones(300, 400), "b": torch.ones(70_000)}, 123_456)
    assert count(masks) == 123_456
    assert masks["a"].all()
    assert masks["b"].tolist() == [i < 3456 for i in range(70_000)]


def test_minus_infinity_stays_only_where_there_is_nothing_else():
    scores = {"a": torch.tensor([-INF, -1e38]), "b": torch.tensor([0.0, -INF])}
    assert chosen(select.top(scores, 2)) == {("a", 1), ("b", 0)}
    assert chosen(select.top(scores, 3)) == {("a", 0), ("a", 1), ("b", 0)}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("kept", [3, {"w": 3, "b": 0}])
def test_masks_are_bool_in_the_shapes_of_the_scores(dtype, kept):
    scores = {"w": torch.arange(6, dtype=dtype).view(1, 2, 3), "b": torch.tensor(-1.0, dtype=dtype)}
    before = {name: score.clone() for name, score in scores.items()}
    masks = select.top(scores, kept)
    assert {name: (mask.shape, mask.dtype, mask.device) for name, mask in masks.items()} == {
        name: (score.shape, torch.bool, score.device) for name, score in scores.items()
    }
    assert masks["w"].flatten().tolist() == [False] * 3 + [True] * 3
    torch.testing.assert_close(scores, before, rtol=0, atol=0)


def test_double_scores_are_told_apart_beyond_single_precision():
    scores = {"a": torch.tensor([1.0, 1.0 + 1e-12], dtype=torch.float64), "b": torch.tensor([0.0])}
    assert chosen(select.top(scores, 1)) == {("a", 1)}


@pytest.mark.parametrize("kept", [1, {"good": 1, "bad": 1}])
def test_undefined_scores_are_refused(kept):
    with pytest.raises(ValueError, match="the scores of 'bad' hold NaN"):
        select.top({"good": torch.ones(2), "bad": torch.tensor([1.0, float("nan")])}, kept)


@pytest.mark.parametrize("kept", [{}, {"a": 1}, {"a": 1, "c": 1}, {"a": 1, "b": 1, "c": 1}])
def test_numbers_for_other_names_are_refused(kept):
    with pytest.raises(ValueError, match=r"there are scores of \['a', 'b'\], and numbers for"):
        select.top({"a": torch.ones(2), "b": torch.ones(2)}, kept)


@pytest.mark.parametrize("kept", [-1, 5, {"a": 2, "b": 3}, {"a": -1, "b": 0}])
def test_more_than_there_are_and_fewer_than_none_are_refused(kept):
    with pytest.raises(ValueError, match="weights cannot stay"):
        select.top({"a": torch.ones(2), "b": torch.ones(2)}, kept)


@pytest.mark.gpu
@pytest.mark.parametrize("kept", [3, {"w": 2, "b": 1}])
def test_masks_lie_where_their_scores_lie(kept):
    scores = {"w": torch.tensor([3.0, 1.0, 2.0], device="cuda"), "b": torch.tensor([2.5])}
    masks = select.top(scores, kept)
    assert (masks["w"].device.type, masks["b"].device.type) == ("cuda", "cpu")
    assert chosen(masks) == {("w", 0), ("w", 2), ("b", 0)}
