"""What has to touch the state of torch or a caller's model: the one is put back, of the other a copy is made."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import nn


@contextmanager
def isolated_random_state(generator: torch.Generator) -> Iterator[None]:
    """A block in which torch's global random numbers follow from `generator`; afterwards they go on as before.

    For code that knows only the global state: dropout, and the constructors of foreign modules.

    Args:
        generator: gives one number, the seed of the block.

    Example:
        >>> def drawn():
        ...     with isolated_random_state(torch.Generator().manual_seed(3)):
        ...         return torch.rand(2)
        >>> before = torch.get_rng_state()
        >>> bool(drawn().equal(drawn())), bool(torch.get_rng_state().equal(before))
        (True, True)
    """
    seed = int(torch.randint(2**62, (), generator=generator, device=generator.device))
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices=devices):
        torch.default_generator.manual_seed(seed)
        if devices:
            torch.cuda.manual_seed(seed)
        yield


@contextmanager
def torch_threads(count: int | None) -> Iterator[None]:
    """A block in which torch's CPU kernels use `count` threads; `None` changes nothing.

    Networks as small as the papers' train fastest on one thread: their matrices are too small to share, and threads
    that wait for each other on a busy machine cost far more than the products themselves.

    Args:
        count: how many threads, at least one.

    Example:
        >>> before = torch.get_num_threads()
        >>> with torch_threads(1):
        ...     torch.get_num_threads()
        1
        >>> torch.get_num_threads() == before
        True
    """
    before = torch.get_num_threads()
    torch.set_num_threads(before if count is None else count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def bare_copy(model: nn.Module) -> nn.Module:
    """A deep copy without hooks: they are not to be called, and what they hold need not be possible to copy.

    Example:
        >>> net = nn.Linear(2, 1)
        >>> _ = net.register_forward_hook(print)
        >>> len(bare_copy(net)._forward_hooks), len(net._forward_hooks)
        (0, 1)
    """
    memo = {}
    for part in model.modules():
        kinds = (part._forward_hooks, part._forward_pre_hooks, part._backward_hooks, part._backward_pre_hooks)
        memo |= {id(hooks): OrderedDict() for hooks in kinds}
    return copy.deepcopy(model, memo)
