import math

import pytest
import torch
from tests.problems.small_networks import arguments

from tombola.scores import noise, snip


def test_five_examples_of_two_classes_in_two_batches(generator):
    batches = noise((2, 3), 2, count=5, batch_size=4, generator=generator)
    assert [(tuple(x.shape), tuple(y.shape), y.dtype) for x, y in batches] == [
        ((4, 2, 3), (4,), torch.int64),
        ((1, 2, 3), (1,), torch.int64),
    ]
    assert sorted(batches[0][1].tolist()) == [0, 0, 1, 1]
    assert sorted(torch.cat([y for _, y in batches]).bincount().tolist()) == [2, 3]


def test_inputs_are_standard_normal_and_labels_as_balanced_as_can_be(generator):
    batches = noise((50,), 7, count=2000, generator=generator)
    assert [len(x) for x, _ in batches] == 7 * [256] + [208]
    x, y = (torch.cat(parts) for parts in zip(*batches, strict=True))
    assert abs(float(x.mean())) < 4 / math.sqrt(x.numel())
    assert abs(float(x.var()) - 1) < 4 * math.sqrt(2 / x.numel())
    counts = y.bincount(minlength=7)
    assert int(counts.max() - counts.min()) <= 1
    assert not y[:7].equal(y[7:14])


def test_it_follows_from_the_generator():
    first, again, other = (noise((2,), 3, count=9, generator=torch.Generator().manual_seed(seed)) for seed in (1, 1, 2))
    torch.testing.assert_close(first, again, rtol=0, atol=0)
    assert not first[0][0].equal(other[0][0])


def test_a_criterion_takes_it_in_place_of_data(generator):
    given = arguments("residual")
    batches = noise((2, 6, 6), 3, count=12, batch_size=5, generator=generator)
    found = snip(**given | {"model": given["model"].float(), "batches": batches})
    assert all(bool(score.any()) for score in found.values())


@pytest.mark.parametrize("wrong", [{"count": 0}, {"classes": 0}, {"batch_size": 0}])
def test_numbers_below_one(generator, wrong):
    with pytest.raises(ValueError, match="must be at least 1, got"):
        noise(**{"shape": (2,), "classes": 2, "count": 2, "generator": generator} | wrong)
