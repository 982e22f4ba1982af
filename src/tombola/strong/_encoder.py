"""Strong tickets for a transformer encoder: its attentions and the dense layers of its feed-forward blocks."""

from __future__ import annotations

import copy
from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from tombola.engines import Workers
from tombola.errors import UnsupportedModuleError
from tombola.subset_sum import sparsest
from tombola.ticket import Ticket

from ._adaptive import Solver
from ._attention import AttentionTicket, attention_ticket
from ._attention_target import AttentionTarget
from ._construct import construct
from ._pruned_attention import PrunedAttention
from ._tolerance import Tolerance

DENSE = ("intermediate", "output")  # of each layer, in the order in which a token meets them


@dataclass(frozen=True, eq=False)
class EncoderTicket:
    """The tickets of an encoder's parts, and the target that keeps the rest.

    Attributes:
        target: the model that was approximated; embeddings, LayerNorm, activations and pooler stay its own.
        attentions: one ticket per layer.
        dense: two tickets per layer, of the dense layers before and behind the activation.
    """

    target: nn.Module
    attentions: list[AttentionTicket]
    dense: list[tuple[Ticket, Ticket]]

    def module(self) -> nn.Module:
        """A copy of the model, in evaluation mode, whose attentions and feed-forward layers are the tickets'."""
        model: Any = copy.deepcopy(self.target).eval()
        for layer, attention, pair in zip(model.encoder.layer, self.attentions, self.dense, strict=True):
            layer.attention.self = _BertAttention(attention.module().to(_place(layer)))
            layer.attention.output.dense = nn.Identity()  # values and output are one product
            for part, ticket in zip(DENSE, pair, strict=True):
                getattr(layer, part).dense = _PerToken(ticket.module().to(_place(layer)))
        return model

    def report(self) -> dict[str, Any]:
        """Sizes and errors as JSON data; `own_parameters` are those that stay the target's."""
        attentions = [ticket.report() for ticket in self.attentions]
        dense = [ticket.record["report"] for pair in self.dense for ticket in pair]
        every = [*self.attentions, *(ticket for pair in self.dense for ticket in pair)]
        own = sum(parameter.numel() for name, parameter in self.target.named_parameters() if _is_own(name))
        return {
            "attentions": attentions,
            "dense": dense,
            "target_parameters": sum(parameter.numel() for parameter in self.target.parameters()) - own,
            "own_parameters": own,
            "source_parameters": sum(ticket.source_parameters for ticket in every),
            "kept": sum(ticket.kept for ticket in every),
            "failures": sum(row["failures"] for row in [*attentions, *dense]),
        }


def encoder_ticket(
    model: nn.Module,
    *,
    seed: int = 0,
    solver: Solver = sparsest,
    tolerance: Tolerance | None = None,
    workers: Workers | None = None,
) -> EncoderTicket:
    """Strong tickets for every attention and feed-forward layer of a `transformers.BertModel`.

    Attentions by `attention_ticket`, dense layers by `construct`, each from tensors of one random parent. LayerNorm,
    embeddings, the activation between the dense layers, and the pooler stay the target's own.

    Guarantee: each attention has its `error_bound`, each dense layer its certificate. Nothing is proved of the encoder
    as a whole: LayerNorm divides by a deviation that may be small, and is outside of the theorems. Dropout is left out:
    the result is for evaluation.

    Args:
        model: a BertModel without cross-attention that is no decoder.
        seed: of the random parent.
        solver: as in `construct`.
        tolerance: for the entries of every merged matrix and dense layer; default: 1 % of the largest of each.
        workers: threads and progress; the tickets do not depend on them.

    Raises:
        ImportError: if `transformers` is not installed.
        UnsupportedModuleError: for another model, a decoder, or cross-attention.

    Example:
        >>> from transformers import BertConfig, BertModel
        >>> sizes = {"hidden_size": 8, "num_attention_heads": 2, "intermediate_size": 16, "num_hidden_layers": 1}
        >>> ticket = encoder_ticket(BertModel(BertConfig(vocab_size=10, max_position_embeddings=16, **sizes)))
        >>> ticket.report()["failures"], ticket.module()(torch.tensor([[1, 2, 3]])).last_hidden_state.shape
        (0, torch.Size([1, 3, 8]))
    """
    _check(model)
    options: dict[str, Any] = {"seed": seed, "solver": solver, "tolerance": tolerance, "workers": workers}
    attentions, dense = [], []
    encoder: Any = model.get_submodule("encoder")
    for number, layer in enumerate(encoder.layer):
        one, heads = layer.attention.self, layer.attention.self.num_attention_heads
        projections = [(part.weight, part.bias) for part in (one.query, one.key, one.value)]
        output = layer.attention.output.dense
        target = AttentionTarget.from_projections(projections, (output.weight, output.bias), heads)
        attentions.append(attention_ticket(target, name=f"layer{number}.attention", **options))
        first, second = (
            construct(*_dense_target(getattr(layer, part).dense, f"layer{number}_{part}"), **options) for part in DENSE
        )
        dense.append((first, second))
    return EncoderTicket(model, attentions, dense)


def _check(model: nn.Module) -> None:
    try:
        from transformers import BertModel
    except ImportError as error:
        wanted = "encoders need the package transformers: pip install 'tombola[transformers]'"
        raise ImportError(wanted, name="transformers") from error
    if not isinstance(model, BertModel):
        raise UnsupportedModuleError("", type(model).__name__, ("transformers.BertModel",))
    if model.config.is_decoder or model.config.add_cross_attention:
        raise UnsupportedModuleError("", "a decoder or cross-attention", ("a BertModel that is an encoder",))


def _dense_target(layer: nn.Linear, name: str) -> tuple[nn.Module, Tensor]:
    """A dense layer under a name that no other has, as all tensors come from one source; and an example of an input."""
    return nn.Sequential(OrderedDict({name: layer})), torch.zeros(1, layer.in_features)


def _is_own(name: str) -> bool:
    """Whether a parameter stays the target's: all but those of the dense layers inside the encoder."""
    within = ".dense." in name or ".attention.self." in name
    return not (name.startswith("encoder.") and within)


def _place(layer: nn.Module) -> torch.device:
    return next(layer.parameters()).device


class _PerToken(nn.Module):
    """A network of vectors, applied to each token of `(batch, tokens, d)`."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x.flatten(0, -2)).unflatten(0, x.shape[:-1])


class _BertAttention(nn.Module):
    """Stands in for `BertSelfAttention`; its output is that of the layer's dense layer already."""

    def __init__(self, attention: PrunedAttention) -> None:
        super().__init__()
        self.attention = attention

    def forward(
        self, hidden_states: Tensor, attention_mask: Tensor | None = None, **_: object
    ) -> tuple[Tensor, None]:  # what else Bert's layers pass concerns caches and cross-attention
        return self.attention(hidden_states, attention_mask), None
