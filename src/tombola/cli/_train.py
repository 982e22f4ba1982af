"""`tombola train`: a target network from a data set."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ._options import AsJson
from ._output import print_json, print_next, print_table

if TYPE_CHECKING:
    from ..training import Epoch


def train(
    data: Annotated[str, typer.Argument(help="digits, mnist, a path to .npz, ...; see `tombola list data`.")],
    model: Annotated[str, typer.Argument(help="lenet-300-100, mlp:A-B-C, ...; see `tombola list models`.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The .safetensors file to write.")],
    epochs: Annotated[int | None, typer.Option(min=1, help="Default: as many as the data set's size asks for.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Of initial weights and batch order.")] = 0,
    bias: Annotated[bool, typer.Option(help="Whether Linear layers have biases.")] = True,
    as_json: AsJson = False,
) -> None:
    """Train a network and write it with its name, its data and their scaling."""
    import torch

    from .. import data as datasets
    from .. import models, training

    loaded = datasets.load(data)
    generator = torch.Generator().manual_seed(seed)
    net = models.build(model, input_shape=loaded.input_shape, classes=loaded.classes, bias=bias, generator=generator)
    trained = training.fit(net, loaded, epochs=epochs, generator=generator, on_epoch=_report_epoch)
    found = training.evaluate(trained, *loaded.test())
    training.save_model(output, trained, name=model, data=loaded)
    record = {"model": model, "data": data, "accuracy": found.accuracy, "loss": found.loss, "path": str(output)}
    if as_json:
        print_json(record)
        return
    print_table(f"{model} on {data}", [["test accuracy", found.accuracy], ["test loss", found.loss], ["file", output]])
    print_next(f"tombola construct {output} -o {output.with_suffix('.ticket')}")


def _report_epoch(epoch: Epoch) -> None:
    sys.stderr.write(f"epoch {epoch.number}/{epoch.of}: loss {epoch.loss:.4f}, accuracy {epoch.accuracy:.4f}\n")
