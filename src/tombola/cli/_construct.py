"""`tombola construct`: a strong ticket for a target network."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ._options import AsJson, Depth, Inputs, ModelName, Objective, example_of, input_set, read_target
from ._output import file_size, print_json, print_next, print_table, progress

if TYPE_CHECKING:
    from ..strong import Estimate
    from ..ticket import Ticket


def construct(
    target: Annotated[Path, typer.Argument(help="A .safetensors file, of `tombola train` or a plain state dict.")],
    output: Annotated[Path | None, typer.Option("-o", "--output", help="The .ticket file to write.")] = None,
    depth: Annotated[Depth, typer.Option(help="two-layer: depth 2L; one-extra: depth L + 1.")] = Depth.TWO_LAYER,
    seed: Annotated[int, typer.Option(min=0, help="Of the random parent network.")] = 0,
    weight_epsilon: Annotated[float, typer.Option(help="Weight tolerance, of each layer's largest weight.")] = 0.01,
    absolute: Annotated[bool, typer.Option(help="Take --weight-epsilon in the unit of the weights.")] = False,
    epsilon: Annotated[float | None, typer.Option(help="Certified output error that is wanted.")] = None,
    objective: Annotated[Objective | None, typer.Option(help="Default: sparsest; lightest for one-extra.")] = None,
    inputs: Annotated[Inputs, typer.Option(help="What the certificate speaks of.")] = Inputs.AUTO,
    radius: Annotated[float, typer.Option(help="Of the ball, or upper end of the box.")] = 1.0,
    model: ModelName = None,
    threads: Annotated[int | None, typer.Option(min=1, help="The ticket does not depend on it.")] = None,
    strict: Annotated[bool, typer.Option(help="Exit with 1 if a weight misses its tolerance.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Predict size and time from a sample, and write nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Find a mask on a random network that computes what the target computes, and prove how closely."""
    from .. import strong, subset_sum
    from ..engines import Workers

    saved = read_target(target, model)
    chosen = objective or (Objective.LIGHTEST if depth is Depth.ONE_EXTRA else Objective.SPARSEST)
    common: dict[str, Any] = {
        "seed": seed,
        "construction": strong.one_extra if depth is Depth.ONE_EXTRA else strong.two_layer,
        "solver": getattr(subset_sum, chosen.value),
        "tolerance": strong.Tolerance(weight_epsilon, absolute=absolute, epsilon=epsilon),
        "inputs": input_set(inputs, radius, saved),
    }
    example = example_of(saved)
    if dry_run:
        _print_estimate(strong.estimate(saved.model, example, **common), as_json)
        return
    if output is None:
        raise typer.BadParameter("name the file to write with -o, or ask for a prediction with --dry-run")
    with progress("weights solved") as advance:
        ticket = strong.construct(saved.model, example, workers=Workers(threads, advance), **common)
    if strict:
        strong.require_met(ticket)
    size = ticket.save(output)
    record = summary(ticket, depth.value, chosen.value, seed) | {"ticket": str(output), "ticket_bytes": size}
    if as_json:
        print_json(record)
    else:
        _print_summary(record, target, output, size)


def summary(ticket: Ticket, construction: str, objective: str, seed: int) -> dict[str, Any]:
    """What a ticket's report says, with the counts that follow from its masks."""
    report = {key: value for key, value in ticket.record["report"].items() if key != "misses"}
    proof = ticket.certificate
    return {
        "construction": construction,
        "objective": objective,
        "seed": seed,
        **report,
        "source_parameters": ticket.source_parameters,
        "parent_over_bound": ticket.source_parameters / max(1.0, report["counting_bound"]),
        "kept": ticket.kept,
        "depth": len(ticket.stages),
        "certificate": {"set": proof.input_set.describe(ticket.record["target"]["layers"][0]["shape"][1]), "bound": proof.bound},
        "misses": ticket.record["report"]["misses"],
    }


def _print_summary(record: dict[str, Any], target: Path, output: Path, size: int) -> None:
    missed = record["failures"]
    rows = [
        ["parent", f"{record['source_parameters']:,} random weights, {record['depth']} layers, seed {record['seed']}"],
        ["parent / counting bound", record["parent_over_bound"]],
        ["kept", record["kept"]],
        ["kept edges per target weight", record["kept_per_weight"]],
        ["... above the tolerance", record["kept_per_nonzero_weight"]],
        ["weights zeroed", f"{record['zeroed_fraction']:.1%}"],
        ["weight error wanted / reached", f"{record['weight_epsilon']:g} / {record['max_weight_error']:.4g}"],
        ["weights that miss it", missed],
        [f"output error for {record['certificate']['set']}", f"at most {record['certificate']['bound']:.4g} (proved)"],
        ["file", f"{output}, {file_size(size)}"],
        ["seconds", record["seconds"]],
    ]
    print_table(f"{record['construction']} ticket for {target}", rows)
    print_next(f"tombola verify {output} --target {target}")


def _print_estimate(estimate: Estimate, as_json: bool) -> None:
    record = asdict(estimate)
    if as_json:
        print_json(record)
        return
    rows = [
        ["hidden units per target layer", ", ".join(f"{width:,}" for width in estimate.widths)],
        ["parent", f"{estimate.source_parameters:,} random weights"],
        ["parent / counting bound", estimate.source_parameters / max(1.0, estimate.counting_bound)],
        ["ticket file", file_size(estimate.ticket_bytes)],
        ["memory above the target", file_size(estimate.memory_bytes)],
        ["seconds", estimate.seconds],
    ]
    print_table("prediction from a sample of the work; nothing was written", rows)
