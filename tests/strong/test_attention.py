"""Attention as two pruned products per head: its values, its error over many tokens, and encoders made of it."""

from __future__ import annotations

import math
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from tombola.random_source import Source, Uniform
from tombola.strong import (
    AttentionTarget,
    AttentionTicket,
    BlindUnits,
    MergedAttention,
    PrunedAttention,
    Tolerance,
    attention_error_bound,
    attention_ticket,
    construct,
    encoder_ticket,
)
from tombola.subset_sum import nearest
from tombola.ticket import unpack

FINEST = Tolerance(1e-5, absolute=True)


def attention(heads: int, d: int, *, bias: bool = True, size: float = 1.0) -> AttentionTarget:
    """Weights whose merged matrices have norms of about `size` or some of it."""
    rng = np.random.default_rng(5)
    k = d // heads

    def draw(*shape: int) -> np.ndarray:
        return rng.normal(0, math.sqrt(size) / math.sqrt(d), shape).astype(np.float32)

    biases = (draw(heads, k), draw(heads, k), draw(heads, k), draw(d)) if bias else (None,) * 4
    weights = draw(heads, d, k), draw(heads, d, k), draw(heads, d, k), draw(heads, k, d)
    return AttentionTarget(*weights, 1 / math.sqrt(k), *biases)


