"""Hides a sparse network in a random one."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float64, Int64
from torch import Tensor, nn

from tombola.masks import Masks
from tombola.random_source import Source, Uniform

from ._chain import chain


@dataclass(frozen=True, eq=False)
class Planted:
    """A random network with a known ticket in it.

    Attributes:
        network: `fc1, relu1, ..., fcL` in the target's dtype.
        masks: by parameter name, weights and biases: True where the target is. Pruned by them, the network computes
            `target / scales[-1]`.
        neurons: for each layer, `(target neurons,)`: which neuron of the network stands for each of the target's.
        scales: for each layer, `(target neurons,)` float64: what the pruned network's neurons have to be multiplied by
            to give the target's. Positive but for the last.
    """

    network: nn.Sequential
    masks: Masks
    neurons: tuple[Int64[Tensor, " _"], ...]
    scales: tuple[Float64[Tensor, " _"], ...]

    def unscaled(self, output: Tensor) -> Tensor:
        """Outputs `(..., outputs)` of the pruned network in the target's own unit."""
        return output * self.scales[-1].to(output)


def plant(
    target: nn.Sequential, width: int | Sequence[int], *, source: Source, half_widths: Sequence[float] | None = None
) -> Planted:
    """A random network in which a sparse target is hidden, and where it is: Algorithm 1 of [Fischer2022].

    The random network has the target's depth. Layer by layer, each target neuron takes the free neuron whose random
    parameters, at the places of its own non-zero ones, are most nearly a multiple of them, and overwrites those with
    its own, divided by a scale. A neuron whose scale is s carries the target's value over s, so the next layer's
    weights are multiplied by the scales of its inputs first. Exact: pruned by the masks, the network computes
    `target / scale`, up to rounding.

    Deviations from the printed algorithm: scales are one per neuron, not per layer; those of hidden neurons are
    positive, because a ReLU does not pass a sign on; and a scale keeps the norm of the parameters it overwrites,
    where the printed one divides it by the cosine between the two: outputs have no choice of neurons, their cosine is
    small, and planted weights many times larger than random ones would give themselves away. As it is, 0 to 10 % of the
    planted weights of this package's targets are above the 99 % quantile of the others in their layer (measured, mean
    over ten seeds at width 100); with the printed scale up to half of them.

    Args:
        target: Linear layers with biases or without, a ReLU between any two.
        width: of the hidden layers, one number for all or one for each.
        source: of the random parameters, addressed by their names in the returned network.
        half_widths: of the uniform law of each layer's weights, one per layer; default: sqrt(6 / fan_in), which keeps
            the scale of the activations. Biases are uniform with the product of the half-widths up to their layer, the
            law under which scaling layers only scales the output.

    Raises:
        ValueError: if the target is no such chain or not finite, a width or half-width does not fit, or some layer has
            no free neuron with a positive scale; the message says which. A wider network or another seed then helps.

    Example:
        >>> from tombola.planting import relu_target
        >>> planted = plant(relu_target(4), 50, source=Source(0))
        >>> {name: int(mask.sum()) for name, mask in planted.masks.items() if name.endswith("weight")}
        {'fc1.weight': 1, 'fc2.weight': 1, 'fc3.weight': 1}
        >>> bool((planted.scales[0] > 0).all())
        True
    """
    linears = _linears(target)
    widths = _widths(linears, width)
    network = _random_network(widths, source, half_widths).to(linears[0].weight.dtype)
    masks = {name: torch.zeros(p.shape, dtype=torch.bool) for name, p in network.named_parameters()}
    neurons: list[Tensor] = []
    scales: list[Tensor] = []
    inputs, input_scales = torch.arange(widths[0]), torch.ones(widths[0], dtype=torch.float64)
    for number, linear in enumerate(linears, start=1):
        name = f"fc{number}"
        place = network.get_submodule(name)
        assert isinstance(place, nn.Linear)
        weight, bias = _parameters(linear)
        wanted = torch.cat([weight * input_scales, bias], dim=1)
        weight, bias = _parameters(place)
        values = torch.cat([weight[:, inputs], bias], dim=1)
        chosen, layer_scales = _matched(wanted, values, name, is_last=number == len(linears))
        layer_masks = masks[f"{name}.weight"], masks[f"{name}.bias"]
        _overwrite(place, layer_masks, (chosen, inputs), wanted / layer_scales[:, None])
        neurons.append(chosen)
        scales.append(layer_scales)
        inputs, input_scales = chosen, layer_scales
    return Planted(network, masks, tuple(neurons), tuple(scales))


