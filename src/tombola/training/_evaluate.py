"""How good a classifier is on given examples."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from tombola.data import batches
from tombola.training._inspect import check_fits, device_of, in_eval_mode


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
    device = device_of(model)
    correct, loss = 0, 0.0
    with in_eval_mode(model), torch.no_grad():
        for inputs, labels in batches(x, y, batch_size=batch_size):
            labels = labels.to(device)
            outputs = model(inputs.to(device))
            correct += int((outputs.argmax(1) == labels).sum())
            loss += float(nn.functional.cross_entropy(outputs, labels, reduction="sum"))
    return Evaluation(correct, len(y), loss / len(y))
