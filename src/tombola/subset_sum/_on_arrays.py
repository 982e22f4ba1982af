"""Solvers that know only arrays, for tensors as well."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import numpy as np
import torch
from torch import Tensor

from tombola.subset_sum._problem import Array
from tombola.subset_sum._record import SubsetSums


def on_arrays(solve: Callable[[np.ndarray, np.ndarray], SubsetSums], candidates: Array, targets: Array) -> SubsetSums:
    """The record of a solver for arrays; for tensors it is brought back to the device of the candidates."""
    if not (isinstance(candidates, Tensor) and isinstance(targets, Tensor)):
        return solve(np.asarray(candidates), np.asarray(targets))
    found = solve(candidates.detach().cpu().numpy(), targets.detach().cpu().numpy())
    arrays = {field.name: getattr(found, field.name) for field in fields(found)}
    return SubsetSums(**{name: torch.from_numpy(array).to(candidates.device) for name, array in arrays.items()})
