"""Node-path balance: masks without scores, that feed many units and let many paths through."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, final

import torch
from torch import Tensor, nn

from tombola.allocate import Allocation, erk
from tombola.masks import Masks

from ._linear_copy import LinearCopy
from ._linear_rules import AFFINE, Rule, average_rules, base_rules
from ._masked import masked_copy
from ._npb_layer import Balance, balanced_layer

DEFAULT = Balance()
DEAD = 1e-12  # of the largest mass; less is rounding


def npb_masks(
    model: nn.Module,
    example: Tensor,
    *,
    names: Sequence[str],
    density: float,
    allocate: Allocation = erk,
    balance: Balance = DEFAULT,
    generator: torch.Generator,
) -> Masks:
    """The masks of node-path balance: layer by layer from the input, the best ones for that layer [Pham2023].

    Of all masks with the allocation's number of weights, a layer gets one with the largest `alpha A + (1 - alpha) B +
    beta C`: A the fraction of its inputs and outputs that have a weight, B the mass of paths that its weights pass on,
    as a fraction of the largest possible, C the number of kernels that have a weight, by the number of weights. Inputs
    and outputs are units of a linear layer and channels of a convolution; the mass is the number of paths that arrive
    at an input through the layers before, summed over places, through additions too. Layers of many outputs are cut
    into chunks of them, each with its own optimum.

    Exact for each chunk, and a heuristic for the network: no layer knows what later ones can read. For the published
    programme of integers, a closed form is derived here: outputs are all alike in it, an input gains less from every
    further weight, and outputs that have a weight are as many as there can be. So weights are handed out one by one
    where they gain most; equal gains, places in a kernel and outputs are drawn, outputs with few weights first. Neither
    weights nor data are read.

    Deviations: an input that no path reaches, or a place of a kernel that sees only padding, gets no weight while there
    are others; the published code moves such weights afterwards. Max-pools average. A weight that is used twice is
    chosen at its first use.

    Cost: one forward, for each layer O(n log n) for n inputs and a permutation of the weights that gain the same, and
    some 0.1 ms for each input of each chunk.

    Args:
        model: any that `synflow` takes; its weights are not read.
        example: a batch of inputs; only the shape of one counts.
        names: of the parameters to be pruned, weights of linear layers and convolutions.
        density: the kept fraction of all of them.
        allocate: how many each keeps.
        balance: the two factors, and the size of a chunk.
        generator: of what is drawn.

    Raises:
        ValueError: for a density out of range, a name that is no weight of a linear layer or convolution that the model
            calls, an empty example, and as `synflow`.

    Example:
        >>> net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 4))
        >>> names, generator = ["0.weight", "2.weight"], torch.Generator().manual_seed(0)
        >>> masks = npb_masks(net, torch.zeros(1, 8), names=names, density=0.25, generator=generator)
        >>> [int(mask.sum()) for mask in masks.values()]
        [26, 22]
        >>> bool(masks["0.weight"].any(1).all()), bool(masks["2.weight"].any(0).all())  # all 16 units fed, and read
        (True, True)
    """
    if len(example) == 0:
        raise ValueError("the example has no inputs; one is needed, of any values")
    dense = _everything(model, names)
    kept = allocate({name: tuple(mask.shape) for name, mask in dense.items()}, density)
    with masked_copy(model, dense, generator) as copy:
        seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
        x = example[:1].to(copy.device)
        flow = LinearCopy(copy, x, power=0, rules=average_rules())
        found = _decided(flow, x, kept, balance, torch.Generator().manual_seed(seed))
    return {name: found[name].to(mask.device) for name, mask in dense.items()}


def _everything(model: nn.Module, names: Sequence[str]) -> Masks:
    parameters = dict(model.named_parameters())
    if unknown := [name for name in names if name not in parameters]:
        raise ValueError(f"{', '.join(map(repr, unknown))} is no parameter; the model has {', '.join(parameters)}")
    return {name: torch.ones_like(parameters[name], dtype=torch.bool) for name in names}


def _decided(flow: LinearCopy, x: Tensor, kept: dict[str, int], balance: Balance, generator: torch.Generator) -> Masks:
    """The masks of all layers: each is decided when the forward gets to it, at what the ones before let through."""
    plan = _Plan({id(weight): name for name, weight in flow.weights.items()}, kept, balance, generator)
    base = base_rules({id(weight) for weight in flow.weights.values()}, {})
    with torch.no_grad():
        flow.outputs(
            torch.ones_like(x, dtype=torch.float64) if x.is_floating_point() else x,
            {name: partial(plan.affine, base[name]) for name in AFFINE},
        )
    if plan.open:
        wanted = "the weight of a linear layer or convolution that the model calls"
        raise ValueError(f"{', '.join(map(repr, plan.open.values()))} is not {wanted}; leave it out of the names")
    return plan.masks


@final
@dataclass(eq=False)
class _Plan:
    """Which layers have their mask.

    Attributes:
        open: the names of the others by the `id` of their weight in the copy.
        kept: how many weights each layer keeps.
        balance: what is weighed.
        generator: of what is drawn, on the CPU.
        masks: those found.
    """

    open: dict[int, str]
    kept: dict[str, int]
    balance: Balance
    generator: torch.Generator
    masks: Masks = field(default_factory=dict)

    def affine(
        self,
        rule: Rule,
        func: Rule,
        input: Tensor,
        weight: Tensor,
        bias: Tensor | None = None,
        *args: Any,  # noqa: ANN401 - passed on
        **settings: Any,  # noqa: ANN401 - passed on
    ) -> Tensor:
        """A layer of the copy, with its mask in place of its weights."""
        name = self.open.pop(id(weight), None)
        if name is not None:
            mass, live = _arriving(lambda x, kernels: func(x, kernels, None, *args, **settings), input, weight)
            mask = balanced_layer(mass, live, len(weight), self.kept[name], self.balance, self.generator)
            self.masks[name] = mask.reshape(weight.shape)
            weight.copy_(self.masks[name])
        return rule(func, input, weight, bias, *args, **settings)


def _arriving(layer: Rule, input: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """The mass that a weight at each place of a kernel passes on, and whether any path does, `(groups, in, taps)`."""
    channels = input.shape[input.ndim - weight.ndim + 1]
    groups = channels // weight.shape[1]
    one = torch.ones((groups, *weight.shape[1:]), dtype=weight.dtype, device=weight.device, requires_grad=True)

    def passed(x: Tensor) -> Tensor:
        with torch.enable_grad():
            (found,) = torch.autograd.grad(layer(x, one).sum(), one)
        return found.reshape(groups, weight.shape[1], -1).cpu()

    live = passed((input > DEAD * input.max()).to(input.dtype)) > 0.5  # counts of places, whatever their masses
    return passed(input), live
