"""`tombola construct`: a strong ticket for a target network."""

from __future__ import annotations

import math
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import _construct_options as options
from ._options import (
    AsJson,
    Depth,
    Inputs,
    ModelName,
    Objective,
    check_writable,
    example_of,
    input_set,
    read_target,
)
from ._output import file_size, print_json, print_next, print_table, shown
from ._progress import progress

if TYPE_CHECKING:
    from collections.abc import Callable

    from tombola.engines import Workers
    from tombola.strong import Estimate
    from tombola.ticket import Ticket
    from tombola.training import SavedModel


def construct(  # noqa: PLR0913 - one parameter for each option
    target: options.TargetPath,
    output: options.Output = None,
    depth: options.DepthName = Depth.TWO_LAYER,
    construction: options.ConstructionName = None,
    activation: options.ActivationName = "relu",
    law: options.LawName = "uniform",
    bias: options.Biases = True,
    seed: options.Seed = 0,
    weight_epsilon: options.WeightEpsilon = 0.01,
    absolute: options.Absolute = False,
    epsilon: options.Epsilon = None,
    objective: options.ObjectiveName = None,
    inputs: options.InputsName = Inputs.AUTO,
    radius: options.Radius = 1.0,
    model: ModelName = None,
    threads: options.Threads = None,
    engine: options.Engine = options.EngineName.THREADS,
    resume: options.Resume = None,
    strict: options.Strict = False,
    dry_run: options.DryRun = False,
    as_json: AsJson = False,
) -> None:
    """Find a mask on a random network that computes what the target computes, and prove how closely."""
    from tombola import strong

    if output is None and not dry_run:
        raise ValueError("name the file to write with -o, or ask for a prediction with --dry-run")
    saved = read_target(target, model)
    name = construction or depth.value
    objective = objective or default_objective(name)
    recipe = {
        "seed": seed,
        **functions(name, objective),
        "tolerance": strong.Tolerance(weight_epsilon, absolute=absolute, epsilon=epsilon),
        "inputs": input_set(inputs, radius, saved),
    }
    if output is None or dry_run:
        if name not in list(Depth):
            raise ValueError(f"--dry-run predicts two-layer and one-extra; for {name} ask tombola recommend {target}")
        _print_estimate(strong.estimate(saved.model, example_of(saved), **recipe), as_json)
        return
    check_writable(output, target)
    recipe["construction"] = on_parent(recipe["construction"], activation, law, bias)
    ticket = built(saved, "constructing", workers(engine, threads, resume), recipe)
    record, unmet = summary(ticket, name, objective), _unmet(ticket) if strict else None
    if unmet is None:
        record |= {"ticket": str(output), "ticket_bytes": ticket.save(output)}
    _print(record, target, ["--model", model] if model else [], as_json)
    if unmet is not None:
        raise unmet


def workers(engine: options.EngineName, threads: int | None, store: Path | None) -> Workers:
    """Who does the work, still without progress."""
    from tombola.engines import Ray, Workers, in_process

    return Workers(threads, engine=Ray() if engine is options.EngineName.RAY else in_process, store=store)


def built(saved: SavedModel, label: str, workers: Workers, recipe: dict[str, Any]) -> Ticket:
    """The ticket that `strong.construct` makes of these arguments, with progress shown."""
    from tombola import strong

    with progress(label, "weights placed", text="kernels are compiled on first use") as report:
        return strong.construct(saved.model, example_of(saved), workers=replace(workers, progress=report.add), **recipe)


def default_objective(name: str) -> Objective:
    """What suits a construction: few edges, or small copies of neurons where copies add up their errors."""
    return Objective.LIGHTEST if name == Depth.ONE_EXTRA.value else Objective.SPARSEST


def functions(name: str, objective: Objective) -> dict[str, Callable[..., Any]]:
    """The construction and the solver, as arguments of `strong.construct`."""
    from tombola import strong, subset_sum

    return {"construction": strong.named_construction(name), "solver": getattr(subset_sum, objective.value)}


def on_parent(construction: Callable[..., Any], activation: str, law: str, bias: bool) -> Callable[..., Any]:
    """The construction on the random network that the options describe."""
    from tombola.activations import parse_activation
    from tombola.strong import Parent, on_parent

    parent = Parent(parse_activation(activation), law.replace("-", "_"), bias)
    return construction if parent.plain else on_parent(construction, parent)


def _unmet(ticket: Ticket) -> Exception | None:
    from tombola.errors import ToleranceError
    from tombola.strong import require_met

    try:
        require_met(ticket)
    except ToleranceError as error:
        return error
    return None


def summary(ticket: Ticket, name: str, objective: Objective) -> dict[str, Any]:
    """What a ticket's report says, with the counts that follow from its masks, and room for its file."""
    proof, report, record = ticket.certificate, ticket.record["report"], ticket.record
    assert proof is not None
    assert ticket.source is not None
    return {
        "ticket": None,
        "ticket_bytes": None,
        "construction": name,
        "activation": ticket.stages[0].activation.name.replace("_", "-"),
        "objective": objective.value,
        "seed": ticket.source.seed,
        "epsilon": record["options"]["tolerance"]["epsilon"],
        **report,
        "source_parameters": ticket.source_parameters,
        "parent_over_bound": ticket.source_parameters / max(1.0, report["counting_bound"]),
        "kept": ticket.kept,
        "depth": len(ticket.stages),
        "certificate": {
            "set": proof.input_set.describe(math.prod(record["target"]["input_shape"])),
            "bound": proof.bound,
        },
    }


def _print(record: dict[str, Any], target: Path, named: list[str], as_json: bool) -> None:
    if as_json:
        print_json(record)
        return
    unit = "" if record["absolute"] else ", of the layer's largest"
    bound, output = record["certificate"]["bound"], record["ticket"]
    rows: list[tuple[str, object]] = [
        ("layers of the random parent", record["depth"]),
        ("weights of the random parent", record["source_parameters"]),
        ("parent / counting bound", record["parent_over_bound"]),
        ("weights of the target", record["target_parameters"]),
        ("kept edges per weight, sign, copy", record["kept_per_weight"]),
        (f"weight tolerance{unit}", record["weight_epsilon"]),
        ("largest weight error", record["max_weight_error"]),
        ("weights that miss the tolerance", record["failures"]),
        (f"output error over {record['certificate']['set']}, 2-norm", f"at most {shown(bound)} (proved)"),
    ]
    if record["epsilon"] is not None:
        rows.append(
            ("wanted", f"at most {shown(record['epsilon'])}: {'met' if bound <= record['epsilon'] else 'NOT MET'}")
        )
    rows.append(("seconds", record["seconds"]))
    if output is not None:
        rows.append((output, file_size(record["ticket_bytes"])))
    print_table(f"{record['construction']} ticket for {target}, seed {record['seed']}", rows)
    if output is not None:
        print_next("tombola", "verify", output, "--target", target, *named)


def _print_estimate(estimate: Estimate, as_json: bool) -> None:
    if as_json:
        print_json(asdict(estimate))
        return
    rows = [
        ("hidden units for each target layer", ", ".join(f"{width:,}" for width in estimate.widths)),
        ("weights of the random parent", estimate.source_parameters),
        ("parent / counting bound", estimate.source_parameters / max(1.0, estimate.counting_bound)),
        ("ticket file", file_size(estimate.ticket_bytes)),
        ("memory above that of the target", file_size(estimate.memory_bytes)),
        ("seconds, certificate not included", estimate.seconds),
    ]
    print_table("predicted from a sample of the work; nothing was written", rows)
