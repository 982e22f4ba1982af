"""`tombola search`: a strong ticket without a target, a mask on random weights that gradients look for."""

from __future__ import annotations

import time
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from . import _search_options as options
from ._imp_options import DataName, NetworkName
from ._options import AsJson, check_writable, find_factories_here, seeded
from ._output import file_size, print_json, print_next, print_table, shown
from ._progress import progress
from ._search_outcome import outcome, written

if TYPE_CHECKING:
    import torch

    from tombola.data import DataSet
    from tombola.random_source import Scheme
    from tombola.search import NamedMethod
    from tombola.training import Optimiser, Trainer

    from ._progress import Progress


def search(  # noqa: PLR0913 - one parameter for each option
    data: DataName,
    model: NetworkName,
    output: options.Output,
    method: options.MethodName = "edge-popup",
    density: options.Density = 0.5,
    weights: options.WeightsName = options.Weights.SIGNED_CONSTANT,
    scaled: options.Scaled = False,
    biases: options.Biases = None,
    all_layers: options.AllLayers = False,
    steps: options.Steps = None,
    learning_rate: options.LearningRate = None,
    batch_size: options.BatchSize = 128,
    seed: options.Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Search for a mask under which a random network is accurate, and write it as a ticket; no weight is trained."""
    from tombola import models
    from tombola.data import load
    from tombola.prune import named
    from tombola.random_source import Source
    from tombola.runs import default_steps
    from tombola.search import METHODS
    from tombola.search import search as found_by

    find_factories_here(model)
    chosen, scheme = named("method of search", method, METHODS), _scheme(weights, density if scaled else None, biases)
    check_writable(output)
    loaded, bias = load(data), biases is not None
    net = models.build(model, input_shape=loaded.input_shape, classes=loaded.classes, bias=bias, generator=seeded(seed))
    made, rate = chosen.made(by_layer=not all_layers), chosen.learning_rate if learning_rate is None else learning_rate
    steps = steps or default_steps(loaded, batch_size)
    settings = {"method": method, "data": data, "model": model, "weights": weights.value, "scaled": scaled}
    settings |= {"biases": biases, "by_layer": chosen.is_by_layer and not all_layers, "steps": steps}
    settings |= {"batch_size": batch_size, "optimiser": chosen.optimiser, "learning_rate": rate, "seed": seed}
    source, generator, began = Source(seed), seeded(seed), time.perf_counter()
    with progress(f"searching {model} by {method}") as show:
        train = _trainer(loaded, steps, batch_size, _reported(chosen, rate, steps, show))
        found = found_by(
            net, train, method=made, density=density, source=source, steps=steps, scheme=scheme, generator=generator
        )
    seconds = time.perf_counter() - began
    possible = 1 + steps // getattr(made, "every", steps + 1)  # only what draws again does so every so many steps
    record = outcome(found, loaded, possible) | {"seconds": seconds}
    record |= written(found, settings | {"accuracy": record["accuracy"]}, loaded, output)
    if as_json:
        print_json(settings | record)
        return
    _print(settings | record)
    print_next("tombola", "verify", output)


def _scheme(weights: options.Weights, density: float | None, biases: float | None) -> Scheme:
    """The laws of the random network.

    Args:
        weights: which.
        density: that the fan-in is counted at, or None for all of it.
        biases: their spread, or None.

    Raises:
        ValueError: for a density or a spread that is out of range.
    """
    from tombola.random_source import he
    from tombola.search import on_kept, signed_he, with_biases

    scheme = signed_he if weights is options.Weights.SIGNED_CONSTANT else he
    scheme = scheme if density is None else on_kept(scheme, density)
    if biases is None:
        return scheme
    if not 0 < biases < float("inf"):
        raise ValueError(f"--biases is a positive spread, got {biases}; leave it out for a network without biases")
    return with_biases(scheme, biases)


def _trainer(data: DataSet, steps: int, batch_size: int, optimiser: Optimiser) -> Trainer:
    from tombola.training import Trainer, cosine

    return Trainer(data, steps, batch_size, optimiser=optimiser, rate=cosine(steps))


def _reported(method: NamedMethod, rate: float, steps: int, show: Progress) -> Optimiser:
    """The optimiser of a method, which says after each step how far it has come."""
    from tombola.training import named_optimiser

    momentum = 0.9 if method.optimiser == "sgd" else 0.0
    made, done = named_optimiser(method.optimiser, rate, momentum=momentum), 0

    def stepped(*_: object) -> None:
        nonlocal done
        done += 1
        show.reach(done, steps, f"learning rate {rate:g} at first")

    def optimiser(parameters: Iterable[torch.nn.Parameter]) -> torch.optim.Optimizer:
        found = made(parameters)
        found.register_step_post_hook(stepped)
        return found

    return optimiser


def _print(record: dict[str, Any]) -> None:
    layers = [
        [name, each["size"], each["kept"], each["kept"] / each["size"]] for name, each in record["per_layer"].items()
    ]
    whole = ["all", record["searched"], record["kept"], record["density"]]
    title = f"{record['method']} on {record['model']}, {record['data']}, seed {record['seed']}: "
    said = [
        f"{title}{file_size(record['bytes'])}",
        f"test accuracy: {shown(record['accuracy'])}, on the training set {shown(record['train_accuracy'])}",
        record["promise"],
        *record["notes"],
    ]
    if record["source_unchanged"]:
        said.append("no weight was trained: each is 0, or what a second generator finds at its address")
    else:
        said.append("CHANGED: a weight is not what a second generator finds at its address")
    print_table("\n".join(said), [*layers, whole], header=["weight", "size", "kept", "density"])
