"""`tombola prune`: a ticket before any training."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _prune_options as options
from ._cost import cost_lines, cost_record
from ._imp_options import DataName, NetworkName
from ._options import AsJson, check_writable, find_factories_here, is_factory, seeded
from ._output import print_json, print_next, print_table, shown
from ._progress import progress
from ._prune_compare import Comparison, compare_criteria

if TYPE_CHECKING:
    import torch
    from torch import nn

    from tombola.data import DataSet
    from tombola.masks import Masks
    from tombola.random_source import Law, Scheme, Source
    from tombola.scores import Batches
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
    structure: options.Structure = None,
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
    from tombola import prune as pruning
    from tombola.runs import scoring_batches

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
        given |= {"--structure": structure, "--noise": noise, "--batches": batches, "--train": train}
        options.refuse(given, "--compare prunes as published, and always trains")
        compare_criteria(wanted, output, as_json)
        return
    criterion = wanted.single()
    options.refuse({"--steps": None if train else steps}, "nothing is trained without --train")
    pruned = partial(
        pruning.prune,
        score=criterion.score,
        density=criterion.schedule(wanted.densities[0], rounds, sampled=sample),
        allocate=None if allocate is None else pruning.named("allocation", allocate, pruning.ALLOCATIONS),
        select=_select(sample, temperature, mixture, structure),
    )
    check_writable(output)
    record = _written(wanted, pruned, partial(scoring_batches, batches=batches or 1, noise=noise), train, output)
    if as_json:
        print_json(record)
        return
    _print(f"{score}{', sampled,' if sample else ''} on {model}, {data}, seed {seed}", record, output)


def _written(
    wanted: Comparison, pruned: Callable[..., Masks], batches: Callable[..., Batches], train: bool, output: Path
) -> dict[str, Any]:
    """The ticket in its file, and what is known of it, as JSON data.

    Args:
        wanted: which network, and on what.
        pruned: gives the masks; as `tombola.prune` with all that the criterion is.
        batches: gives what it sees of the data; as `scoring_batches`.
        train: whether what is left is trained too, behind the ticket.
        output: the file.
    """
    from tombola.data import load
    from tombola.prune import prunable
    from tombola.ticket import Ticket

    data, generator = load(wanted.data), seeded(wanted.seeds[0])
    net, source, scheme = _network(wanted, data, generator)
    began = time.perf_counter()
    with progress(f"pruning {wanted.model} by {wanted.scores[0]}"):
        names = prunable(net, only=wanted.only, exclude=wanted.exclude)
        masks = pruned(net, batches(data, generator=generator), names=names, generator=generator)
    seconds = time.perf_counter() - began
    example = data.scaling(data.x_train[:1])
    ticket = Ticket.from_masks(net, masks, source=source, scheme=scheme, example=example)
    shape, classes = list(data.input_shape), data.classes
    ticket.record["network"] = {"model": wanted.model, "input_shape": shape, "classes": classes}
    ticket.save(output)
    record = {"score": wanted.scores[0], "sampled": wanted.sampled, **_described(net, masks, example)}
    if train:
        record["accuracy"] = _accuracy(net, masks, data, wanted)
    return record | {"seconds": seconds, "path": str(output)}


def _network(
    wanted: Comparison, data: DataSet, generator: torch.Generator
) -> tuple[nn.Module, Source | None, Scheme | None]:
    """The network that is pruned, and where its values come from.

    Those of the library are filled by address. What a factory returns keeps its values, which may have been learned.
    """
    from tombola import models
    from tombola.random_source import Source, initialise

    net = models.build(wanted.model, input_shape=data.input_shape, classes=data.classes, generator=generator)
    if is_factory(wanted.model):
        return net, None, None
    source, scheme = Source(wanted.seeds[0]), _as_torch(net)
    net.load_state_dict(initialise(net, source, scheme=scheme), strict=False)
    return net, source, scheme


def _as_torch(net: nn.Module) -> Scheme:
    """The laws that torch draws from: uniform on `+-1 / sqrt(fan_in)` for weights and biases, none for normalisations.

    With them a ticket has no biases to save either.
    """
    from tombola.random_source import Uniform

    laws: dict[str, Law] = {}
    for path, layer in net.named_modules():
        weight = getattr(layer, "weight", None)
        if weight is not None and weight.ndim > 1:
            law = Uniform(1 / math.sqrt(weight[0].numel()))
            laws |= {f"{path}.{name}": law for name, _ in layer.named_parameters(recurse=False)}

    def scheme(name: str, _: torch.Tensor) -> Law | None:
        return laws.get(name)

    return scheme


def _select(sampled: bool, temperature: float | None, mixture: float | None, structure: str | None) -> Select:
    """How weights are chosen.

    Raises:
        ValueError: if something is said of samples without asking for one, or the structure is not understood.
    """
    from tombola.select import top
    from tombola.sketch import sketch

    if not sampled:
        options.refuse({"--temperature": temperature, "--mixture": mixture}, "nothing is drawn without --sample")
        return top if structure is None else _structured(structure)
    options.refuse({"--structure": structure}, "--sample draws single weights")
    return sketch(temperature=1.0 if temperature is None else temperature, mixture=mixture or 0.0)


def _structured(structure: str) -> Select:
    """The selection that keeps a structure."""
    from tombola.select import blocks, channels, n_of_m

    if structure == "channels":
        return channels()
    if found := re.fullmatch(r"(\d{1,9})([x:])(\d{1,9})", structure):
        first, kind, second = found.groups()
        return (blocks if kind == "x" else n_of_m)(int(first), int(second))
    raise ValueError(f"--structure takes blocks as 4x4, neighbours as 2:4, or channels; got {structure!r}")


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