def _matched(
    wanted: Float64[Tensor, "target k"], values: Float64[Tensor, "width k"], name: str, *, is_last: bool
) -> tuple[Int64[Tensor, " target"], Float64[Tensor, " target"]]:
    """The neuron for each target neuron, and its scale."""
    if is_last:
        pairs = [_fit(theta, values[k : k + 1]) for k, theta in enumerate(wanted)]
        return torch.arange(len(wanted)), torch.stack([scale[0] for _, scale in pairs])
    free = torch.ones(len(values), dtype=torch.bool)
    chosen, scales = [], []
    for k, theta in enumerate(wanted):
        cosine, scale = _fit(theta, values)
        cosine = torch.where(free, cosine, -torch.inf)
        best = int(cosine.argmax())
        if not cosine[best] > 0:
            raise ValueError(
                f"{name}: none of the {int(free.sum())} free neurons can carry neuron {k} of the target with a "
                "positive scale; plant into a wider network or take another seed"
            )
        free[best] = False
        chosen.append(best)
        scales.append(scale[best])
    return torch.tensor(chosen), torch.stack(scales)


def _fit(theta: Float64[Tensor, " k"], values: Float64[Tensor, "n k"]) -> tuple[Tensor, Tensor]:
    """The cosine of each candidate with `theta` at its non-zero places, and the scale that keeps the norm.

    The distance of `theta` from the best multiple of a candidate is its norm times the sine, so the largest cosine is
    the nearest; a negative one would need a negative scale. A neuron without parameters fits anywhere.
    """
    places = theta != 0
    if not places.any():
        return torch.ones(len(values), dtype=torch.float64), torch.ones(len(values), dtype=torch.float64)
    inner, sizes = values[:, places] @ theta[places], values[:, places].norm(dim=1)
    return inner / (sizes * theta.norm()), torch.where(inner < 0, -1.0, 1.0) * theta.norm() / sizes


def _overwrite(
    place: nn.Linear, masks: tuple[Tensor, Tensor], ends: tuple[Tensor, Tensor], planted: Float64[Tensor, "target k"]
) -> None:
    """Writes the planted parameters into a layer, in place, and marks them in its masks."""
    rows, columns = ends
    neuron, entry = planted[:, :-1].nonzero(as_tuple=True)
    (biased,) = planted[:, -1].nonzero(as_tuple=True)
    with torch.no_grad():
        place.weight[rows[neuron], columns[entry]] = planted[neuron, entry].to(place.weight)
        place.bias[rows[biased]] = planted[biased, -1].to(place.bias)
    masks[0][rows[neuron], columns[entry]] = True
    masks[1][rows[biased]] = True


def _random_network(widths: list[int], source: Source, half_widths: Sequence[float] | None) -> nn.Sequential:
    """Uniform weights and biases by address, float32."""
    sizes = [math.sqrt(6 / n) for n in widths[:-1]] if half_widths is None else list(half_widths)
    if len(sizes) != len(widths) - 1:
        raise ValueError(f"half_widths must be one number per layer, {len(widths) - 1}; got {len(sizes)}")
    products = itertools.accumulate(sizes, operator.mul)
    layers = []
    for number, (size, product) in enumerate(zip(sizes, products, strict=True), start=1):
        outputs, inputs = widths[number], widths[number - 1]
        weight = source.tensor(f"fc{number}.weight", Uniform(size), (outputs, inputs))
        bias = source.tensor(f"fc{number}.bias", Uniform(product), (outputs,))
        layers.append((weight.numpy(), bias.numpy()))
    return chain(layers)


def _parameters(linear: nn.Linear) -> tuple[Float64[Tensor, "out in"], Float64[Tensor, "out 1"]]:
    """The weight and the bias, zero if there is none."""
    weight = linear.weight.detach().to("cpu", torch.float64)
    if linear.bias is None:
        return weight, torch.zeros(linear.out_features, 1, dtype=torch.float64)
    return weight, linear.bias.detach().to("cpu", torch.float64)[:, None]


def _linears(target: nn.Sequential) -> list[nn.Linear]:
    """The linear layers of a chain."""
    linears = [module for module in target if isinstance(module, nn.Linear)]
    kinds = [type(module) for module in target]
    if not linears or kinds != [nn.Linear, nn.ReLU] * (len(linears) - 1) + [nn.Linear]:
        names = ", ".join(kind.__name__ for kind in kinds)
        raise ValueError(f"the target must be Linear layers with one ReLU between any two; got {names or 'no layers'}")
    for name, parameter in target.named_parameters():
        if not parameter.isfinite().all():
            raise ValueError(
                f"{name} of the target has {int((~parameter.isfinite()).sum())} values that are not finite"
            )
    return linears


def _widths(linears: list[nn.Linear], width: int | Sequence[int]) -> list[int]:
    """The widths of the random network, input and output included."""
    needed = [linear.out_features for linear in linears[:-1]]
    hidden = [width] * len(needed) if isinstance(width, int) else list(width)
    if len(hidden) != len(needed) or any(have < need for have, need in zip(hidden, needed, strict=True)):
        raise ValueError(f"hidden widths must be at least those of the target, {needed}; got {hidden}")
    return [linears[0].in_features, *hidden, linears[-1].out_features]
