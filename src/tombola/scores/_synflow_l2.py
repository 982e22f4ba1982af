"""SynFlow with squared weights: the trace of the path kernel."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tombola.masks import Masks

from ._linear_copy import LinearCopy, one_input, scores
from ._linear_rules import norm_rules
from ._masked import masked_copy
from ._score import Batches, Loss


def synflow_l2(
    model: nn.Module,
    batches: Batches,
    *,
    masks: Masks,
    loss: Loss,
    generator: torch.Generator,
    by_modulus: bool = False,
    scale_norms: bool = False,
    dtype: torch.dtype = torch.float64,
) -> dict[str, Tensor]:
    """`theta^2 dR/d(theta^2)`, R the sum of outputs of the linear copy with squared weights [Gebhart2021].

    R's derivatives by the squares add up to the trace of the path kernel. The score is the part of R that runs through
    a weight, conserved as SynFlow's is. What published code calls by this name is the derivative times `|theta|`
    instead, which is not conserved: `by_modulus=True`. Otherwise everything is as with `synflow`.

    Args:
        model: at the weights to be scored.
        batches: one of any values is enough; only the shape of an input is read.
        masks: of the parameters to be scored; pruned weights count as zero and score 0.
        loss: not used.
        generator: only of what the model itself draws in evaluation mode, usually nothing.
        by_modulus: whether the derivatives are multiplied by `|theta|` rather than its square.
        scale_norms: whether batch norm multiplies by `gamma^2 / (var + eps)`.
        dtype: of the computation and the scores.

    Raises:
        ValueError: as `synflow`.

    Example:
        >>> net = nn.Sequential(nn.Linear(1, 2, bias=False), nn.Linear(2, 1, bias=False))
        >>> _ = net[0].weight.data.copy_(torch.tensor([[1.0], [-2.0]]))
        >>> _ = net[1].weight.data.copy_(torch.tensor([[3.0, 1.0]]))
        >>> masks = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in net.named_parameters()}
        >>> batches = [(torch.zeros(1, 1), torch.zeros(1))]
        >>> found = synflow_l2(net, batches, masks=masks, loss=nn.MSELoss(), generator=torch.Generator())
        >>> found["0.weight"].tolist(), found["1.weight"].tolist()
        ([[9.0], [4.0]], [[9.0, 4.0]])
    """
    with masked_copy(model, masks, generator) as copy:
        example = one_input(batches, copy.device, "synflow_l2")
        rules = norm_rules(scale_norms=scale_norms, power=2)
        flow = LinearCopy(copy, example, power=2, rules=rules, dtype=dtype)
        slopes = flow.slopes()
        if not by_modulus:
            return scores(flow, slopes)
        return {name: slope * flow.weights[name].detach().sqrt() for name, slope in slopes.items()}
