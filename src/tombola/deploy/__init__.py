"""What tickets are worth outside: networks without their dead channels, and the bytes of every form."""

from ._compact import compact
from ._sizes import LayerSize, Rate, Sizes, mask_entropy, sizes

__all__ = ["LayerSize", "Rate", "Sizes", "compact", "mask_entropy", "sizes"]
