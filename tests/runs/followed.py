"""Runs that are followed by trackers, and stop where a test says."""

from tombola.runs import run_imp, tracked
from tombola.ticket import load_ticket

NAMES = {"density", "kept", "accuracy", "loss", "step", "seconds"}


class StoppedError(Exception):
    """The run is interrupted."""


def follow(trackers, run, digits, settings, *, until=None):
    """The records of a run that trackers follow; interrupted after a level, if one is named."""
    with tracked(trackers, run, "digits, run", settings.to_json()) as on_level:

        def told(record, of):
            on_level(record, of)
            if record.level == until:
                raise StoppedError

        return run_imp(run, digits, settings, on_level=told).levels


def expected(records):
    """The metrics that a tool should hold of a run: name, then level, then value."""
    return {name: {record.level: float(getattr(record, name)) for record in records} for name in NAMES}


def kept(path):
    """How many weights the ticket of a file keeps; biases are not counted, as they are not pruned."""
    return sum(int(mask.sum()) for name, mask in load_ticket(path).masks().items() if name.endswith("weight"))
