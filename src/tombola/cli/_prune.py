"""`tombola prune`: a ticket before any training."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _prune_options as options
from ._cost import cost_lines, cost_record
from ._imp_options import DataName, NetworkName
from ._options import AsJson, check_writable, find_factories_here, seeded
from ._output import print_json, print_next, print_table, shown
from ._progress import progress
from ._prune_compare import Comparison, compare_criteria

if TYPE_CHECKING:
    import torch
    from torch import nn

    from tombola.data import DataSet
    from tombola.masks import Masks
    from tombola.select import Select


def prune(  # noqa: PLR0913 - one parameter for each option
    data: DataName,
    model: NetworkName,
    output: options.Output,
    score: options.ScoreNames = "snip",
    density: options.Densities = "0.1",
    allocate: options.AllocationName = None,
    sample: options.Sample = False,
    temperature: options.Temperature = None,
    mixture: options.Mixture = None,
    rounds: options.RoundCount = None,
    noise: options.Noise = False,
    batches: options.BatchCount = None,
    only: options.Only = None,
    exclude: options.Exclude = None,
    seed: options.Seeds = "0",
    train: options.Train = False,
    compare: options.Compare = False,
    steps: options.Steps = None,
    as_json: AsJson = False,
) -> None:
    """Prune a network before it is trained, and write what is left as a ticket."""
    from tombola import models
    from tombola import prune as pruning
    from tombola.data import load
    from tombola.runs import scoring_batches
    from tombola.ticket import Ticket

    find_factories_here(model)
    wanted = Comparison(
        data,
        model,
        score.split(","),
        options.numbers("--density", density, float),
        options.numbers("--seed", seed, int),
        sampled=sample,
        only=tuple(only or ()),
        exclude=tuple(exclude or ()),
        steps=steps,
    )
    if compare:
        given = {"--allocate": allocate, "--temperature": temperature, "--mixture": mixture, "--rounds": rounds}
        given |= {"--noise": noise, "--batches": batches, "--train": train}
        options.refuse(given, "--compare prunes as published, and always trains")
        compare_criteria(wanted, output, as_json)
        return
    criterion = wanted.single()
    options.refuse({"--steps": None if train else steps}, "nothing is trained without --train")
    select = _select(sample, temperature, mixture)
    check_writable(output)
    loaded, generator = load(data), seeded(wanted.seeds[0])
    net = models.build(model, input_shape=loaded.input_shape, classes=loaded.classes, generator=generator)
    began = time.perf_counter()
    with progress(f"pruning {model} by {score}"):
        masks = pruning.prune(
            net,
            scoring_batches(loaded, batches or 1, noise=noise, generator=generator),
            score=criterion.score,
            density=criterion.schedule(wanted.densities[0], rounds, sampled=sample),
            allocate=None if allocate is None else pruning.named("allocation", allocate, pruning.ALLOCATIONS),
            select=select,
            names=pruning.prunable(net, only=wanted.only, exclude=wanted.exclude),
            generator=generator,
        )
    seconds = time.perf_counter() - began
    example = loaded.scaling(loaded.x_train[:1])
    Ticket.from_masks(net, masks, example=example).save(output)
    record = {"score": score, "sampled": sample, **_described(net, masks, example)}
    if train:
        record["accuracy"] = _accuracy(net, masks, loaded, wanted)
    record |= {"seconds": seconds, "path": str(output)}
    if as_json:
        print_json(record)
        return
    _print(f"{score}{', sampled,' if sample else ''} on {model}, {data}, seed {seed}", record, output)


def _select(sampled: bool, temperature: float | None, mixture: float | None) -> Select:
    """How weights are chosen.

    Raises:
        ValueError: if something is said of samples without asking for one.
    """
    from tombola.select import top
    from tombola.sketch import sketch

    if not sampled:
        options.refuse({"--temperature": temperature, "--mixture": mixture}, "nothing is drawn without --sample")
        return top
    return sketch(temperature=1.0 if temperature is None else temperature, mixture=mixture or 0.0)


def _described(net: nn.Module, masks: Masks, example: torch.Tensor) -> dict[str, Any]:
    """What masks keep, as JSON data."""
    from tombola.cost import cost
    from tombola.masks import count
    from tombola.masks import density as kept_share

    effective = _effective(net, masks, example)
    return {
        "density": kept_share(masks),
        "kept": count(masks),
        "prunable": sum(mask.numel() for mask in masks.values()),
        "per_layer": {name: {"size": mask.numel(), "kept": int(mask.sum())} for name, mask in masks.items()},
        "effective_density": effective,
        "collapsed": None if effective is None else effective == 0,
        **cost_record(cost(net, example, masks)),
    }


def _effective(net: nn.Module, masks: Masks, example: torch.Tensor) -> float | None:
    """The share of weights that are kept and lie on a path; None for models in which paths are not followed."""
    from tombola.scores import effective_density

    try:
        return effective_density(net, masks, example)
    except ValueError:
        return None


def _accuracy(net: nn.Module, masks: Masks, data: DataSet, wanted: Comparison) -> float:
    """On the test set, of what is left, trained as a level of `tombola imp` is."""
    from tombola.training import evaluate

    settings = wanted.settings(data)
    with progress(f"training {wanted.model} on {wanted.data}"):
        train = settings.trainer(data)
        trained = train(net, masks, start=0, stop=settings.steps, generator=seeded(settings.seed))
    return evaluate(trained, *data.test()).accuracy


def _print(title: str, record: dict[str, Any], output: Path) -> None:
    layers = [
        [name, each["size"], each["kept"], each["kept"] / each["size"]] for name, each in record["per_layer"].items()
    ]
    whole = ["all", record["prunable"], record["kept"], record["density"]]
    said = [title, *cost_lines(record)]
    if record["collapsed"]:
        said.append("COLLAPSED: no path of kept weights leads from the input to the output")
    elif record["effective_density"] is not None:
        said.append(f"density of weights on a path from input to output: {shown(record['effective_density'])}")
    if "accuracy" in record:
        said.append(f"test accuracy, trained: {shown(record['accuracy'])}")
    print_table("\n".join(said), [*layers, whole], header=["weight", "size", "kept", "density"])
    print_next("tombola", "info", output)
