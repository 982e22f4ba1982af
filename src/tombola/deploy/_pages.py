"""Weights in large pages of memory, where the system has any.

In pages of the common size, how long two equal copies of a network take may differ by a tenth, by where these lie.
"""

from __future__ import annotations

import mmap
from contextlib import suppress
from itertools import chain

import torch
from torch import Tensor, nn

LARGE = 2**21  # bytes of a page; what is smaller stays where it is


def in_large_pages(tensor: Tensor) -> Tensor:
    """The numbers of a tensor, copied into large pages; itself if it is small, shared, has holes or is not on the CPU.

    Only Linux is asked for such pages; elsewhere this is the tensor itself.
    """
    size = tensor.numel() * tensor.element_size()
    if not hasattr(mmap, "MADV_HUGEPAGE") or tensor.device.type != "cpu" or tensor.layout != torch.strided:
        return tensor
    if tensor.is_quantized or tensor.is_shared() or size < LARGE or not tensor.is_contiguous():
        return tensor
    if tensor.data_ptr() % LARGE == 0:  # as by chance few do
        return tensor
    area = mmap.mmap(-1, size + LARGE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    with suppress(OSError):  # of a kernel that has none
        area.madvise(mmap.MADV_HUGEPAGE)
    begin = -torch.frombuffer(area, dtype=torch.uint8).data_ptr() % LARGE
    made = torch.frombuffer(area, dtype=tensor.dtype, count=tensor.numel(), offset=begin).view(tensor.shape)
    return made.copy_(tensor.detach())


def settle_(module: nn.Module) -> None:
    """Moves the parameters and buffers of a module to large pages, in place."""
    for tensor in chain(module.parameters(), module.buffers()):
        tensor.data = in_large_pages(tensor.data)
