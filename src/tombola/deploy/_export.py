"""A pruned network as a file that runs without this library, checked against the network before it is written."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from tombola.files import atomic_write
from tombola.isolation import torch_threads
from tombola.masks import Masks, bake_

from ._compact import compact
from ._onnx import need_onnx, onnx_bytes, onnx_forward
from ._program import Forward, first_line, program_bytes, program_forward
from ._sparse_initializers import sparse_initializers
from ._turns import Interval, turns

Form = Literal["masked", "compacted", "sparse"]
FORMATS = {".onnx": (onnx_bytes, onnx_forward), ".pt2": (program_bytes, program_forward)}
TOLERANCE = 1e-4  # of the largest output; what differs more is not written
BATCHES = (1, 2, 7)  # sizes that are checked
ROUNDS, SECONDS = 20, 5.0  # of timing, at most


@dataclass(frozen=True)
class Exported:
    """A file that was written, next to the file of the same format with zeros for pruned weights.

    Attributes:
        path: the file.
        form: that it has, which is "masked" if the one that was wanted cannot be exported.
        size: bytes.
        error: the largest difference between its outputs and those of the masked network on random inputs, over the
            largest output.
        latency: milliseconds for one example, in one thread.
        dense_size: bytes of the masked form.
        dense_latency: of the masked form.
    """

    path: Path
    form: Form
    size: int
    error: float
    latency: Interval
    dense_size: int
    dense_latency: Interval

    @property
    def ratio(self) -> float:
        """How many times smaller than the masked form."""
        return self.dense_size / self.size

    def to_json(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {**asdict(self), "path": str(self.path), "ratio": self.ratio}


def export(
    model: nn.Module, masks: Masks, example: Tensor, path: str | PathLike[str], *, form: Form = "compacted"
) -> Exported:
    """Writes the masked network at evaluation to an ONNX file or a torch program, and says how large and fast it is.

    The ending of the path decides: `.onnx` runs in ONNX Runtime and whatever else reads ONNX, `.pt2` in torch, as
    `torch.export.load(path).module()`. Both take batches of any size; neither needs this library or the model's code.
    The content is run on batches of 1, 2 and 7 random examples; it is written, whole or not at all, only if its outputs
    agree with the model's to within `TOLERANCE` of the largest one. That says nothing about other inputs. Cost: two
    exports, a few seconds each, and up to 5 seconds of timing, or six forwards of each if these take longer.

    Args:
        model: any module that takes and gives one tensor. It is not changed.
        masks: of some of its parameters, on their devices; none if it has zeros for pruned weights.
        example: a batch that it takes.
        path: where to write, in a folder that exists.
        form: "masked" has all weights, zeros included; "compacted" what `compact` leaves of them; "sparse", for ONNX
            alone, the same with positions and values of those weights for which that is smaller. A file in the
            last form is smaller and as fast: runtimes make its weights dense when they load it.

    Returns:
        The record of the file. Its form is "masked", and there was a warning, if only that one can be exported.

    Raises:
        ValueError: for another ending or form, masks that do not fit, a model that cannot be exported, or outputs that
            do not agree.
        ImportError: for an ONNX file if the extra `onnx` is not installed.
        OSError: if the file cannot be written.

    Example:
        >>> import pathlib, tempfile
        >>> net = nn.Sequential(nn.Linear(8, 100), nn.ReLU(), nn.Linear(100, 2))
        >>> masks = {"0.weight": torch.zeros(100, 8, dtype=torch.bool)}
        >>> masks["0.weight"][:3] = True
        >>> path = pathlib.Path(tempfile.mkdtemp()) / "net.pt2"
        >>> export(net, masks, torch.zeros(1, 8), path).error < 1e-4
        True
        >>> torch.export.load(path).module()(torch.zeros(5, 8)).shape
        torch.Size([5, 2])
    """
    path = Path(path)
    write, read = _format(path, form)
    masked, example = copy.deepcopy(model).eval(), example.detach().cpu()
    bake_(masked, masks)
    masked.cpu()
    _outputs(masked, example)
    dense = write(masked, example)
    form, content = _written(masked, example, form, dense, write)
    forwards = read(content), read(dense)
    error = _error(forwards[0], masked, example)
    if not error <= TOLERANCE:
        raise ValueError(
            f"{path} was not written: on random inputs outputs of the {form} form are off by {error:.2g} of the "
            f"largest one, and {TOLERANCE:g} is allowed"
        )
    with atomic_write(path) as file:
        file.write(content)
    own, masked_own = _latencies(forwards, example[:1])
    return Exported(path, form, len(content), error, own, len(dense), masked_own)


def _format(path: Path, form: str) -> tuple[Callable[[nn.Module, Tensor], bytes], Callable[[bytes], Forward]]:
    """How files of this kind are written and read."""
    if path.suffix not in FORMATS:
        raise ValueError(f"{path} ends in {path.suffix!r}; give a name in .onnx, or in .pt2 for a program of torch")
    if form not in get_args(Form):
        raise ValueError(f"there is no form {form!r}; forms are {', '.join(get_args(Form))}")
    if path.suffix == ".onnx":
        need_onnx()
    elif form == "sparse":
        raise ValueError(f"{path}: a program of torch has no sparse form; take compacted, or write to .onnx")
    return FORMATS[path.suffix]


def _written(
    masked: nn.Module, example: Tensor, form: Form, dense: bytes, write: Callable[[nn.Module, Tensor], bytes]
) -> tuple[Form, bytes]:
    """The content in a form, or in the masked one if there is no other, and which of them it is."""
    if form == "masked":
        return form, dense
    try:
        content = write(compact(masked, {}, example), example)
    except ValueError as error:
        warnings.warn(f"the masked form is written, since there is no {form} one: {error}", stacklevel=3)
        return "masked", dense
    return form, sparse_initializers(content) if form == "sparse" else content


def _latencies(forwards: Sequence[Forward], example: Tensor) -> list[Interval]:
    """The time of each function for one example, in turns."""
    with torch_threads(1), torch.no_grad():
        times = turns([partial(forward, example) for forward in forwards], rounds=ROUNDS, seconds=SECONDS)
    return [Interval.of(own) for own in times]


def _error(forward: Forward, masked: nn.Module, example: Tensor) -> float:
    """The largest difference of outputs on random inputs, over the largest output; not finite if they do not fit."""
    generator = torch.Generator().manual_seed(0)
    differences, largest = [], []
    for rows in BATCHES:
        x = _random(example, rows, generator)
        wanted, found = _outputs(masked, x), _run(forward, x)
        if found.shape != wanted.shape:
            return torch.inf
        differences.append((found - wanted).abs().max())
        largest.append(wanted.abs().max())
    return float(torch.stack(differences).max() / torch.stack(largest).max().clamp(1e-30))


def _run(forward: Forward, x: Tensor) -> Tensor:
    """What an exported network gives for a batch."""
    try:
        with torch.no_grad():
            return forward(x)
    except Exception as error:  # of torch's own kinds, and of ONNX Runtime's
        raise ValueError(f"the exported network does not take a batch of {len(x)}: {first_line(error)}") from error


def _random(example: Tensor, rows: int, generator: torch.Generator) -> Tensor:
    """A batch like the example: normal numbers, or integers in its range."""
    shape = (rows, *example.shape[1:])
    if example.is_floating_point():
        return torch.randn(shape, generator=generator, dtype=example.dtype)
    low, high = int(example.min()), int(example.max())
    return torch.randint(low, high + 1, shape, generator=generator, dtype=example.dtype)


def _outputs(model: nn.Module, x: Tensor) -> Tensor:
    """What a model gives for a batch, if it takes it."""
    try:
        with torch.no_grad():
            found = model(x)
    except (RuntimeError, TypeError, IndexError) as error:
        shape = f"{x.dtype} of shape {tuple(x.shape)}"
        raise ValueError(f"the model does not take a batch of {shape}: {first_line(error)}") from error
    if not isinstance(found, Tensor):
        raise ValueError(f"the model gives {type(found).__name__} for a batch; only one tensor can be exported")
    return found
