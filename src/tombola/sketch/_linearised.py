"""A network as a linear function of its weights, near the weights that it has."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn
from torch.func import functional_call

from tombola.isolation import bare_copy, isolated_random_state
from tombola.masks import Masks, apply, check_masks

Batches = Sequence[tuple[Tensor, Tensor]]


@final
@dataclass(frozen=True, eq=False)
class Linearised:
    """`f(x; w + u) ~ f(x; w) + Phi u`, with `Phi u` and `Phi^T v` but never `Phi` itself.

    Attributes:
        module: a copy of the model without hooks, in evaluation mode.
        weights: the masked parameters, zeros where they are pruned; `Phi` has a column for each that is kept.
        masks: which are kept.
        inputs: of the batches.
        generator: of cotangents.
    """

    module: nn.Module
    weights: dict[str, Tensor]
    masks: Masks
    inputs: tuple[Tensor, ...]
    generator: torch.Generator

    def outputs(self, number: int, weights: Mapping[str, Tensor]) -> Tensor:
        """The outputs on a batch, at other values of some weights.

        Raises:
            ValueError: unless they are finite numbers in one tensor.
        """
        found = functional_call(self.module, {**self.weights, **weights}, (self.inputs[number],))
        if not isinstance(found, Tensor) or not found.is_floating_point():
            raise ValueError(
                f"a model is wanted whose output is one tensor of floating point, got {type(found).__name__}"
            )
        return found

    def pulled(self, number: int, passes: int) -> Iterator[dict[str, Tensor]]:
        """`Phi^T v` on a batch for `passes` random signs `v`: one forward, and a backward for each."""
        leaves = {name: value.detach().requires_grad_() for name, value in self.weights.items()}
        with torch.enable_grad():
            outputs = self.outputs(number, leaves)
        _check_finite(outputs, number)
        for _ in range(passes):
            found = [torch.zeros_like(leaf) for leaf in leaves.values()]
            if outputs.requires_grad:
                signs = self._signs(outputs)
                grads = torch.autograd.grad(outputs, list(leaves.values()), signs, retain_graph=True, allow_unused=True)
                found = [zero if grad is None else grad for zero, grad in zip(found, grads, strict=True)]
            yield apply(self.masks, dict(zip(leaves, found, strict=True)))

    def pushed(self, number: int, direction: Mapping[str, Tensor]) -> Tensor:
        """`Phi u` on a batch, `u` given for some of the weights and 0 for all others."""
        leaves = {name: self.weights[name].detach().requires_grad_() for name in direction}
        with torch.enable_grad():
            outputs = self.outputs(number, leaves)
            _check_finite(outputs, number)
            if not outputs.requires_grad:
                return torch.zeros_like(outputs)
            # Phi^T v is linear in v, so that its derivative by v, along u, is Phi u: two backwards, for any operation
            # that can be differentiated twice, of which there are more than with forward-mode derivatives.
            v = torch.zeros_like(outputs, requires_grad=True)
            pulled = torch.autograd.grad(outputs, list(leaves.values()), v, create_graph=True, materialize_grads=True)
            along = torch.stack([(a * b).sum() for a, b in zip(pulled, direction.values(), strict=True)]).sum()
        if not along.requires_grad:
            return torch.zeros_like(outputs)
        return torch.autograd.grad(along, v, materialize_grads=True)[0]

    def energy(self, direction: Mapping[str, Tensor]) -> float:
        """`||Phi u||^2` over all batches."""
        return sum(float(self.pushed(number, direction).double().square().sum()) for number in range(len(self.inputs)))

    def _signs(self, like: Tensor) -> Tensor:
        """Independent signs in a tensor's shape, drawn on the generator's device."""
        bits = torch.randint(2, like.shape, generator=self.generator, device=self.generator.device)
        return (2 * bits - 1).to(like)


@contextmanager
def linearised(model: nn.Module, batches: Batches, masks: Masks, generator: torch.Generator) -> Iterator[Linearised]:
    """A block with a linearised copy of a model; the model itself is not changed.

    Raises:
        ValueError: without masks or batches, for a mask that does not fit, or a batch on another device.
    """
    if not masks or not len(batches):
        raise ValueError("at least one mask and one batch are wanted; random inputs will do where there are no data")
    check_masks(masks, dict(model.named_parameters()))
    module = bare_copy(model).eval().requires_grad_(False)
    parameters = dict(module.named_parameters())
    masks = {name: mask.to(parameters[name].device) for name, mask in masks.items()}
    device = parameters[next(iter(masks))].device
    for number, (x, _) in enumerate(batches):
        if x.device != device:
            raise ValueError(f"batch {number} is on {x.device}, and the model is on {device}; move one to the other")
    weights = {name: parameters[name].detach() for name in masks}
    inputs = tuple(x for x, _ in batches)
    with isolated_random_state(generator), torch.autocast(device.type, enabled=False):
        yield Linearised(module, apply(masks, weights), masks, inputs, generator)


def _check_finite(outputs: Tensor, number: int) -> None:
    if not bool(outputs.isfinite().all()):
        raise ValueError(f"the outputs on batch {number} are not all finite; if the weights are, try float64")
