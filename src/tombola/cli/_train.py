"""`tombola train`: a target network from a data set."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ._options import AsJson, check_writable, find_factories_here, is_factory, seeded
from ._output import print_json, print_next, print_table
from ._progress import progress

if TYPE_CHECKING:
    import torch
    from torch import nn

    from tombola.data import DataSet


def train(
    data: Annotated[str, typer.Argument(metavar="DATA", help="digits, mnist, a path, ...; see `tombola list data`.")],
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="lenet-300-100, mlp:784-500-10, ...; see `tombola list models`.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="The .safetensors file to write.")],
    epochs: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Default: at least 5, and enough for 1000 steps.")
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Of initial weights and batch order.")] = 0,
    bias: Annotated[bool, typer.Option(help="Whether Linear layers have biases.")] = True,
    as_json: AsJson = False,
) -> None:
    """Train a network and write it with its name, its data and their scaling."""
    from tombola import data as datasets
    from tombola import models, training

    check_writable(output)
    find_factories_here(model)
    generator, loaded = seeded(seed), datasets.load(data)
    net = models.build(model, input_shape=loaded.input_shape, classes=loaded.classes, bias=bias, generator=generator)
    trained = fitted(net, loaded, f"training {model} on {data}", epochs=epochs, generator=generator)
    found = training.evaluate(trained, *loaded.test())
    training.save_model(output, trained, name=model, data=loaded)
    record = {"model": model, "data": data, "accuracy": found.accuracy, "loss": found.loss, "path": str(output)}
    if as_json:
        print_json(record)
        return
    print_table(f"{model} on {data}", [["test accuracy", found.accuracy], ["test loss", found.loss], ["file", output]])
    named = ["--model", model] if is_factory(model) else []
    print_next("tombola", "construct", output, *named, "-o", output.with_suffix(".ticket"))


def fitted(
    net: nn.Module, data: DataSet, label: str, *, epochs: int | None = None, generator: torch.Generator
) -> nn.Module:
    """What `training.fit` makes of these arguments, with progress shown."""
    from tombola.training import Epoch, fit

    with progress(label) as shown:

        def report(epoch: Epoch) -> None:
            shown.reach(epoch.number, epoch.of, f"loss {epoch.loss:.4f}")

        return fit(net, data, epochs=epochs, generator=generator, on_epoch=report)
