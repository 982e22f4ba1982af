"""What theory expects of masks before anything is trained: largest scores, sampled ones, or chance alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import torch
from torch import Tensor, nn

from tombola.allocate import Allocation
from tombola.masks import Masks, kept_count
from tombola.select import top
from tombola.sketch._gumbel_inclusion import gumbel_inclusion
from tombola.sketch._linearised import Batches, Linearised, linearised
from tombola.sketch._ntk import column_energies
from tombola.sketch._probabilities import probabilities


@dataclass(frozen=True)
class SketchRow:
    """One layer at one density.

    Attributes:
        layer: the name of its parameter.
        density: of the whole network.
        size: how many weights the layer has that are not pruned already.
        kept_top: how many keep the largest scores.
        kept_sampled: how many are drawn, on average.
        kept_random: how many are kept by chance alone, on average.
        top: the error of the largest scores, relative to what the layer's weights contribute.
        sampled: likewise, of drawn masks.
        random: likewise, of uniformly random masks.
    """

    layer: str
    density: float
    size: int
    kept_top: int
    kept_sampled: float
    kept_random: float
    top: float
    sampled: float
    random: float

    @property
    def preferred(self) -> str:
        """Which error is the least, `top`, `sampled` or `random`; of equal ones the first."""
        errors = {"top": self.top, "sampled": self.sampled, "random": self.random}
        return min(errors, key=errors.__getitem__)


@dataclass(frozen=True)
class SketchReport:
    """Rows by density and layer; see `sketch_report`.

    Attributes:
        rows: densities in the order given, layers in the order of the scores.
        passes: how many random signs stand behind the estimates.
    """

    rows: tuple[SketchRow, ...]
    passes: int

    def table(self) -> list[dict[str, str | int | float]]:
        """The rows as plain dictionaries, with `preferred`."""
        return [{**asdict(row), "preferred": row.preferred} for row in self.rows]


def sketch_report(
    model: nn.Module,
    batches: Batches,
    scores: Mapping[str, Tensor],
    *,
    densities: Sequence[float],
    generator: torch.Generator,
    allocate: Allocation | None = None,
    passes: int = 16,
) -> SketchReport:
    """What masks of three kinds leave of each layer at the weights that a network has, before any training.

    The error of a mask `m` in a layer is `||Phi (w - w o m)||^2 / ||Phi w||^2`, with `Phi` the derivatives of all
    outputs by the layer's weights; for ReLU networks without biases `Phi w` is the output itself. Masks are binary:
    nothing is rescaled. Of the three errors

    - that of the largest scores is exact, by one derivative along it;
    - that of uniformly random masks is exact but for `||phi_j||^2`, which are estimated by random signs, without bias;
    - that of drawn masks is heuristic: chances of staying as in `gumbel_inclusion`, taken as independent, with the same
      estimates.

    All are about the start. That the error there is least for the largest scores says little about training, where
    what layers keep counts as well: see the numbers kept, and an error near 1 where a layer has lost nearly everything.

    Args:
        model: at its initial weights, read in evaluation mode; nothing of it changes.
        batches: inputs and targets on the model's device; targets are not read.
        scores: not negative, by parameter name; -inf for weights that are pruned already.
        densities: kept fractions in (0, 1], of all weights that are scored, pruned ones included.
        generator: of the random signs.
        allocate: how many weights each layer keeps; without it layers compete with each other.
        passes: how many signs for each output; each is a backward on each batch.

    Raises:
        ValueError: for scores that are negative, NaN or infinite above, densities that want more weights than are left,
            a layer that contributes nothing to the outputs, and what `column_energies` raises.

    Example:
        >>> net = nn.Linear(2, 1, bias=False)
        >>> _ = net.weight.data.copy_(torch.tensor([[3.0, 1.0]]))
        >>> batch = (torch.eye(2), torch.zeros(2))
        >>> scores = {"weight": net.weight.detach().abs()}
        >>> report = sketch_report(net, [batch], scores, densities=[0.5], generator=torch.Generator().manual_seed(0))
        >>> [row] = report.rows
        >>> round(row.top, 6), round(row.random, 6), row.preferred
        (0.1, 0.5, 'top')
    """
    for name, score in scores.items():
        if bool(((score < 0) & (score > -torch.inf)).any()):
            raise ValueError(f"scores of {name!r} are negative; transform them first, by absolute or rank")
    chances = probabilities(scores)
    masks = {name: score > -torch.inf for name, score in scores.items()}
    plans = [(density, _counts(masks, density, allocate)) for density in densities]
    energies = column_energies(model, batches, masks=masks, passes=passes, generator=generator)
    with linearised(model, batches, masks, generator) as net:
        layers = [_Layer(net, name, energies[name]) for name in scores]
        rows = []
        for density, counts in plans:
            kept, drawn = top(scores, counts), _drawn(chances, counts)
            pools = _pools(masks, counts)
            rows += [layer.row(density, kept[layer.name], drawn[layer.name], pools[layer.name]) for layer in layers]
    return SketchReport(tuple(rows), passes)


class _Layer:
    """The linearised network as a function of one layer's weights."""

    def __init__(self, net: Linearised, name: str, energies: Tensor) -> None:
        self.net, self.name, self.weight = net, name, net.weights[name]
        self.energies = (energies.double() * self.weight.double().square()).cpu()
        self.output = net.energy({name: self.weight})
        if not self.output > 0:
            raise ValueError(f"{name!r} contributes nothing to the outputs on these batches; its error has no unit")

    def row(self, density: float, kept: Tensor, drawn: Tensor, pool: tuple[int, int]) -> SketchRow:
        size = int(self.net.masks[self.name].sum())
        share = pool[0] / pool[1]
        errors = self._of_top(kept), self._of_drawn(drawn.cpu()), self._of_random(*pool)
        found = (error / self.output for error in errors)
        return SketchRow(self.name, density, size, int(kept.sum()), float(drawn.sum()), share * size, *found)

    def _of_top(self, kept: Tensor) -> float:
        return self.net.energy({self.name: torch.where(kept.to(self.weight.device), 0.0, self.weight)})

    def _of_drawn(self, drawn: Tensor) -> float:
        missing = self.weight * (1 - drawn).to(self.weight)
        return self.net.energy({self.name: missing}) + float((drawn * (1 - drawn) * self.energies).sum())

    def _of_random(self, kept: int, size: int) -> float:
        """`kept` of `size` weights stay; two of them are both missing a little less often than independent ones."""
        missing = 1 - kept / size
        both = missing * max(0, size - kept - 1) / max(1, size - 1)
        return both * self.output + (missing - both) * float(self.energies.sum())


