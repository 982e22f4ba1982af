"""What tickets are worth outside: networks that are smaller and faster, files of them, the bytes of every form."""

from ._choices import Layout
from ._compact import compact
from ._compile import Deployed, Speed, compile
from ._csr import CsrLinear
from ._export import Exported, export
from ._sizes import LayerSize, Rate, Sizes, mask_entropy, sizes
from ._sparse_layers import SparseChain, SparseConv2d
from ._turns import Interval

__all__ = [
    "CsrLinear",
    "Deployed",
    "Exported",
    "Interval",
    "LayerSize",
    "Layout",
    "Rate",
    "Sizes",
    "SparseChain",
    "SparseConv2d",
    "Speed",
    "compact",
    "compile",
    "export",
    "mask_entropy",
    "sizes",
]