def attended(target: AttentionTarget, x: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    """What the target computes, straight from its own weights in float64."""

    def product(weight: np.ndarray, bias: np.ndarray | None) -> torch.Tensor:
        found = x[:, None] @ torch.from_numpy(weight).double()
        return found if bias is None else found + torch.from_numpy(bias).double()[:, None]

    query, key = product(target.query, target.query_bias), product(target.key, target.key_bias)
    logits = query @ key.transpose(2, 3) * target.scale
    logits = logits if mask is None else logits.masked_fill(~mask, -torch.inf)
    heads = logits.softmax(dim=3) @ product(target.value, target.value_bias) @ torch.from_numpy(target.output).double()
    return heads.sum(dim=1) + (0 if target.output_bias is None else torch.from_numpy(target.output_bias).double())


def tokens(count: int, d: int, *, radius: float = 1.0) -> torch.Tensor:
    x = torch.randn(2, count, d, generator=torch.Generator().manual_seed(count), dtype=torch.float64)
    return radius * functional.normalize(x, dim=2)


def largest_error(ticket: AttentionTicket, target: AttentionTarget, x: torch.Tensor) -> float:
    with torch.no_grad():
        return float((ticket.module().double()(x) - attended(target, x)).norm(dim=2).max())


def test_one_head_of_one_dimension_by_hand():
    one = np.ones((1, 1, 1), np.float32)
    target = AttentionTarget(0.5 * one, one, 0.25 * one, one, 1.0)
    ticket = attention_ticket(target, seed=1)
    n = ticket.width
    query = Source(1).block("attention.0.query", Uniform(n**0.25), range(n), range(1))[:, 0].astype(np.float64)
    law = ticket.tensors["attention.0.key"].law
    assert law == Uniform(2 * n**0.25)  # 2 is the power of two next to three times the root mean square, 1.5
    key = Source(1).block("attention.0.key", law, range(n), range(1))[:, 0].astype(np.float64)
    kept = unpack(ticket.tensors["attention.0.query"].mask)[:, 0] & unpack(ticket.tensors["attention.0.key"].mask)[:, 0]
    by_hand = (query * key)[kept].sum() / math.sqrt(n)
    np.testing.assert_allclose(ticket.merged.query_key[0, 0, 0], by_hand, rtol=1e-12)
    assert abs(by_hand - 0.5) <= 0.005
    # Tokens 1 and -1, query 1: logits 0.5 and -0.5, so the mean token is tanh(0.5) and the output a quarter of it.
    x = torch.tensor([[[1.0], [-1.0]]])
    assert abs(float(ticket.module()(x).detach()[0, 0, 0]) - 0.25 * math.tanh(0.5)) <= 0.005


def test_merged_matrices_are_all_that_attention_depends_on():
    target = attention(2, 8)
    merged, x = target.merged(), tokens(6, 8)
    assert merged.query_bias is not None
    assert merged.bias is not None
    logits = torch.einsum("bti,hij,bsj->bhts", x, torch.from_numpy(merged.query_key), x)
    logits = logits + torch.einsum("hj,bsj->bhs", torch.from_numpy(merged.query_bias), x)[:, :, None]
    mean = logits.softmax(dim=3) @ x[:, None]
    out = (mean @ torch.from_numpy(merged.value_output)).sum(dim=1) + torch.from_numpy(merged.bias)
    torch.testing.assert_close(out, attended(target, x))


@pytest.mark.parametrize("bias", [True, False])
def test_target_of_a_torch_module_computes_what_it_computes(bias):
    module = nn.MultiheadAttention(8, 2, bias=bias, batch_first=True).double()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
        x = tokens(5, 8)
        torch.testing.assert_close(attended(AttentionTarget.of(module), x), module(x, x, x)[0])


@pytest.mark.parametrize("bias", [True, False])
def test_every_weight_of_the_module_is_zero_or_the_sources_own(bias):
    ticket = attention_ticket(attention(2, 8, bias=bias), seed=9, name="block")
    state, seen = ticket.module().state_dict(), 0
    for part, owner in {"query": "query", "key": "key", "value": "value", "output": "output"}.items():
        weight = state[f"{part}.weight"].T if part == "output" else state[f"{part}.weight"]
        for head, rows in enumerate(weight.chunk(2)):
            tensor = ticket.tensors[f"block.{head}.{owner}"]
            assert tensor.law is not None
            values = Source(9).tensor(f"block.{head}.{owner}", tensor.law, tuple(tensor.mask.shape))
            torch.testing.assert_close(rows, torch.where(rows != 0, values, 0.0), rtol=0, atol=0)
            seen += int((rows != 0).sum())
    for part in ("query", "value") if bias else ():
        for head, rows in enumerate(state[f"{part}.bias"].chunk(2)):
            name = f"block.{head}.{part}.bias"
            law = ticket.tensors[name].law
            assert law is not None
            values = Source(9).tensor(name, law, (len(rows),))
            torch.testing.assert_close(rows, torch.where(rows != 0, values, 0.0), rtol=0, atol=0)
            seen += int((rows != 0).sum())
    assert seen == ticket.kept
    assert sum(value.numel() for value in state.values()) == ticket.source_parameters


def test_queries_and_keys_grow_by_the_fourth_root_of_the_width():
    ticket = attention_ticket(attention(2, 8))
    for head in range(2):
        law = ticket.tensors[f"attention.{head}.query"].law
        assert isinstance(law, Uniform)
        np.testing.assert_allclose(law.half_width, ticket.width**0.25)
        assert ticket.tensors[f"attention.{head}.value"].law == Uniform(1.0)


@pytest.mark.parametrize("heads", [1, 4])
@pytest.mark.parametrize("bias", [True, False])
def test_every_merged_entry_meets_the_tolerance(heads, bias):
    target = attention(heads, 16, bias=bias)
    ticket, merged = attention_ticket(target, seed=2), target.merged()
    assert ticket.failures == 0
    for head in range(heads):
        for found, wanted in (
            (ticket.merged.query_key, merged.query_key),
            (ticket.merged.value_output, merged.value_output),
        ):
            error = np.abs(found[head] - wanted[head]).max()
            assert 0 < error <= 0.01 * np.abs(wanted).max()
    if bias:
        assert ticket.merged.query_bias is not None
        assert merged.query_bias is not None
        assert np.abs(ticket.merged.query_bias - merged.query_bias).max() <= ticket.query_key_error.max()
        np.testing.assert_allclose(ticket.merged.bias, merged.bias, atol=0.01 * np.abs(merged.value_output[0]).max())


def test_the_reported_errors_are_those_of_the_matrices():
    ticket = attention_ticket(attention(2, 8, bias=False), seed=2)
    for errors, found, wanted in (
        (ticket.query_key_error, ticket.merged.query_key, ticket.target.query_key),
        (ticket.value_output_error, ticket.merged.value_output, ticket.target.value_output),
    ):
        np.testing.assert_array_equal(errors, np.abs(found - wanted).max(axis=(1, 2)))


def test_the_module_computes_with_the_merged_matrices():
    target = attention(2, 8)
    ticket, x = attention_ticket(target, seed=4), tokens(7, 8)
    merged, d = ticket.merged, 8
    as_target = AttentionTarget(
        np.concatenate([np.eye(d)[None]] * 2) @ merged.query_key,
        np.concatenate([np.eye(d)[None]] * 2),
        merged.value_output,
        np.concatenate([np.eye(d)[None]] * 2),
        1.0,
        query_bias=merged.query_bias,
        output_bias=merged.bias,
    )
    torch.testing.assert_close(ticket.module().double()(x), attended(as_target, x))


@pytest.mark.parametrize("radius", [1.0, 3.0])
def test_error_stays_below_the_bound_for_any_number_of_tokens(radius):
    target = attention(2, 8, size=4.0)
    ticket = attention_ticket(target, seed=6, tolerance=Tolerance(0.05))
    errors = [largest_error(ticket, target, tokens(count, 8, radius=radius)) for count in (4, 16, 64, 256, 512)]
    assert 0 < max(errors) <= ticket.error_bound(radius)
    assert max(errors[1:]) <= 2 * errors[0]  # it does not grow with the number of tokens
    assert max(errors) > ticket.error_bound(radius) / 50  # a bound that is nowhere near says nothing


@pytest.mark.parametrize("e", [0.01, 0.3, 0.5, 2.0])
def test_bound_is_attained_by_two_tokens_and_sharper_than_the_published_lemma(e):
    one = np.ones((1, 1, 1))
    x = torch.tensor([[[1.0], [-1.0]]], dtype=torch.float64)
    # Query 1 has the logits -e/2 and e/2 for the tokens 1 and -1, then e/2 and -e/2.
    before, after = (attended(AttentionTarget(m * one, one, one, one, 1.0), x) for m in (-e / 2, e / 2))
    target, ticket = (MergedAttention(m * one, None, one, None) for m in (-e / 2, e / 2))
    bound = attention_error_bound(target, ticket, 1.0)
    np.testing.assert_allclose(bound, float((after - before)[0, 0, 0]), rtol=1e-6)
    assert bound <= 4 * e


def test_bound_counts_values_and_biases_by_hand():
    one, bias = np.ones((1, 1, 1)), np.ones((1, 1))
    target = MergedAttention(one, bias, 2 * one, bias[0])
    moved = MergedAttention(one, bias + 0.2, 2 * one, bias[0])
    np.testing.assert_allclose(attention_error_bound(target, moved, 3.0), 2 * 3 * math.tanh(3 * 0.2 / 2) * 2, rtol=1e-6)
    moved = MergedAttention(one, bias, 2.5 * one, bias[0] + 0.25)
    np.testing.assert_allclose(attention_error_bound(target, moved, 3.0), 3 * 0.5 + 0.25, rtol=1e-6)


def test_masked_tokens_are_not_seen():
    target = attention(2, 8)
    ticket, x = attention_ticket(target, seed=1), tokens(6, 8)
    mask = torch.tensor([[True, True, True, True, False, False]])
    module = ticket.module().double()
    other = x.clone()
    other[:, 4:] = 5.0
    with torch.no_grad():
        found, moved = module(x, mask)[:, :4], module(other, mask)[:, :4]
        torch.testing.assert_close(found, moved, rtol=0, atol=0)
        assert float((found - attended(target, x, mask)[:, :4]).norm(dim=2).max()) <= ticket.error_bound(1.0)
        added = torch.zeros(1, 6, dtype=torch.float64).masked_fill(~mask, -torch.inf)
        torch.testing.assert_close(module(x, added)[:, :4], found)


def test_median_error_falls_exponentially_with_the_hidden_dimension():
    target = attention(1, 12, bias=False)
    sizes, medians = (6, 8, 10, 12, 14), []
    for size in sizes:
        ticket = attention_ticket(target, seed=3, solver=nearest, tolerance=FINEST, allocation=BlindUnits(size))
        assert ticket.width == 12 * size
        medians.append(float(np.median(np.abs(ticket.merged.query_key - ticket.target.query_key))))
    slope = np.polyfit(sizes, np.log2(medians), 1)[0]
    assert -1.2 < slope < -0.7  # every unit about halves it


def test_entries_that_blind_blocks_miss_are_counted():
    ticket = attention_ticket(attention(1, 12), seed=3, allocation=BlindUnits(3))
    gaps = [
        np.abs(ticket.merged.query_key - ticket.target.query_key).max(),
        np.abs(ticket.merged.value_output - ticket.target.value_output).max(),
    ]
    assert ticket.failures > 50
    assert max(gaps) > 0.01


def test_one_sum_serves_both_signs_where_a_relu_needs_two():
    target = attention(1, 16, bias=False)
    ticket = attention_ticket(target, seed=8)
    x, module = tokens(1, 16), ticket.module().double()
    torch.testing.assert_close(module(-x), -module(x))  # one token attends to itself alone: the map is linear
    edges = module.value.weight.detach()
    assert 0.3 < float((edges > 0).sum() / (edges != 0).sum()) < 0.7  # units are owned through edges of either sign
    layer = nn.Linear(16, 16, bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(target.merged().value_output[0]).T)
    gated = construct(layer, torch.zeros(1, 16), seed=8)
    assert ticket.value_width < 0.7 * gated.tensors[gated.stages[0].weight].mask.shape[0]


def test_the_ticket_is_reproducible_and_names_are_independent():
    target = attention(1, 6)
    first, second = (attention_ticket(target, seed=3) for _ in range(2))
    np.testing.assert_array_equal(first.merged.query_key, second.merged.query_key)
    other = attention_ticket(target, seed=3, name="other")
    assert (other.merged.query_key != first.merged.query_key).any()


def test_a_target_of_zeros_keeps_nothing():
    zeros = np.zeros((1, 3, 2), np.float32)
    ticket = attention_ticket(AttentionTarget(zeros, zeros, zeros, np.zeros((1, 2, 3), np.float32), 1.0))
    assert ticket.kept == ticket.failures == 0
    assert not ticket.module()(torch.ones(1, 2, 3)).any()


def test_what_does_not_fit_is_refused():
    target = attention(2, 8)
    with pytest.raises(ValueError, match=r"key has the shape \(2, 8, 3\)"):
        replace(target, key=target.key[:, :, :3])
    with pytest.raises(ValueError, match="value holds numbers that are not finite"):
        replace(target, value=target.value * np.float32(np.nan))
    with pytest.raises(ValueError, match="scale must be a positive"):
        replace(target, scale=0.0)
    with pytest.raises(ValueError, match="tolerances of weights only"):
        attention_ticket(target, tolerance=Tolerance(epsilon=0.1))
    with pytest.raises(ValueError, match="at least one unit"):
        BlindUnits(0)
    with pytest.raises(ValueError, match="radius bounds the norm"):
        attention_ticket(target).error_bound(0.0)
    with pytest.raises(ValueError, match="only self-attention"):
        AttentionTarget.of(nn.MultiheadAttention(8, 2, kdim=4))


@pytest.fixture(scope="module")
def transformers():
    return pytest.importorskip("transformers", reason="the encoder needs transformers, which is not installed")


def model_of(transformers, **options):
    """A small BERT with random weights, larger than usual so that its attention is not the same for all tokens."""
    sizes = {"hidden_size": 64, "num_attention_heads": 2, "intermediate_size": 128, "num_hidden_layers": 2}
    config = transformers.BertConfig(
        vocab_size=50, max_position_embeddings=32, initializer_range=0.1, **sizes, **options
    )
    model = transformers.BertModel(config).eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not name.endswith("LayerNorm.weight"):  # biases of a fresh model would all be zero
                parameter.normal_(0, 0.1, generator=generator)
    return model


@pytest.fixture(scope="module")
def encoder(transformers):
    return encoder_ticket(model_of(transformers), seed=1, tolerance=Tolerance(0.005))


def test_encoder_has_no_failures_and_leaves_the_model_alone(transformers, encoder):
    report = encoder.report()
    assert report["failures"] == 0
    assert report["kept"] < report["source_parameters"]
    fresh = model_of(transformers).state_dict()
    torch.testing.assert_close(encoder.target.state_dict(), fresh, rtol=0, atol=0)


@pytest.mark.parametrize("kind", ["sdpa", "eager"])
def test_encoder_output_is_close_and_padding_is_not_seen(transformers, encoder, kind):
    model = model_of(transformers, attn_implementation=kind)
    net = replace(encoder, target=model).module()
    ids = torch.randint(0, 50, (2, 12), generator=torch.Generator().manual_seed(0))
    mask = torch.ones(2, 12, dtype=torch.long)
    mask[0, 7:] = 0
    other = torch.where(mask.bool(), ids, 3)
    with torch.no_grad():
        wanted, found, moved = (
            one(tokens, attention_mask=mask).last_hidden_state[mask.bool()]
            for one, tokens in ((model, ids), (net, ids), (net, other))
        )
        unmasked = net(ids).last_hidden_state[mask.bool()]
    assert 0 < float((found - wanted).norm() / wanted.norm()) < 0.02
    torch.testing.assert_close(moved, found, rtol=0, atol=1e-5)
    assert float((unmasked - found).norm() / found.norm()) > 0.02  # so the mask does matter here


def test_encoder_keeps_the_rest_as_the_targets_own_and_counts_it(encoder):
    model, net, report = encoder.target, encoder.module(), encoder.report()
    attentions = [module for module in net.modules() if isinstance(module, PrunedAttention)]
    kept = sum(int((value != 0).sum()) for module in attentions for value in module.parameters())
    assert kept == sum(row["kept"] for row in report["attentions"])
    before = dict(model.named_parameters())
    own = {name: value for name, value in net.named_parameters() if name in before}
    torch.testing.assert_close(own, {name: before[name] for name in own}, rtol=0, atol=0)
    assert sum(value.numel() for value in own.values()) == report["own_parameters"]
    total = sum(value.numel() for value in before.values())
    assert report["target_parameters"] + report["own_parameters"] == total


def test_encoder_tensors_of_all_parts_have_different_names(encoder):
    parts = [*encoder.attentions, *(one for pair in encoder.dense for one in pair)]
    names = [name for part in parts for name in part.tensors]
    assert len(names) == len(set(names))


def test_other_models_are_refused(transformers):
    with pytest.raises(ValueError, match="found Linear"):
        encoder_ticket(nn.Linear(2, 2))
    with pytest.raises(ValueError, match="decoder"):
        encoder_ticket(model_of(transformers, is_decoder=True))


def test_without_transformers_the_extra_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r"tombola\[transformers\]"):
        encoder_ticket(nn.Linear(2, 2))
