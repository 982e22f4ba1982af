"""The processes that train together, as `accelerate launch` or `torchrun` started them."""

from __future__ import annotations

import atexit
import gc
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import torch

if TYPE_CHECKING:
    from accelerate import PartialState

T = TypeVar("T")


def processes() -> PartialState:
    """What `accelerate` knows of the processes; those without a GPU talk to each other through gloo."""
    from accelerate import PartialState
    from accelerate.utils import parse_flag_from_env

    is_launched = int(os.environ.get("LOCAL_RANK", "-1")) != -1
    is_first_call = is_launched and not torch.distributed.is_initialized()
    state = PartialState(
        cpu=parse_flag_from_env("ACCELERATE_USE_CPU") or (is_launched and not torch.cuda.is_available())
    )
    if is_first_call and state.num_processes > 1:
        atexit.register(_leave, state)
    return state


def _leave(state: PartialState) -> None:
    """Ends the group before the interpreter does: torch aborts a process that leaves with the group's threads alive."""
    gc.collect()  # models that are still wrapped hold the group
    state.destroy_process_group()


def by_first(make: Callable[[], T]) -> T:
    """What the first process makes; it is sent to all others. So is its exception, which every process raises.

    Example:
        >>> by_first(lambda: 3)
        3
    """
    together = processes()
    if together.num_processes == 1:
        return make()
    from accelerate.utils import broadcast_object_list

    made: list[Any] = [None, None]
    if together.is_main_process:
        try:
            made = [make(), None]
        except Exception as error:  # the others wait for an answer
            made = [None, error]
    broadcast_object_list(made, from_process=0)
    if made[1] is not None:
        raise made[1]
    return made[0]
