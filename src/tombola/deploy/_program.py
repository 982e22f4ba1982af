"""Programs: networks that torch rebuilds from a file alone, without the code that they were written in."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from torch.export import ExportedProgram

Forward = Callable[[Tensor], Tensor]


def program(network: nn.Module, example: Tensor) -> ExportedProgram:
    """A network at evaluation as a program for batches of any size, without where its code was.

    Args:
        network: takes one tensor.
        example: a batch that it takes.

    Raises:
        ValueError: if torch cannot follow the forward, or it is for batches of one size only.
    """
    from torch import export

    two = torch.cat([example, example])[:2]  # torch takes a size of 1 for one that is always 1
    with quietly():
        try:
            found = export.export(network, (two,), dynamic_shapes=({0: export.Dim("batch")},))
        except Exception as error:  # whatever a forward does with something that is no tensor
            raise ValueError(f"torch cannot export the network for batches of any size: {first_line(error)}") from error
    for node in found.graph.nodes:
        for key in ("stack_trace", "from_node"):  # files and lines on this machine
            node.meta.pop(key, None)
    found.example_inputs = None
    return found


def program_bytes(network: nn.Module, example: Tensor) -> bytes:
    """The content of a `.pt2` file; arguments and errors are those of `program`."""
    from torch import export

    content = io.BytesIO()
    with quietly():
        export.save(program(network, example), content)
    return content.getvalue()


def program_forward(content: bytes) -> Forward:
    """The function that a `.pt2` file holds."""
    from torch import export

    with quietly():
        return export.load(io.BytesIO(content)).module()


def first_line(error: BaseException) -> str:
    """What an error says, without its advice."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


@contextmanager
def quietly() -> Iterator[None]:
    """A block in which exporters do not say what they did, or did not find; what they raise is raised."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
            # torch's exporter copies one of torch's own classes in a way that torch deprecates.
            warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)` is deprecated", FutureWarning)
            yield
    finally:
        logging.disable(before)
