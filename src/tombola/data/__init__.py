"""Data sets by name or path: whole, in memory, as stored, with the scaling that turns them into a network's inputs.

`load` knows the bundled digits, `.npz` files, idx folders, the short names of the papers' data sets (`NAMES`) and,
with the extra `data`, Hugging Face `datasets`.
"""

from tombola.data._batches import batches as batches
from tombola.data._dataset import DataSet as DataSet
from tombola.data._load import NAMES as NAMES
from tombola.data._load import load as load
from tombola.data._scaling import Scaling as Scaling
