"""Masks and weights in the forms of other programs: torch's own pruning, state dicts, folders of Hugging Face.

Names are those of plain parameters on this side, as `fc.weight`, whatever the other one calls them.

References:
    [Tanaka2020] H. Tanaka, D. Kunin, D. L. K. Yamins, S. Ganguli, "Pruning neural networks without any data by
    iteratively conserving synaptic flow", NeurIPS 2020; code at github.com/ganguli-lab/Synaptic-Flow.
"""

from ._files import load_masks, read_state, save_masks
from ._pretrained import load_pretrained, save_pretrained
from ._state import from_state_dict, to_state_dict
from ._torch_prune import to_torch_prune_

__all__ = [
    "from_state_dict",
    "load_masks",
    "load_pretrained",
    "read_state",
    "save_masks",
    "save_pretrained",
    "to_state_dict",
    "to_torch_prune_",
]
