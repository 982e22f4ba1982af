import pytest
import torch

from tombola.data import batches


def test_in_order_without_a_generator():
    x, y = torch.arange(10).reshape(5, 2), torch.arange(5)
    parts = list(batches(x, y, batch_size=2))
    assert [labels.tolist() for _, labels in parts] == [[0, 1], [2, 3], [4]]
    torch.testing.assert_close(torch.cat([inputs for inputs, _ in parts]), x)


@pytest.mark.parametrize(("n", "batch_size"), [(1, 1), (7, 3), (6, 3), (5, 100)])
def test_a_random_order_has_every_pair_once(generator, n, batch_size):
    parts = list(batches(torch.arange(n) * 10, torch.arange(n), batch_size=batch_size, generator=generator))
    assert [len(x) for x, _ in parts[:-1]] == [batch_size] * (len(parts) - 1)
    assert sorted(torch.cat([y for _, y in parts]).tolist()) == list(range(n))
    assert all((x == 10 * y).all() for x, y in parts)


def test_the_order_follows_from_the_generator():
    def order(seed):
        x = torch.arange(50)
        shuffled = batches(x, x, batch_size=50, generator=torch.Generator().manual_seed(seed))
        return next(iter(shuffled))[0].tolist()

    assert order(1) == order(1) != order(2)
    assert order(1) != sorted(order(1))


def test_bad_sizes_are_refused_at_once():
    with pytest.raises(ValueError, match="at least 1, got 0"):
        batches(torch.zeros(3), torch.zeros(3), batch_size=0)


def test_different_lengths_are_refused_at_once():
    with pytest.raises(ValueError, match="3 inputs but 2 labels"):
        batches.__wrapped__(torch.zeros(3), torch.zeros(2), batch_size=1)
