"""One ticket on another task: what it comes to, beside a random control and the target's own ticket."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ._flow_runs import METHODS, whole_levels
from ._options import find_factories_here, seeded
from ._transfer_options import What, carry_of

if TYPE_CHECKING:
    from tombola.data import DataSet
    from tombola.imp import Level
    from tombola.runs import FoundRun, ImpSettings
    from tombola.transfer import Carried, ZeroShot

SAME = 0.01  # relative difference of densities that are the same
TRAINED = (
    "optimiser",
    "learning_rate",
    "momentum",
    "weight_decay",
    "rate",
    "warm_up",
    "clip",
    "batch_size",
    "bfloat16",
)


@dataclass(frozen=True, eq=False)
class OneTicket:
    """The ticket of a level of a run.

    Attributes:
        run: it is from.
        level: with its weights and masks.
        error: of the run there, on the test set of the run.
    """

    run: FoundRun
    level: Level
    error: float


@dataclass(frozen=True)
class Wanted:
    """What is to be done with tickets.

    Attributes:
        data: the target.
        what: is carried over.
        depth: of the target's network; None for that of the run.
        output: the layer that is new, or None.
        steps: of training, or None for those of the run.
        seed: of all that is drawn.
    """

    data: DataSet
    what: What
    depth: str | None
    output: str | None
    steps: int | None
    seed: int


@dataclass(frozen=True, eq=False)
class Outcome:
    """The errors of one seed.

    Attributes:
        carried: of the ticket, trained on the target.
        random: of the control, trained as it is.
        density: of the ticket on the target.
        random_density: of the control.
        shot: how the ticket does before training.
        redrawn: its parameters that are new.
        steps: of training.
    """

    carried: float
    random: float
    density: float
    random_density: float
    shot: ZeroShot
    redrawn: tuple[str, ...]
    steps: int


def ticket_of(path: Path, number: int | None, density: float | None) -> OneTicket:
    """The ticket in a run: of a level, of the one nearest to a density, or of the last one.

    Raises:
        ValueError: if it is no run of `tombola imp`, or has no such level.
    """
    from tombola.runs import read_run
    from tombola.training import load_model

    run = read_run(path)
    if run.method not in METHODS:
        raise ValueError(f"{path} is no run of `tombola imp` that can be read; its method is {run.method}")
    files, records = whole_levels(run)
    if number is not None and number >= len(records):
        raise ValueError(f"{path} has the levels 0 to {len(records) - 1}, not {number}")
    if density is not None:
        number = min(range(len(records)), key=lambda k: abs(records[k].density - density))
        if abs(records[number].density / density - 1) > SAME:
            there = ", ".join(f"{record.density:.3g}" for record in records)
            raise ValueError(f"{path} has no level of density {density:g}; there are {there}")
    record = records[-1 if number is None else number]
    name = run.settings["model"]
    find_factories_here(name)
    model = load_model(files.folder(record.level) / "weights.safetensors", name).model
    return OneTicket(run, files.load(record, model), 1 - record.accuracy)


def carried_to(ticket: OneTicket, data: DataSet, seed: int) -> Carried:
    """A ticket with the weights that it began with, for another data set.

    Raises:
        ValueError: if it does not fit the data.
    """
    from tombola.transfer import masks_and_weights

    fresh = _fresh(ticket.run.settings["model"], data, seed)
    return masks_and_weights(ticket.level.begun, ticket.level.masks, fresh)


def outcome(ticket: OneTicket, wanted: Wanted, native: OneTicket | None) -> Outcome:
    """Trains a ticket on the target, and a random control as it is trained.

    Raises:
        ValueError: if the ticket does not fit the target.
        FloatingPointError: if training diverges.
    """
    from tombola.transfer import random_control, zero_shot

    seeds = _seeds(wanted.seed, ticket.run.settings["seed"])
    settings = _settings(ticket.run, wanted)
    carried = _carried(ticket, wanted, settings.model, seeds[0])
    masks = carried.masks if native is None else native.level.masks
    control = random_control(masks, _fresh(settings.model, wanted.data, seeds[1]), generator=seeded(seeds[2]))
    start = ticket.run.settings.get("rewind") or 0
    start = start if wanted.what is What.REWIND and start < settings.steps else 0
    return Outcome(
        _error(carried, settings, wanted.data, start, seeds[3]),
        _error(control, settings, wanted.data, 0, seeds[3]),
        _density(carried),
        _density(control),
        zero_shot(carried, wanted.data),
        carried.redrawn,
        settings.steps,
    )


def _carried(ticket: OneTicket, wanted: Wanted, model: str, seed: int) -> Carried:
    """The ticket's network for the target, stretched first if it is of another depth."""
    from tombola import models
    from tombola.data import load
    from tombola.transfer import elastic

    level, fresh = ticket.level, _fresh(model, wanted.data, seed)
    source, masks = level.model if wanted.what is What.TRAINED else level.begun, level.masks
    if wanted.depth is not None:
        own = load(ticket.run.settings["data"])
        like = models.build(model, input_shape=own.input_shape, classes=own.classes, generator=seeded(seed))
        stretched = elastic(source, masks, like)
        source, masks = stretched.model, stretched.masks
    return carry_of(wanted.what)(source, masks, fresh, output=wanted.output)


def _settings(run: FoundRun, wanted: Wanted) -> ImpSettings:
    """Those of the run that training depends on."""
    from tombola.runs import ImpSettings

    steps = wanted.steps or run.settings["steps"]
    base = ImpSettings(wanted.depth or run.settings["model"], steps=steps)
    return replace(base, **{name: run.settings[name] for name in TRAINED if name in run.settings})


def _seeds(seed: int, of_run: int) -> list[int]:
    """Of new weights, of those of the control, of its masks and of the order of examples; others for each run."""
    import torch

    draw = seeded(seed)
    draw = seeded(int(torch.randint(2**62, (), generator=draw)) ^ (of_run % 2**62))
    return torch.randint(2**62, (4,), generator=draw).tolist()


def _fresh(model: str, data: DataSet, seed: int) -> Any:  # noqa: ANN401 - a module, which loads torch
    """A network for a data set, with as many outputs as it has classes, also where the name says another number."""
    from tombola import models

    name = f"{model.rpartition('-')[0]}-{data.classes}" if model.startswith("mlp:") else model
    return models.build(name, input_shape=data.input_shape, classes=data.classes, generator=seeded(seed))


def _error(carried: Carried, settings: ImpSettings, data: DataSet, start: int, seed: int) -> float:
    """On the test set, of a network that has been trained."""
    from tombola.isolation import torch_threads
    from tombola.training import evaluate, is_small

    train = settings.trainer(data)
    trained = train(carried.model, carried.masks, start=start, stop=settings.steps, generator=seeded(seed))
    with torch_threads(1 if is_small(trained) else None):
        return 1 - evaluate(trained, *data.test()).accuracy


def _density(carried: Carried) -> float:
    from tombola.masks import density

    return density(carried.masks)
