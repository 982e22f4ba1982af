"""Self-attention whose query-key and value-output dimensions are those of a source, not of the target."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional


class PrunedAttention(nn.Module):
    """Softmax attention over tokens with four dense layers, whose pruned weights are zeros.

    A head has `width` dimensions for queries and keys and `value_width` for values. Its softmax is the stock one:
    logits are divided by the root of `width`.

    Args:
        query: the dense layer of all heads' queries, `width` outputs for each head in turn.
        key: that of the keys.
        value: that of the values, `value_width` outputs for each head in turn.
        output: reads the values of all heads.
        heads: how many.

    Example:
        >>> import torch
        >>> layers = [nn.Linear(4, 6), nn.Linear(4, 6), nn.Linear(4, 10), nn.Linear(10, 4)]
        >>> attention = PrunedAttention(*layers, heads=2)
        >>> attention(torch.zeros(3, 7, 4)).shape  # three sequences of seven tokens
        torch.Size([3, 7, 4])
    """

    def __init__(self, query: nn.Linear, key: nn.Linear, value: nn.Linear, output: nn.Linear, *, heads: int) -> None:
        super().__init__()
        self.query, self.key, self.value, self.output, self.heads = query, key, value, output, heads

    def forward(self, x: Tensor, mask: Tensor | None = None) -> Tensor:
        """The attended tokens `(batch, tokens, outputs)`.

        Args:
            x: `(batch, tokens, d)`.
            mask: of two axes or more, broadcast to `(batch, heads, tokens, tokens)`; bool (True: may be attended to) or
                added to the logits.
        """
        parts = [
            layer(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for layer in (self.query, self.key, self.value)
        ]
        attended = functional.scaled_dot_product_attention(*parts, attn_mask=mask)
        return self.output(attended.transpose(1, 2).flatten(2))
