"""How a ticket does on a task before it is trained on it."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch

from tombola.data import DataSet
from tombola.training import evaluate, reestimate_batch_norm_

from ._carry import Carried

VETO = 0.8  # of what lies between guessing and being always wrong


@dataclass(frozen=True)
class ZeroShot:
    """The error of an untrained ticket on the training split of a target.

    Attributes:
        error: as a fraction; about that of guessing for most pairs of tasks, above it if the ticket says the opposite.
        chance: the error of guessing among the outputs, `1 - 1 / C`.
        is_vetoed: whether the error exceeds chance by `0.8 / C` or more.
        refusals: in words.
    """

    error: float
    chance: float
    is_vetoed: bool
    refusals: tuple[str, ...] = ()


def zero_shot(carried: Carried, data: DataSet, *, limit: int | None = 10_000) -> ZeroShot:
    """The error of a carried ticket on the target's training split, before any training, and whether it is a veto.

    The masked weights of a ticket at initialisation classify its own task to some degree. On a task that turns their
    answers around they are wrong nearly always, and training has to undo that first. Test examples are not looked at.
    Statistics of batch norm are taken from the target, on a copy.

    Args:
        carried: with the weights that training would begin with.
        data: the target.
        limit: of training examples, the first ones; None for all.

    Raises:
        ValueError: if the network does not fit the data.

    Example:
        >>> from torch import nn
        >>> net = nn.Linear(1, 2, bias=False)
        >>> _ = net.weight.data.copy_(torch.tensor([[1.0], [-1.0]]))
        >>> from tombola.data import DataSet, Scaling
        >>> x, y = torch.tensor([[-1.0], [1.0]]), torch.tensor([0, 1])
        >>> found = zero_shot(Carried(net, {}), DataSet("signs", x, y, x, y, Scaling("none")))
        >>> found.error, found.chance, found.is_vetoed
        (1.0, 0.5, True)
    """
    x, y = data.scaling(data.x_train[:limit]), data.y_train[:limit]
    net = copy.deepcopy(carried.model)
    reestimate_batch_norm_(net, x)
    error = 1 - evaluate(net, x, y).accuracy
    with torch.no_grad():
        outputs = net.eval()(x[:1].to(next(net.parameters()).device)).shape[1]
    said = ("the output layer is new: its answers are random, and no veto can be had from them",)
    chance, allowed = 1 - 1 / outputs, 1 - (1 - VETO) / outputs
    is_opposite = error > allowed - 1e-9
    return ZeroShot(error, chance, is_opposite and not carried.redrawn, said if carried.redrawn else ())
