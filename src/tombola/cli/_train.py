"""`tombola train`: a target network from a data set."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ._options import AsJson, check_writable, find_factories_here, is_factory, seeded
from ._output import print_json, print_next, print_table
from ._progress import progress


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
    with progress(f"training {model} on {data}") as shown:
        trained = training.fit(
            net,
            loaded,
            epochs=epochs,
            generator=generator,
            on_epoch=lambda epoch: shown.reach(epoch.number, epoch.of, f"loss {epoch.loss:.4f}"),
        )
    found = training.evaluate(trained, *loaded.test())
    training.save_model(output, trained, name=model, data=loaded)
    record = {"model": model, "data": data, "accuracy": found.accuracy, "loss": found.loss, "path": str(output)}
    if as_json:
        print_json(record)
        return
    print_table(f"{model} on {data}", [["test accuracy", found.accuracy], ["test loss", found.loss], ["file", output]])
    named = ["--model", model] if is_factory(model) else []
    print_next("tombola", "construct", output, *named, "-o", output.with_suffix(".ticket"))
