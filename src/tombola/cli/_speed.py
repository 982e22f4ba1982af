"""`tombola speed`: how much faster a pruned network runs when it is deployed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._deployable import DeployablePath, deployable
from ._options import AsJson, ModelName
from ._output import print_json, print_table
from ._progress import progress
from ._prune_options import numbers

if TYPE_CHECKING:
    from tombola.deploy import Deployed

KINDS = ("dense", "sparse", "blocks", "csr", "2:4")


def speed(
    file: DeployablePath,
    batches: Annotated[str, typer.Option(metavar="N,N", help="Sizes of batches.")] = "1,64",
    threads: Annotated[int, typer.Option(min=1, help="Of dense layers; sparse ones use one.")] = 1,
    model: ModelName = None,
    as_json: AsJson = False,
) -> None:
    """Time a pruned network as it is and deployed: without dead channels, with sparse layers where they are faster."""
    from tombola.deploy import compile
    from tombola.isolation import torch_threads

    sizes = numbers("--batches", batches, int)
    found = deployable(file, model)
    with progress(f"measuring {found.name}"), torch_threads(threads):
        deployed = compile(found.network, found.masks, found.example, batches=sizes)
    if as_json:
        print_json({"network": found.name, "threads": threads, **_record(deployed)})
        return
    _print(f"{found.name}, {threads} thread{'s' * (threads > 1)}, medians", deployed)


def _record(deployed: Deployed) -> dict[str, Any]:
    """What was measured, as JSON data."""
    return {
        "batches": [
            {
                "batch": one.batch,
                "form": one.form,
                "dense_ms": one.dense.median,
                "deployed_ms": one.deployed.median,
                "dense_per_second": 1e3 * one.batch / one.dense.median,
                "deployed_per_second": 1e3 * one.batch / one.deployed.median,
                "ratio": vars(one.ratio),
            }
            for one in deployed.speeds
        ],
        "layers": [
            {
                "layer": one.layer,
                "batch": one.batch,
                "shape": one.shape,
                "kept": one.kept,
                "milliseconds": one.milliseconds,
                "layout": one.chosen,
            }
            for one in deployed.layouts
        ],
    }


def _print(title: str, deployed: Deployed) -> None:
    rows = [
        [
            one.batch,
            one.form,
            one.dense.median,
            one.deployed.median,
            round(1e3 * one.batch / one.deployed.median),
            f"{one.ratio.median:.2f} ({one.ratio.low:.2f} to {one.ratio.high:.2f})",
        ]
        for one in deployed.speeds
    ]
    header = ["batch", "runs", "masked, ms", "deployed, ms", "examples a second", "times faster (95 %)"]
    print_table(title, rows, header=header)
    if not deployed.layouts:
        return
    kinds = [kind for kind in KINDS if any(kind in one.milliseconds for one in deployed.layouts)]
    layers = [
        [one.layer, "x".join(map(str, one.shape)), one.kept, one.batch, *map(one.milliseconds.get, kinds), one.chosen]
        for one in deployed.layouts
    ]
    header = ["layer", "shape", "kept", "batch", *(f"{kind}, ms" for kind in kinds), "layout"]
    print_table("layers that could be sparse", layers, header=header)
