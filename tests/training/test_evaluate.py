import math

import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset

from tombola.training import Evaluation, evaluate, evaluate_on


class Says(nn.Module):
    """Outputs its inputs; in training mode, their negatives."""

    def forward(self, x):
        return -x if self.training else x


def test_two_examples_worked_by_hand():
    found = evaluate(Says().eval(), torch.tensor([[0.0, math.log(3)], [0.0, 0.0]]), torch.tensor([1, 1]))
    # cross-entropies log(4/3) and log 2; the second is a tie, which the first class wins
    assert (found.correct, found.count, found.accuracy) == (1, 2, 0.5)
    assert found.loss == pytest.approx((math.log(4 / 3) + math.log(2)) / 2)


@pytest.mark.parametrize("batch_size", [1, 7, 20, 1000])
def test_the_batch_size_does_not_matter(generator, batch_size):
    x, y = torch.randn(20, 3, generator=generator), torch.arange(20) % 3
    found, whole = (evaluate(Says().eval(), x, y, batch_size=size) for size in (batch_size, 20))
    assert found.correct == whole.correct == int((x.argmax(1) == y).sum())
    assert found.loss == pytest.approx(whole.loss)


@pytest.mark.usefixtures("untouched")
def test_evaluation_mode_is_used_and_every_mode_put_back():
    model = nn.Sequential(Says(), Says().eval(), nn.Dropout(0.5)).train()
    model[1].eval()
    x, y = torch.eye(3), torch.arange(3)
    assert evaluate(model, x, y).accuracy == 1.0
    assert [module.training for module in model.modules()] == [True, True, False, True]


def test_no_gradients_are_made():
    model = nn.Linear(3, 3)
    evaluate(model, torch.eye(3), torch.arange(3))
    assert model.weight.grad is None


def test_the_mode_is_put_back_after_an_error():
    model = nn.Linear(2, 3).train()
    with pytest.raises(ValueError, match="does not take inputs of shape 3"):
        evaluate(model, torch.eye(3), torch.arange(3))
    assert model.training


def test_labels_beyond_the_outputs_are_refused():
    with pytest.raises(ValueError, match=r"labels go up to 5, so outputs must be \(batch, 6\); got \(1, 3\)"):
        evaluate(Says(), torch.eye(3), torch.tensor([0, 1, 5]))


def test_no_examples_are_refused():
    with pytest.raises(ValueError, match="no examples"):
        evaluate(Says(), torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64))


@pytest.mark.parametrize("workers", [0, 2])
def test_a_map_style_data_set_gives_the_same(generator, workers):
    x, y = torch.randn(20, 3, generator=generator), torch.arange(20) % 3
    found = evaluate_on(Says().eval(), TensorDataset(x, y), batch_size=7, workers=workers)
    wanted = evaluate(Says().eval(), x, y)
    assert (found.correct, found.count) == (wanted.correct, 20)
    assert found.loss == pytest.approx(wanted.loss)


def test_a_late_label_beyond_the_outputs_is_refused():
    pairs = [(torch.zeros(2), 0), (torch.zeros(2), 4)]
    with pytest.raises(ValueError, match=r"labels go up to 4, so outputs must be \(batch, 5\)"):
        evaluate_on(Says().eval(), pairs, batch_size=1)


def test_the_interval_covers_as_often_as_it_says():
    # exact coverage: binomial probabilities of the counts whose interval holds the true accuracy
    n = 200
    for true in (0.5, 0.9, 0.98):
        inside = 0.0
        for correct in range(n + 1):
            low, high = Evaluation(correct, n, 0.0).interval()
            if low <= true <= high:
                inside += math.comb(n, correct) * true**correct * (1 - true) ** (n - correct)
        assert 0.93 <= inside <= 0.98
    assert Evaluation(0, 10, 0.0).interval()[0] == 0.0
    assert Evaluation(10, 10, 0.0).interval()[1] == pytest.approx(1.0)
    with pytest.raises(ValueError, match="level"):
        Evaluation(1, 2, 0.0).interval(1.0)
