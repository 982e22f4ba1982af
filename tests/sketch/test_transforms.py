import pytest
import torch

from tombola.sketch import absolute, identity, rank, root

INF = float("inf")
SCORES = {"a": torch.tensor([[-4.0, 0.0], [9.0, -INF]]), "b": torch.tensor([9.0])}


@pytest.mark.parametrize(
    ("transform", "a", "b"),
    [
        (identity, [-4.0, 0.0, 9.0, -INF], [9.0]),
        (absolute, [4.0, 0.0, 9.0, -INF], [9.0]),
        (root, [2.0, 0.0, 3.0, -INF], [3.0]),
        (rank, [1.0, 2.0, 3.5, -INF], [3.5]),
    ],
)
def test_by_hand(transform, a, b):
    before = {name: score.clone() for name, score in SCORES.items()}
    found = transform(SCORES)
    assert found["a"].shape == (2, 2)
    assert found["a"].flatten().tolist() == a
    assert found["b"].tolist() == b
    torch.testing.assert_close(SCORES, before, rtol=0, atol=0)


def test_ranks_of_many_are_those_of_a_sort(generator):
    scores = {"a": torch.randint(-50, 50, (300, 7), generator=generator).double()}
    values = scores["a"].flatten()
    below, equal = (values[:, None] > values).sum(1), (values[:, None] == values).sum(1)
    torch.testing.assert_close(rank(scores)["a"].flatten(), below + (equal + 1) / 2, check_dtype=False, rtol=0, atol=0)


def test_ranks_of_nothing():
    assert rank({}) == {}
