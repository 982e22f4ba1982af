"""A training loop after which pruning by magnitude follows a known linear map of log-ratios."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn


class Groups(nn.Module):
    """Three parameters of ten thousand weights each."""

    def __init__(self):
        super().__init__()
        for name in "abc":
            self.register_parameter(name, nn.Parameter(torch.ones(100, 100)))


@dataclass(frozen=True)
class PlantedTraining:
    """Sets weights so that of `n_i` kept ones a fraction `c` survives in all, `ln n'` in group `i` as `J` says.

    Survivors have modulus 2, the others what makes the sum of a group 1.5 times its number: magnitudes are as counts.

    Attributes:
        jacobian: `(g, g)` on logarithms of counts, which keeps sums of 0.
        fraction: `c`.
        noise: of each group's logarithm, from the generator.
    """

    jacobian: tuple[tuple[float, ...], ...]
    fraction: float = 0.6
    noise: float = 0.0

    def __call__(self, model, masks, *, start, stop, generator):
        counts = np.array([int(mask.sum()) for mask in masks.values()])
        logs = np.array(self.jacobian) @ np.log(counts)
        logs = logs + self.noise * torch.randn(len(counts), generator=generator).double().numpy()
        kept = round(self.fraction * counts.sum())
        survivors = np.floor(kept * np.exp(logs) / np.exp(logs).sum()).astype(int)
        survivors[0] += kept - survivors.sum()
        with torch.no_grad():
            for (name, mask), number, stay in zip(masks.items(), counts, survivors, strict=True):
                values = torch.full((int(number),), (1.5 * number - 2 * stay) / (number - stay))
                values[:stay] = 2.0
                weights = torch.zeros(mask.shape)
                weights[mask] = values
                model.get_parameter(name).copy_(weights)
        return model
