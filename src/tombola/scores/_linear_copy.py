"""The linear copy of a network in which all weights are positive: what flows from its inputs to its outputs.

Weights become `|theta|` or `theta**2`, pruned ones 0, and the input is all ones; activations, normalisations and
dropout do nothing, biases are left out. What comes out is a sum over paths, with a product of weights for each.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, final

import torch
from torch import Tensor

from ._cuts import cut_calls
from ._linear_rules import AFFINE, Part, Rewritten, Rule, base_rules
from ._masked import MaskedCopy, checked, numbers
from ._score import Batches

LEAST = -1000  # of exponents; 2**-LEAST is still a float64
NEAR, WORTH = 32, 0.8  # results are rescaled outside of 2**-NEAR .. 2**NEAR; weights narrowed below this share


@final
class LinearCopy:
    """The all-positive linear copy, kept over any number of rounds of pruning.

    Results are multiplied by powers of two at the cuts of the network, the places that every path runs through, as far
    as they would grow or fall out of range. That is the same factor for all paths.

    Attributes:
        weights: the masked parameters as they are in the copy, by name; set entries to 0 in place to prune them.

    Args:
        copy: of the model, in a block of `masked_copy`; its module is changed.
        example: one input `(1, ...)`; only its shape counts, and of integers that they are names of embeddings.
        power: 1 for moduli, 2 for squares, 0 for ones.
        rules: in place of the usual ones, by the name of a torch function.
        dtype: of all computations.
    """

    def __init__(
        self,
        copy: MaskedCopy,
        example: Tensor,
        *,
        power: int = 1,
        rules: Mapping[str, Rule] | None = None,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        self._module = copy.module.to(dtype)
        parameters = dict(self._module.named_parameters())
        for name, parameter in parameters.items():
            parameter.data = parameter.data.abs().pow_(power)
            if name in copy.masks:
                parameter.data.masked_fill_(~copy.masks[name], 0)
                parameter.requires_grad_()
        self.weights: dict[str, Tensor] = {name: parameters[name] for name in copy.masks}
        self._originals = dict(self.weights)
        self._parts: dict[int, Part] = {}
        self._rules = base_rules({id(weight) for weight in self.weights.values()}, self._parts) | dict(rules or {})
        self._x = example if not example.is_floating_point() else torch.ones_like(example, dtype=dtype)
        self._cuts, self._narrow = self._look_around()

    def slopes(self, cotangent: Tensor | None = None) -> dict[str, Tensor]:
        """The derivatives of the sum of outputs by the masked weights, all times one power of two.

        Args:
            cotangent: weights of the outputs in the sum; all 1 by default.

        Raises:
            ValueError: if they are not finite or negative.
        """
        outputs, _ = self.outputs(self._x)
        total = outputs.sum() if cotangent is None else (outputs * cotangent).sum()
        found = torch.autograd.grad(total, list(self.weights.values()), materialize_grads=True)
        for name, slope in zip(self.weights, found, strict=True):
            _check_flow(name, slope)
        return dict(zip(self.weights, found, strict=True))

    def reaches(self) -> bool:
        """Whether anything of the input comes out."""
        with torch.no_grad():
            return bool(self.outputs(self._x)[0].sum() > 0)

    def outputs(self, x: Tensor, rules: Mapping[str, Rule] | None = None) -> tuple[Tensor, int]:
        """The outputs for inputs, with more rules or without, and the exponent of the power of 2 taken out of them."""
        calls, taken = 0, 0

        def rescaled(name: str, arguments: Sequence[Any], found: Any) -> Any:  # noqa: ANN401 - functions of torch return anything
            nonlocal calls, taken
            calls += 1
            if calls not in self._cuts:
                return found
            exponent = max(math.frexp(found.detach().amax().item())[1], LEAST)
            if abs(exponent) <= NEAR:
                return found
            taken += exponent
            return found * 2.0**-exponent

        with Rewritten(self._rules | dict(rules or {}), rescaled):
            return _tensor(self._module(x)), taken

    def narrow(self, name: str, kept: Tensor) -> Tensor:
        """Leaves rows and columns of a weight out in which nothing is kept, where that saves work.

        Args:
            name: of the weight.
            kept: `(out, in, *kernel)` bool, as `weights[name]` is now.

        Returns:
            The same in the shape that `weights[name]` has afterwards.
        """
        weight, used = self.weights[name], kept.view(torch.uint8).flatten(1)  # `amax` of bytes is far faster than `any`
        rows = used.amax(1).nonzero().flatten()
        columns = used.amax(0).view(kept.shape[1], -1).amax(1).nonzero().flatten()
        share = len(rows) * len(columns) / (len(kept) * kept.shape[1])
        if id(self._originals[name]) not in self._narrow or share > WORTH or share == 0:
            return kept
        old = self._parts.get(id(self._originals[name]))
        small = weight.detach()[rows][:, columns].requires_grad_()
        places = (rows, columns) if old is None else (old.rows[rows], old.columns[columns])
        self.weights[name] = small
        self._parts[id(self._originals[name])] = Part(small, *places)
        return kept[rows][:, columns]

    def widen(self, name: str, kept: Tensor) -> Tensor:
        """A bool tensor in the shape that `weights[name]` has, in the shape of the parameter itself."""
        part = self._parts.get(id(self._originals[name]))
        if part is None:
            return kept
        found = torch.zeros(self._originals[name].shape, dtype=torch.bool, device=kept.device)
        found[part.rows[:, None], part.columns] = kept
        return found

    def _look_around(self) -> tuple[set[int], set[int]]:
        """The numbers of the calls at cuts, and the `id`s of weights that do nothing but to be that of one layer."""
        made: list[tuple[str, Any]] = []
        uses: dict[int, list[str]] = {id(weight): [] for weight in self.weights.values()}

        def recorded(name: str, arguments: Sequence[Any], found: Any) -> Any:  # noqa: ANN401 - functions of torch return anything
            made.append((name, found.grad_fn if isinstance(found, Tensor) else None))
            plain = (
                name in AFFINE
                and arguments[0].shape[arguments[0].ndim - arguments[1].ndim + 1] == arguments[1].shape[1]
            )
            for argument in arguments:
                if id(argument) in uses:
                    uses[id(argument)].append("weight" if plain and argument is arguments[1] else "other")
            if plain and any(id(argument) in uses for argument in arguments[2:]):
                uses[id(arguments[1])].append("biased")
            return found

        x = self._x.clone()
        if x.is_floating_point():
            x.requires_grad_()
        with Rewritten(self._rules, recorded):
            outputs = _tensor(self._module(x))
        return cut_calls(made, outputs, x), {key for key, found in uses.items() if found == ["weight"]}


def one_input(batches: Batches, device: torch.device, criterion: str) -> Tensor:
    """The first input of the first batch as `(1, ...)`; ValueError if there is none, or a batch does not fit."""
    if len(batches) == 0:
        wanted = f"{criterion} reads the shape of an input: pass noise(shape, classes, ...) or one batch of any data"
        raise ValueError(f"there are no batches; {wanted}")
    inputs = [checked(batches, number, device)[0] for number in numbers(batches)]
    return inputs[0][:1]


def scores(copy: LinearCopy, slopes: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Slopes times weights, by name: of the flow through the network, the part that runs through each weight."""
    return {name: slope * copy.weights[name].detach() for name, slope in slopes.items()}


def _check_flow(name: str, slope: Tensor) -> None:
    least, largest = (bound.item() for bound in slope.aminmax()) if slope.numel() else (0.0, 0.0)
    if not math.isfinite(least) or not math.isfinite(largest):
        raise ValueError(f"the flow through {name!r} is not finite in {slope.dtype}; the weights are not, or {WIDER}")
    if least < 0:
        message = "a forward that subtracts has no positive copy"
        raise ValueError(f"the flow through {name!r} is negative: {message}; use a criterion with data")


WIDER = "the network grows beyond that type between two cuts: give dtype=torch.float64"


def _tensor(outputs: Any) -> Tensor:  # noqa: ANN401 - models return anything
    if not isinstance(outputs, Tensor):
        raise ValueError(f"the model returns {type(outputs).__name__}; wanted one tensor (wrap the model)")
    return outputs
