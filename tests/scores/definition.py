"""The criteria's definitions on dense tensors, written without what the package shares among them."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


def with_weights(model: nn.Module, weights: dict[str, Tensor], *, batch_statistics: bool = False) -> nn.Module:
    """A copy of a model in evaluation mode in which plain tensors stand where parameters were."""
    model = copy.deepcopy(model).eval()
    for name, weight in weights.items():
        path, _, leaf = name.rpartition(".")
        module = model.get_submodule(path)
        del module._parameters[leaf]
        setattr(module, leaf, weight)
    for layer in model.modules():
        if isinstance(layer, _BatchNorm):
            layer.training = batch_statistics
    return model


def mean_loss(model, batches, loss) -> Tensor:
    """The loss of all examples; each batch goes through the model by itself."""
    whole = sum(len(x) for x, _ in batches)
    return sum(len(x) / whole * loss(model(x), y) for x, y in batches)


def dense(given) -> dict[str, Tensor]:
    """The masked parameters of a model."""
    return {name: given["model"].get_parameter(name).detach().clone() for name in given["masks"]}


def entries(given) -> dict[str, Tensor]:
    """Mask entries as numbers that gradients can be taken of."""
    return {name: mask.double().requires_grad_() for name, mask in given["masks"].items()}


def times(first: dict[str, Tensor], second: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value * second[name] for name, value in first.items()}


def nudged(values: dict[str, Tensor], name: str, place: int, by: float) -> dict[str, Tensor]:
    """The values with one of them moved."""
    moved = values[name].detach().clone()
    moved.view(-1)[place] += by
    return {key: value.detach() for key, value in values.items()} | {name: moved}


def closely(found: dict[str, Tensor], wanted: dict[str, Tensor], tolerance: float = 1e-10) -> None:
    """Compares scores element by element, relative to the largest."""
    assert list(found) == list(wanted)
    scale = max(float(value.detach().abs().max()) for value in wanted.values())
    assert scale > 0
    for name, value in wanted.items():
        torch.testing.assert_close(found[name] / scale, value.detach() / scale, rtol=0, atol=tolerance)
