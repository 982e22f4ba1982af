"""Collects the verbs and turns every expected error into one line and an exit code."""

from __future__ import annotations

import os
import sys

import click
import typer

from ..errors import ToleranceError
from ._compare import compare
from ._construct import construct
from ._demo import demo
from ._explain import explain
from ._info import info
from ._list import list_names
from ._train import train
from ._verify import verify

app = typer.Typer(
    name="tombola",
    help="Lottery tickets: sparse subnetworks of randomly initialised networks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for verb in (train, construct, verify, info, explain, compare, demo):
    app.command()(verb)
app.command("list")(list_names)


def main() -> None:
    """Runs one verb. Exit codes: 0 done, 1 a check failed, 2 bad input, 130 stopped by Ctrl-C."""
    debug = os.environ.get("TOMBOLA_DEBUG")
    try:
        code = app(standalone_mode=False)
    except KeyboardInterrupt:
        _stop("stopped; files are as they were", 130)
    except click.Abort:
        _stop("stopped; files are as they were", 130)
    except click.ClickException as error:
        error.show()
        sys.exit(2)
    except ToleranceError as error:
        _stop(str(error), 1)
    except (ValueError, TypeError, OSError, MemoryError, ImportError) as error:
        if debug:
            raise
        _stop(str(error) or type(error).__name__, 2)
    sys.exit(code if isinstance(code, int) else 0)


def _stop(message: str, code: int) -> None:
    sys.stderr.write(f"tombola: {' '.join(message.split())}\n")
    sys.exit(code)
