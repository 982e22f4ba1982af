"""How good a classifier is on given examples.

References:
    [Wilson1927] E. B. Wilson, "Probable inference, the law of succession, and statistical inference", Journal of the
        American Statistical Association 22, 1927.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import NormalDist

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn
from torch.utils.data import DataLoader

from tombola.data import batches
from tombola.isolation import isolated_random_state
from tombola.training._examples import MapStyle, first_of
from tombola.training._inspect import check_fits, check_outputs, check_takes, device_of, in_eval_mode


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` counted.

    Attributes:
        correct: examples whose label has the largest output (the first, among equals).
        count: examples.
        loss: mean cross-entropy, in nats.

    Example:
        >>> Evaluation(correct=3, count=4, loss=0.5).accuracy
        0.75
    """

    correct: int
    count: int
    loss: float

    @property
    def accuracy(self) -> float:
        """The fraction of examples classified correctly, in [0, 1]."""
        return self.correct / self.count

    def interval(self, level: float = 0.95) -> tuple[float, float]:
        """The accuracies that the count is compatible with, were the examples drawn at random [Wilson1927].

        Probabilistic: covers the accuracy on the distribution of the examples with about this probability. It speaks of
        the test set alone; how much another seed would change is for runs with several seeds to say.

        Args:
            level: of confidence, in (0, 1).

        Raises:
            ValueError: if the level is out of range.

        Example:
            >>> low, high = Evaluation(correct=9800, count=10_000, loss=0.06).interval()
            >>> round(low, 4), round(high, 4)
            (0.9771, 0.9826)
        """
        if not 0 < level < 1:
            raise ValueError(f"level lies in (0, 1), got {level}")
        z2, n = NormalDist().inv_cdf((1 + level) / 2) ** 2, self.count
        middle = (self.accuracy + z2 / (2 * n)) / (1 + z2 / n)
        spread = math.sqrt(z2 * (self.accuracy * (1 - self.accuracy) / n + z2 / (4 * n * n))) / (1 + z2 / n)
        return max(0.0, middle - spread), min(1.0, middle + spread)


def evaluate_on(model: nn.Module, data: MapStyle, *, batch_size: int = 1000, workers: int = 0) -> Evaluation:
    """The same as `evaluate`, on a map-style data set of inputs and labels.

    Args:
        model: maps `(batch, *shape)` to `(batch, classes)`, on any device.
        data: pairs of an input and a label from 0.
        batch_size: how many examples go through the model at once.
        workers: processes that load examples; 0 loads them in this one.

    Raises:
        ValueError: if there is no example, or the model does not take it or know all the labels.

    Example:
        >>> evaluate_on(nn.Identity(), [(torch.tensor([0.0, 1.0]), 1), (torch.tensor([0.0, 1.0]), 0)]).accuracy
        0.5
    """
    inputs, _ = first_of(data)
    check_takes(model, inputs)
    with isolated_random_state(torch.Generator().manual_seed(0)):
        loader = DataLoader(data, batch_size, num_workers=workers)  # pyright: ignore[reportArgumentType] - as in training
        return _counted(model, loader)


def evaluate(
    model: nn.Module, x: Float[Tensor, " n *shape"], y: Int64[Tensor, " n"], *, batch_size: int = 1000
) -> Evaluation:
    """Accuracy and mean cross-entropy of a classifier, without dropout and with fixed statistics.

    Exact up to the rounding of the sums. The model is put back into the mode it was in.

    Args:
        model: maps `(batch, *shape)` to `(batch, classes)`, on any device.
        x: `(n, *shape)` inputs, already scaled; moved to the model's device a batch at a time.
        y: `(n,)` labels from 0.
        batch_size: how many examples go through the model at once.

    Raises:
        ValueError: if there is no example, or the model does not take such inputs or know all the labels.

    Example:
        >>> says_one = nn.Linear(2, 2)
        >>> _ = says_one.load_state_dict({"weight": torch.zeros(2, 2), "bias": torch.tensor([0.0, 1.0])})
        >>> evaluate(says_one, torch.zeros(4, 2), torch.tensor([1, 1, 1, 0])).accuracy
        0.75
    """
    check_fits(model, x, y)
    return _counted(model, batches(x, y, batch_size=batch_size))


def _counted(model: nn.Module, examples: Iterable[tuple[Tensor, Tensor]]) -> Evaluation:
    device = device_of(model)
    correct, count, loss = 0, 0, 0.0
    with in_eval_mode(model), torch.no_grad():
        for inputs, labels in examples:
            check_outputs(outputs := model(inputs.to(device)), int(labels.max()))
            labels = labels.to(device)
            correct += int((outputs.argmax(1) == labels).sum())
            count += len(labels)
            loss += float(nn.functional.cross_entropy(outputs, labels, reduction="sum"))
    return Evaluation(correct, count, loss / count)
