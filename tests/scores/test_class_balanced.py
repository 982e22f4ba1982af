import pytest
import torch

from tombola.scores import balanced_batches


def test_two_of_each_of_three_classes_worked_by_hand(generator):
    y = torch.tensor([5, 5, 2, 2, 9, 9])
    x = torch.arange(6)
    batches = balanced_batches(x, y, per_class=2, batch_size=4, generator=generator)
    assert [labels.tolist() for _, labels in batches] == [[2, 5, 9, 2], [5, 9]]
    assert sorted(torch.cat([inputs for inputs, _ in batches]).tolist()) == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("batch_size", [1, 7, 10, 64, 1000])
def test_classes_are_equal_in_all_and_nearly_in_every_batch(generator, batch_size):
    y = torch.randint(10, (3000,), generator=generator)
    x = torch.stack([torch.arange(3000), y], dim=1)
    batches = balanced_batches(x, y, per_class=25, batch_size=batch_size, generator=generator)
    assert all(len(labels) <= batch_size for _, labels in batches)
    for inputs, labels in batches:
        assert inputs[:, 1].equal(labels)
        counts = labels.bincount(minlength=10)
        assert int(counts.max() - counts.min()) <= 1
    places = torch.cat([inputs[:, 0] for inputs, _ in batches])
    assert places.unique().numel() == 250
    assert torch.cat([labels for _, labels in batches]).bincount().tolist() == 10 * [25]


def test_the_choice_follows_from_the_generator_and_is_even():
    y, counts = torch.zeros(4, dtype=torch.int64), torch.zeros(4)
    for seed in range(400):
        generator = torch.Generator().manual_seed(seed)
        ((x, _),) = balanced_batches(torch.arange(4), y, per_class=1, batch_size=1, generator=generator)
        counts[x] += 1
    # chi squared with three degrees of freedom is above 16.3 in one of a thousand
    assert float(((counts - 100) ** 2 / 100).sum()) < 16.3


def test_what_cannot_be_chosen(generator):
    x, y = torch.zeros(4, 2), torch.tensor([0, 1, 1, 1])
    with pytest.raises(ValueError, match="class 0 has 1 examples, of which 2 were wanted"):
        balanced_batches(x, y, per_class=2, batch_size=2, generator=generator)
    with pytest.raises(ValueError, match="at least 1, got 0 and 2"):
        balanced_batches(x, y, per_class=0, batch_size=2, generator=generator)
    with pytest.raises(ValueError, match="no examples"):
        balanced_batches(x[:0], y[:0], per_class=1, batch_size=2, generator=generator)
