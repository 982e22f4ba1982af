"""Which weights stay, given a score for each and how many.

A selection is a function of one signature, `Select`: from scores and a number to masks. `top` keeps the largest scores;
`n_of_m`, `blocks` and `channels` make selections that keep patterns a machine can use; `tombola.sketch.sketch` draws.
"""

from ._blocks import blocks
from ._channels import channels
from ._largest import largest
from ._n_of_m import n_of_m
from ._select import Scores, Select
from ._top import top

__all__ = ["Scores", "Select", "blocks", "channels", "largest", "n_of_m", "top"]