def _counts(masks: Masks, density: float, allocate: Allocation | None) -> int | dict[str, int]:
    """How many weights stay, in all or for each parameter; never one that is pruned already."""
    left = {name: int(mask.sum()) for name, mask in masks.items()}
    if allocate is None:
        kept = kept_count(sum(mask.numel() for mask in masks.values()), density)
        if kept > sum(left.values()):
            raise ValueError(f"density {density} keeps {kept} weights, and {sum(left.values())} are left")
        return kept
    counts = allocate({name: tuple(mask.shape) for name, mask in masks.items()}, density)
    for name, kept in counts.items():
        if kept > left[name]:
            raise ValueError(f"density {density} keeps {kept} weights of {name!r}, and {left[name]} are left")
    return counts


def _drawn(chances: Mapping[str, Tensor], counts: int | dict[str, int]) -> dict[str, Tensor]:
    """How likely each weight is to be drawn."""
    if isinstance(counts, int):
        return gumbel_inclusion(chances, counts)
    return {name: gumbel_inclusion({name: chance}, counts[name])[name] for name, chance in chances.items()}


def _pools(masks: Masks, counts: int | dict[str, int]) -> dict[str, tuple[int, int]]:
    """How many weights stay of how many that each layer's compete with."""
    left = {name: int(mask.sum()) for name, mask in masks.items()}
    if isinstance(counts, int):
        return dict.fromkeys(masks, (counts, sum(left.values())))
    return {name: (counts[name], left[name]) for name in masks}
