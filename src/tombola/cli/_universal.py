"""`tombola universal`: one ticket for a family of functions, each of which is a linear fit away."""

from __future__ import annotations

import typer

from ._universal_build import build
from ._universal_evaluate import evaluate
from ._universal_fit import fit
from ._universal_inspect import inspect

VERBS = {
    build: (
        "Find the features of a family in a random network, and prove them.",
        "tombola universal build hat --dimension 2 --knots 4 -o hat.ticket",
    ),
    inspect: ("Show what a universal ticket holds.", "tombola universal inspect hat.ticket"),
    fit: (
        "Fit a linear read-out to a table.",
        "tombola universal fit hat.ticket iris --components 2 -o fit.json",
    ),
    evaluate: ("Apply a read-out to a table.", "tombola universal evaluate hat.ticket fit.json iris"),
}
universal = typer.Typer(rich_markup_mode=None)
for verb, (short, example) in VERBS.items():
    universal.command(verb.__name__, short_help=short, epilog=f"Example: {example}")(verb)
