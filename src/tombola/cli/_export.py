"""`tombola export`: a pruned network as a file that runs without this library."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ._deployable import DeployablePath, deployable
from ._options import AsJson, ModelName, check_writable
from ._output import print_json, print_table
from ._progress import progress

if TYPE_CHECKING:
    from tombola.deploy import Exported, Interval


class Form(StrEnum):
    """What a file has of the weights."""

    COMPACTED = "compacted"
    SPARSE = "sparse"
    MASKED = "masked"


def export(
    file: DeployablePath,
    onnx: Annotated[Path | None, typer.Option(metavar="FILE", help="The .onnx file to write.")] = None,
    program: Annotated[Path | None, typer.Option(metavar="FILE", help="The .pt2 file to write, for torch.")] = None,
    form: Annotated[
        Form,
        typer.Option(help="Without dead channels, also with sparse weights (ONNX alone), or with all zeros."),
    ] = Form.COMPACTED,
    model: ModelName = None,
    as_json: AsJson = False,
) -> None:
    """Write a pruned network for ONNX Runtime or as a torch program, and check that it computes the same."""
    target = _target(onnx, program)
    check_writable(target, file)
    from tombola import deploy

    with progress(f"exporting {file}"):
        found = deployable(file, model)
        done = deploy.export(found.network, found.masks, found.example, target, form=form.value)
    if as_json:
        print_json({"model": found.name, **done.to_json()})
        return
    header = ["form", "bytes", "times smaller", "error", "ms", "from", "to"]
    print_table(
        f"{target}: {found.name}, checked on random inputs; time of one, in one thread", _rows(done), header=header
    )


def _target(onnx: Path | None, program: Path | None) -> Path:
    """The one file that is to be written.

    Raises:
        ValueError: if it is none or both, or its name has the ending of the other.
    """
    given = {suffix: path for suffix, path in ((".onnx", onnx), (".pt2", program)) if path is not None}
    if len(given) != 1:
        raise ValueError("say what to write, one of --onnx net.onnx and --program net.pt2")
    (suffix, path), *_ = given.items()
    if path.suffix != suffix:
        option = "--onnx" if suffix == ".onnx" else "--program"
        raise ValueError(f"{option} {path}: its name has to end in {suffix}")
    return path


def _rows(done: Exported) -> list[list[object]]:
    """The file and, unless it is one itself, the masked form of it."""
    rows = [[done.form, done.size, done.ratio, done.error, *_times(done.latency)]]
    if done.form != "masked":
        rows.append(["masked", done.dense_size, 1.0, None, *_times(done.dense_latency)])
    return rows


def _times(latency: Interval) -> list[float]:
    return [latency.median, latency.low, latency.high]
