"""How far the output of attention can move when its merged matrices do."""

from __future__ import annotations

import math

import numpy as np

from ._attention_target import MergedAttention
from ._norms import spectral_norm_bound


def attention_error_bound(target: MergedAttention, ticket: MergedAttention, radius: float) -> float:
    r"""A bound of the 2-norm of the output's error at every token, if no token's norm exceeds `radius`.

    With the logit perturbation \(e = \alpha^2 \lVert E_{QK} \rVert + \alpha \lVert e_Q \rVert\) of a head,

    \[\Bigl\lVert \sum_s (p'_s - p_s) x_s \Bigr\rVert \le 2 \alpha \tanh(e / 2) \le \alpha e,\qquad
      \text{error} \le \sum_{\text{heads}} \bigl(2 \alpha \tanh(e/2) \lVert W_{VO} \rVert
      + \alpha \lVert E_{VO} \rVert\bigr) + \lVert e_b \rVert,\]

    for any number of tokens and any mask that leaves each query a key. Exact, spectral norms proved; for the effective
    matrices as the float64 numbers that they are, evaluated without rounding.

    Why: the probability of any set of keys grows most if the logits of that set rise by `e` and all others fall by `e`,
    which moves its log-odds by `2 e`; so the total variation is at most `tanh(e / 2)`, and a shift of mass moves the
    mean of points of a ball by at most the mass times the diameter. [Otsuka2025, Lemma 5] has `4 sqrt(d) alpha e`, for
    `e <= 1/2` only.

    Args:
        target: its merged matrices.
        ticket: those of the pruned attention.
        radius: alpha, a bound of the 2-norm of each token.

    Raises:
        ValueError: if the radius is not positive and finite.

    Example:
        >>> one = np.ones((1, 1, 1))
        >>> target = MergedAttention(one, None, one, None)
        >>> ticket = MergedAttention(one + 0.1, None, one, None)
        >>> round(attention_error_bound(target, ticket, 1.0), 4)  # 2 tanh(0.05)
        0.0999
    """
    if not (math.isfinite(radius) and radius > 0):
        raise ValueError(f"radius bounds the norm of a token, a positive finite number; got {radius}")
    total = _gap(target.bias, ticket.bias)
    for head in range(len(target.query_key)):
        logits = radius**2 * spectral_norm_bound(ticket.query_key[head] - target.query_key[head])
        if target.query_bias is not None and ticket.query_bias is not None:
            logits += radius * _gap(target.query_bias[head], ticket.query_bias[head])
        value, error = target.value_output[head], ticket.value_output[head] - target.value_output[head]
        moved = 2 * radius * math.tanh(logits / 2) * spectral_norm_bound(value)
        total += moved + radius * spectral_norm_bound(error)
    return total


def _gap(target: np.ndarray | None, ticket: np.ndarray | None) -> float:
    return 0.0 if target is None or ticket is None else float(np.linalg.norm(ticket - target))
