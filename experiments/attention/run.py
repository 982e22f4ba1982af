"""Strong tickets for attention: error against the hidden dimension, against the number of tokens, and in an encoder.

Run `python experiments/attention/run.py`; `--tiny` does the same with less of everything and writes nothing.
"""

from __future__ import annotations

import math
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

sys.path.insert(0, str(Path(__file__).parents[1]))
from _common import carry_out, over_seeds

from tombola import Tolerance, nearest
from tombola.strong import AttentionTarget, AttentionTicket, BlindUnits, attention_ticket, encoder_ticket

FINEST = Tolerance(1e-5)  # so that blind blocks give all entries but zeros the best sum that they can
BLIND = ["width", "median entry error", "max entry error", "mean output error"]
TOKENS = ["output error", "bound", "failures"]
SIZES = ["width", "kept per weight", "parent / weights", "relative output error", "failures", "seconds"]


@dataclass(frozen=True)
class Config:
    """The published setting, two-dimensional points and one head with eight query dimensions; and larger ones."""

    sources: int = 100
    blocks: tuple[int, ...] = (4, 6, 8, 10, 12, 14, 16, 18, 20)
    targets: int = 4
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4)
    tokens: tuple[int, ...] = (4, 16, 64, 256, 1024)
    tolerances: tuple[float, ...] = (0.01, 0.002)
    hidden: int = 64


def study(config: Config) -> dict[str, Any]:
    """Every row of the tables, source by source and as intervals; and the rates at which errors fall."""
    seeds, blind = range(config.sources), {}
    for size in config.blocks:
        blind[f"blocks of {size}"] = [blind_run(seed, size, config.targets) for seed in seeds]
    runs = {f"{count} tokens": [tokens_run(seed, count) for seed in config.seeds] for count in config.tokens}
    for tolerance in config.tolerances:
        for spread in (0.02, 0.1):
            name = f"encoder, weights of std {spread:g}, at {tolerance:g}"
            runs[name] = [encoder_run(seed, config.hidden, spread, tolerance) for seed in config.seeds]
    rates = {name: rate(blind, name) for name in BLIND[1:]}  # of the mean over sources, but for the median
    print(*(f"{name}: {factor:.3g} exp({slope:.3g} n)" for name, (factor, slope) in rates.items()), sep="\n")
    table = {name: over_seeds(rows) for name, rows in (blind | runs).items()}
    return {"rates": rates, "runs": runs, "table": table, "transformers": version("transformers")}


def rate(blind: dict[str, list[dict[str, float]]], name: str) -> tuple[float, float]:
    """The factor and the slope of the exponential in n that fits an error's mean (or median) over the sources."""
    average = np.median if name.startswith("median") else np.mean
    widths = [rows[0]["width"] for rows in blind.values()]
    means = [average([row[name] for row in rows]) for rows in blind.values()]
    slope, offset = np.polyfit(widths, np.log(means), 1)
    return float(np.exp(offset)), float(slope)


def random_target(seed: int, heads: int, d: int, k: int) -> AttentionTarget:
    """Merged matrices of norm 1 and, as matrices of the theorem have, no biases."""
    rng = np.random.default_rng(seed)
    query, key, value = (rng.normal(size=(heads, d, k)) for _ in range(3))
    output = rng.normal(size=(heads, k, d))
    for left, right, scale in ((query, key.transpose(0, 2, 1), 1 / math.sqrt(k)), (value, output, 1.0)):
        left /= np.linalg.norm(left @ right * scale, ord=2, axis=(1, 2))[:, None, None]
    return AttentionTarget(query, key, value, output, 1 / math.sqrt(k))


def points(seed: int, count: int, d: int) -> Tensor:
    """Tokens `(1, count, d)` of norm 1."""
    drawn = torch.randn(1, count, d, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return functional.normalize(drawn, dim=2)


def output_errors(ticket: AttentionTicket, target: AttentionTarget, x: Tensor) -> Tensor:
    """The norm of the error at every token."""
    query, key, value, output = (torch.from_numpy(w) for w in (target.query, target.key, target.value, target.output))
    logits = (x[:, None] @ query) @ (x[:, None] @ key).transpose(2, 3) * target.scale
    wanted = (logits.softmax(dim=3) @ (x[:, None] @ value) @ output).sum(dim=1)
    with torch.no_grad():
        return (ticket.module().double()(x) - wanted).norm(dim=2)


def blind_run(seed: int, size: int, targets: int) -> dict[str, float]:
    """Blind blocks on one source, with the nearest sums, for several targets."""
    gaps, errors = [], []
    for number in range(targets):
        target = random_target(number, 1, 2, 8)
        ticket = attention_ticket(target, seed=seed, solver=nearest, tolerance=FINEST, allocation=BlindUnits(size))
        gaps += [getattr(ticket.merged, part) - getattr(ticket.target, part) for part in ("query_key", "value_output")]
        errors.append(float(output_errors(ticket, target, points(number, 4, 2)).mean()))
    found = np.abs(np.concatenate(gaps))
    row = {"median entry error": float(np.median(found)), "max entry error": float(found.max())}
    return {"seed": seed, "width": ticket.width, **row, "mean output error": float(np.mean(errors))}


def tokens_run(seed: int, count: int) -> dict[str, float]:
    """The largest error at any token of a ticket with four heads over sixteen dimensions, and what was proved."""
    target = random_target(seed, 4, 16, 4)
    ticket = attention_ticket(target, seed=seed)
    error = float(output_errors(ticket, target, points(seed, count, 16)).max())
    return {"seed": seed, "output error": error, "bound": ticket.error_bound(1.0), "failures": ticket.failures}


def encoder_run(seed: int, hidden: int, spread: float, tolerance: float) -> dict[str, float]:
    """A BERT encoder of two layers with random weights, and its ticket on a batch with padding."""
    from transformers import BertConfig, BertModel

    sizes = {"hidden_size": hidden, "num_attention_heads": 4, "intermediate_size": 2 * hidden, "num_hidden_layers": 2}
    model: nn.Module = BertModel(BertConfig(vocab_size=100, max_position_embeddings=64, **sizes)).eval()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if not name.endswith("LayerNorm.weight"):
                parameter.normal_(0, spread, generator=generator)
        started = time.perf_counter()
        ticket = encoder_ticket(model, seed=seed, tolerance=Tolerance(tolerance))
        seconds = time.perf_counter() - started
        ids, mask = torch.randint(0, 100, (8, 32), generator=generator), torch.ones(8, 32, dtype=torch.long)
        mask[::2, 20:] = 0
        both = [net(ids, attention_mask=mask).last_hidden_state[mask.bool()] for net in (model, ticket.module())]
    report = ticket.report()
    weights = report["target_parameters"]
    return {
        "seed": seed,
        "width": float(np.mean([row["width"] for row in report["attentions"]])),
        "kept per weight": report["kept"] / weights,
        "parent / weights": report["source_parameters"] / weights,
        "relative output error": float((both[1] - both[0]).norm() / both[0].norm()),
        "failures": report["failures"],
        "seconds": seconds,
    }


if __name__ == "__main__":
    carry_out(study, Config(), Config(3, (4, 8), 2, (0, 1), (4, 64), (0.01,), 16), [BLIND, TOKENS, SIZES])
