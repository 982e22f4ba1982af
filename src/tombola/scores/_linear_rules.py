"""What torch's functions do in the linear copy of a network, and how they are made to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

Rule = Callable[..., Any]

# fmt: off
BYPASSED: tuple[str, ...] = (
    "relu", "relu_", "relu6", "leaky_relu", "leaky_relu_", "prelu", "rrelu", "rrelu_", "elu", "elu_", "celu",
    "celu_", "selu", "selu_", "gelu", "silu", "mish", "tanh", "tanh_", "sigmoid", "sigmoid_", "logsigmoid",
    "softplus", "softsign", "hardtanh", "hardtanh_", "hardswish", "hardsigmoid", "hardshrink", "softshrink",
    "tanhshrink", "threshold", "threshold_", "clamp", "clamp_", "clamp_min", "clamp_min_", "softmax",
    "log_softmax", "softmin", "dropout", "dropout_", "dropout1d", "dropout2d", "dropout3d", "alpha_dropout",
    "feature_alpha_dropout", "feature_dropout", "layer_norm", "rms_norm", "group_norm", "instance_norm",
    "batch_norm",
)
AFFINE: tuple[str, ...] = (
    "linear", "conv1d", "conv2d", "conv3d",
)
TRANSPOSED: tuple[str, ...] = (
    "conv_transpose1d", "conv_transpose2d", "conv_transpose3d",
)
REFUSED: tuple[str, ...] = (
    "scaled_dot_product_attention", "multi_head_attention_forward", "_native_multi_head_attention",
    "_transformer_encoder_layer_fwd", "lstm", "lstm_cell", "gru", "gru_cell", "rnn_tanh", "rnn_tanh_cell",
    "rnn_relu", "rnn_relu_cell", "embedding_bag", "bilinear", "cosine_similarity", "normalize",
)
# fmt: on


class Rewritten(TorchFunctionMode):
    """A block in which some of torch's functions, also as modules call them, do something else.

    Args:
        rules: by the name of a function: called with the function itself and its arguments.
        after: called with the name, the arguments and the result of every function; gives the result that counts.
    """

    def __init__(
        self, rules: Mapping[str, Rule], after: Callable[[str, Sequence[Any], Any], Any] | None = None
    ) -> None:
        super().__init__()
        self.rules, self.after = rules, after

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # noqa: ANN401 - functions of torch return anything
        name = getattr(func, "__name__", "")
        rule = self.rules.get(name)
        found = func(*args, **(kwargs or {})) if rule is None else rule(func, *args, **(kwargs or {}))
        return found if self.after is None else self.after(name, [*args, *(kwargs or {}).values()], found)


@dataclass(frozen=True, eq=False)
class Part:
    """The rows and columns of a weight that are in use; all other entries are zero.

    Attributes:
        weight: `(rows, columns, *kernel)`, a leaf of its own.
        rows: their numbers among the outputs.
        columns: their numbers among the inputs.
    """

    weight: Tensor
    rows: Tensor
    columns: Tensor


def base_rules(scored: Collection[int], parts: Mapping[int, Part]) -> dict[str, Rule]:
    """Rules by which activations, norms and dropout do nothing and layers have no biases.

    Args:
        scored: the `id`s of parameters that are scored, whose biases stay.
        parts: what stands for a weight, by its `id`; may change later.
    """
    rules: dict[str, Rule] = dict.fromkeys(BYPASSED, identity) | dict.fromkeys(AFFINE, partial(_affine, scored, parts))
    rules |= dict.fromkeys(TRANSPOSED, partial(_affine, scored, {})) | {"embedding": _embedding}
    return rules | dict.fromkeys(REFUSED, _refused)


def norm_rules(*, scale_norms: bool, power: int = 1) -> dict[str, Rule]:
    """Rules that keep the scale `|gamma| / sqrt(var + eps)` of batch norm, or none."""
    return {"batch_norm": partial(_scaled, power)} if scale_norms else {}


def average_rules() -> dict[str, Rule]:
    """Rules by which max-pools average."""
    names = {f"max_pool{rank}d": partial(_averaged, f"avg_pool{rank}d") for rank in (1, 2, 3)}
    return names | {f"adaptive_max_pool{rank}d": partial(_averaged, f"adaptive_avg_pool{rank}d") for rank in (1, 2, 3)}


def identity(func: Rule, *args: Any, **settings: Any) -> Tensor:  # noqa: ANN401 - in place of any function
    """The input of a function, as a tensor of its own unless the function works in place."""
    x = args[0] if args else settings["input"]
    name = getattr(func, "__name__", "")
    return x if settings.get("inplace") or name.endswith("_") else x.clone()


def _affine(
    scored: Collection[int],
    parts: Mapping[int, Part],
    func: Rule,
    input: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    *args: Any,  # noqa: ANN401 - passed on
    **settings: Any,  # noqa: ANN401 - passed on
) -> Tensor:
    """A layer without its bias, unless that is scored itself, and without rows and columns that are not in use."""
    part = parts.get(id(weight))
    if part is None:
        return func(input, weight, bias if id(bias) in scored else None, *args, **settings)
    axis = input.ndim - weight.ndim + 1
    small = func(input.index_select(axis, part.columns), part.weight, None, *args, **settings)
    found = small.new_zeros((*small.shape[:axis], len(weight), *small.shape[axis + 1 :]))
    return found.index_copy(axis, part.rows, small)


def _embedding(func: Rule, input: Tensor, weight: Tensor, *args: Any, **settings: Any) -> Tensor:  # noqa: ANN401
    """The sum of all embeddings: that of an all-ones input in place of a one-hot one."""
    return weight.sum(0).expand(*input.shape, -1)


def _refused(func: Rule, *args: Any, **settings: Any) -> Tensor:  # noqa: ANN401 - in place of any function
    name = getattr(func, "__name__", str(func))
    raise ValueError(f"{name} has no positive linear copy: its inputs are multiplied; use a criterion with data")


def _scaled(power: int, func: Rule, input: Tensor, *args: Any, **settings: Any) -> Tensor:  # noqa: ANN401
    """Batch norm without its shift: `|gamma| / sqrt(var + eps)` to a power; `gamma` already has it."""
    names = ("running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
    given = {"weight": None, "eps": 1e-5} | dict(zip(names, args, strict=False)) | settings
    shape, scaled = (-1, *[1] * (input.ndim - 2)), input
    if given["weight"] is not None:
        scaled = scaled * given["weight"].reshape(shape)
    if given["running_var"] is not None:
        scaled = scaled / (given["running_var"] + given["eps"]).pow(power / 2).reshape(shape)
    return scaled


def _averaged(name: str, func: Rule, input: Tensor, size: Any, *args: Any, **settings: Any) -> Tensor:  # noqa: ANN401
    """An average over what a max-pool would take the largest of; places of the padding count as 0."""
    pool = getattr(nn.functional, name)
    if name.startswith("adaptive"):
        return pool(input, size)
    stride, padding, dilation, ceil_mode = _pool_settings(*args, **settings)
    if dilation not in (1, (1,), (1, 1), (1, 1, 1)):
        raise ValueError("a max-pool with dilation has no average to stand for it")
    return pool(input, size, stride, padding, ceil_mode)


def _pool_settings(
    stride: Any = None,  # noqa: ANN401 - one number or some
    padding: Any = 0,  # noqa: ANN401
    dilation: Any = 1,  # noqa: ANN401
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> tuple[Any, Any, Any, bool]:
    return stride, padding, dilation, ceil_mode
