"""`tombola transfer`: the ticket of one task, trained on another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from . import _transfer_options as options
from ._options import AsJson, find_factories_here
from ._output import print_json, print_next, print_table
from ._progress import progress

if TYPE_CHECKING:
    from tombola.transfer import Recovery

    from ._transfer_arms import OneTicket, Outcome, Wanted

COLUMNS = ("network on the target", "density", "seeds", "error", "low", "high")


def transfer(  # noqa: PLR0913 - one parameter for each option
    runs: options.RunPaths,
    to: options.Target,
    carry: options.CarryName = options.What.REWIND,
    level: options.LevelNumber = None,
    density: options.Density = None,
    depth: options.Depth = None,
    output: options.OutputLayer = None,
    native: options.Native = None,
    steps: options.Steps = None,
    seed: options.Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Train a ticket on other data, on new weights or at another depth, beside random masks."""
    from tombola import data as datasets

    from ._transfer_arms import Wanted, outcome, ticket_of

    if level is not None and density is not None:
        raise ValueError("--level and --density say the same; leave one of them out")
    paths = list(dict.fromkeys(runs))
    if native is not None and len(native) != len(paths):
        raise ValueError(f"--native is wanted once for each run, in the same order: {len(paths)}, got {len(native)}")
    find_factories_here(depth)
    tickets = [ticket_of(path, level, density) for path in paths]
    natives = (
        None if native is None else [ticket_of(p, None, t.level.density) for p, t in zip(native, tickets, strict=True)]
    )
    wanted = Wanted(datasets.load(to), carry, depth, output, steps, seed)
    found: list[Outcome] = []
    with progress(f"training on {to}", text="the first ticket") as bar:
        for number, ticket in enumerate(tickets):
            found.append(outcome(ticket, wanted, None if natives is None else natives[number]))
            bar.reach(
                number + 1, len(tickets), f"error {found[-1].carried:.4f}, of random masks {found[-1].random:.4f}"
            )
    measured = None if natives is None else _recovered(found, natives)
    remarks = _remarks(tickets, natives, found, to)
    if as_json:
        print_json(_record(tickets, natives, found, measured, wanted) | {"refusals": remarks})
        return
    _print(tickets, natives, found, measured, wanted)
    if remarks:
        print_table("to be known", [[line] for line in remarks])
    if native:
        print_next("tombola", "predict-transfer", paths[0], native[0])
    else:
        print_next("tombola", "flow", *paths)


def _recovered(found: Sequence[Outcome], natives: Sequence[OneTicket]) -> Recovery:
    """How much of what the native tickets gain the others gain too."""
    import numpy as np

    from tombola.transfer import Arm, recovery

    def arm(errors: Sequence[float], densities: Sequence[float]) -> Arm:
        return Arm(errors, float(np.mean(densities)))

    return recovery(
        arm([one.carried for one in found], [one.density for one in found]),
        arm([one.error for one in natives], [one.level.density for one in natives]),
        arm([one.random for one in found], [one.random_density for one in found]),
    )


def _record(
    tickets: Sequence[OneTicket],
    natives: Sequence[OneTicket] | None,
    found: Sequence[Outcome],
    measured: Recovery | None,
    wanted: Wanted,
) -> dict[str, Any]:
    """All of it as JSON data."""
    return {
        "to": wanted.data.name,
        "carry": wanted.what.value,
        "depth": wanted.depth,
        "steps": found[0].steps,
        "seed": wanted.seed,
        "runs": [
            {
                "run": str(ticket.run.path),
                "level": ticket.level.number,
                "density": one.density,
                "error": one.carried,
                "random_error": one.random,
                "random_density": one.random_density,
                "native_error": None if natives is None else natives[number].error,
                "zero_shot": {"error": one.shot.error, "chance": one.shot.chance, "is_vetoed": one.shot.is_vetoed},
                "redrawn": list(one.redrawn),
            }
            for number, (ticket, one) in enumerate(zip(tickets, found, strict=True))
        ],
        "recovery": None if measured is None else measured.to_json(),
    }


def _print(
    tickets: Sequence[OneTicket],
    natives: Sequence[OneTicket] | None,
    found: Sequence[Outcome],
    measured: Recovery | None,
    wanted: Wanted,
) -> None:
    settings = tickets[0].run.settings
    rows = [
        _row(
            f"ticket of {settings['data']}, carried: {wanted.what.value}", found[0].density, [o.carried for o in found]
        ),
        _row("the same before training", found[0].density, [o.shot.error for o in found]),
        _row("random masks, other weights", found[0].random_density, [o.random for o in found]),
    ]
    if natives is not None:
        rows.append(_row("its own ticket", natives[0].level.density, [one.error for one in natives]))
    model = wanted.depth or settings["model"]
    print_table(f"{model} on {wanted.data.name}, {found[0].steps} steps", rows, header=COLUMNS)
    if measured is not None:
        shown = {
            "recovery": (measured.value, measured.low, measured.high),
            "gap": (measured.gap, measured.gap_low, measured.gap_high),
        }
        lines = [[name, _with_ends(*ends)] for name, ends in shown.items()]
        print_table("1 is as good as its own ticket, 0 as random masks", lines)


def _row(name: str, density: float, errors: Sequence[float]) -> list[Any]:
    low, high = _interval(errors)
    mean = sum(errors) / len(errors)
    return [name, density, len(errors), f"{mean:.4f}", *(None if end is None else f"{end:.4f}" for end in (low, high))]


def _interval(errors: Sequence[float]) -> tuple[float | None, float | None]:
    """Student's t, at 95 %; None of one seed."""
    import numpy as np
    from scipy.stats import t

    if len(errors) < 2:
        return None, None
    half = float(t.ppf(0.975, len(errors) - 1) * np.std(errors, ddof=1) / len(errors) ** 0.5)
    mean = float(np.mean(errors))
    return max(0.0, mean - half), min(1.0, mean + half)


def _with_ends(value: float | None, low: float | None, high: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.3f}" if low is None else f"{value:.3f}, {low:.3f} to {high:.3f}"


def _remarks(
    tickets: Sequence[OneTicket], natives: Sequence[OneTicket] | None, found: Sequence[Outcome], to: str
) -> list[str]:
    """What should be known, in words."""
    said = []
    for name in ("data", "model", "steps", "optimiser", "learning_rate"):
        if len({str(ticket.run.settings.get(name)) for ticket in tickets}) > 1:
            said.append(f"the runs differ in {name}; they are no seeds of one setting")
    if len({f"{ticket.level.density:.2g}" for ticket in tickets}) > 1:
        said.append("the tickets have different densities")
    if found[0].redrawn:
        said.append(f"{', '.join(found[0].redrawn)}: drawn anew for the target, and not pruned")
    if any(one.shot.is_vetoed for one in found):
        said.append(
            "before training the ticket is wrong nearly always, as on negatives of its images; longer training may help"
        )
    if len(found) < 2:
        said.append("one seed only: no intervals")
    return said if natives is None else said + _of_natives(natives, to, found[0].steps)


def _of_natives(natives: Sequence[OneTicket], to: str, steps: int) -> list[str]:
    """What sets native runs apart from what they are compared with."""
    said = []
    if other := sorted({str(one.run.settings["data"]) for one in natives} - {to}):
        said.append(f"a native run is on {other[0]}, not on {to}: that is no native ticket")
    if other := sorted({one.run.settings["steps"] for one in natives} - {steps}):
        said.append(f"a native run trained for {other[0]} steps, the others here for {steps}")
    return said
