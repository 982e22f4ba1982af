"""SynFlow: how much of what flows through a network, all weights positive, flows through a weight."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from tombola.masks import Masks

from ._linear_copy import LinearCopy, one_input, scores
from ._linear_rules import average_rules, norm_rules
from ._masked import masked_copy
from ._score import Batches, Loss


def synflow(
    model: nn.Module,
    batches: Batches,
    *,
    masks: Masks,
    loss: Loss,
    generator: torch.Generator,
    scale_norms: bool = False,
    average_pools: bool = False,
    dtype: torch.dtype = torch.float64,
) -> dict[str, Tensor]:
    """`|theta| dR/d|theta|`, R the sum of outputs of the all-positive linear copy for an all-ones input [Tanaka2020].

    No data: of the batches only the shape of an input is read. Scores are not negative, those of pruned weights 0, and
    they are conserved: what flows into a hidden unit flows out of it, and every cut of the network has the same sum.
    All scores are R's own times one power of two, which keeps the deepest networks in range. Iterated, `synflow_masks`
    or a schedule of many rounds, no layer is emptied before it must be; in one round several are, at low densities.

    Deviations: biases are left out, which would add to the flow; activations and normalisations do nothing, while the
    published code evaluates batch norm, which at initialisation does nothing but divide by `sqrt(1 + eps)`. A softmax
    does nothing either, so that attention that is written out is a product of flows. Token ids stand for an all-ones
    input over the vocabulary. Weights that are used twice have the sum of both scores.

    Cost: a forward and a backward of one example, and a copy of the model in `dtype`.

    Args:
        model: at the weights to be scored.
        batches: one of any values is enough.
        masks: of the parameters to be scored; pruned weights count as zero and score 0.
        loss: not used.
        generator: only of what the model itself draws in evaluation mode, usually nothing.
        scale_norms: whether batch norm multiplies by `|gamma| / sqrt(var + eps)`, without a shift.
        average_pools: whether max-pools average. A max-pool lets flow through one place of each window, the first of
            equal ones, so that a few weights score 0.
        dtype: of the computation and the scores. In float32 it is faster, with the same masks but for near ties.

    Raises:
        ValueError: for masks that do not fit, no batches, or a model without such a copy: one that subtracts, fused
            attention, recurrent layers.

    Example:
        >>> net = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False))
        >>> _ = net[0].weight.data.copy_(torch.tensor([[1.0, -2.0], [0.5, 0.0]]))
        >>> _ = net[2].weight.data.copy_(torch.tensor([[-1.0, 4.0]]))
        >>> masks = {name: torch.ones_like(weight, dtype=torch.bool) for name, weight in net.named_parameters()}
        >>> batches = [(torch.zeros(1, 2), torch.zeros(1))]
        >>> found = synflow(net, batches, masks=masks, loss=nn.MSELoss(), generator=torch.Generator())
        >>> found["0.weight"].tolist(), found["2.weight"].tolist()
        ([[1.0, 2.0], [2.0, 0.0]], [[3.0, 2.0]])
    """
    with masked_copy(model, masks, generator) as copy:
        example = one_input(batches, copy.device, "synflow")
        rules = norm_rules(scale_norms=scale_norms) | (average_rules() if average_pools else {})
        flow = LinearCopy(copy, example, rules=rules, dtype=dtype)
        return scores(flow, flow.slopes())
