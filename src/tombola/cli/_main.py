"""Collects the verbs and turns every expected error into one line and an exit code."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from typing import Annotated, NoReturn, cast

import typer

from tombola import __version__
from tombola.errors import ToleranceError

from ._compare import compare
from ._construct import construct
from ._demo import demo
from ._explain import explain
from ._export import export
from ._flow import flow
from ._imp import imp
from ._info import info
from ._list import list_names
from ._output import discard_output, silence, write
from ._predict_transfer import predict_transfer
from ._prune import prune
from ._recommend import recommend
from ._runs import runs
from ._search import search
from ._size import size
from ._speed import speed
from ._sweep import sweep
from ._train import train
from ._transfer import transfer
from ._universal import universal
from ._verify import verify

DONE, FAILED, BAD_INPUT, INTERNAL, INTERRUPTED = 0, 1, 2, 70, 130
STOPPED = "stopped; files are as they were"
CODES = "Exit codes: 0 done, 1 a check failed, 2 bad input, 130 stopped by Ctrl-C."
UsageError = cast("type[typer.BadParameter]", typer.BadParameter.__mro__[2])  # click's, or of typer's copy of click
EXPECTED = (ValueError, TypeError, OSError, MemoryError, ImportError, FloatingPointError, UsageError)

app = typer.Typer(
    name="tombola",
    help="Lottery tickets: sparse subnetworks of randomly initialised networks.",
    epilog=CODES,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
VERBS = {
    demo: ("The main job on bundled data, from beginning to end.", "tombola demo --folder demo"),
    train: ("Train a target network.", "tombola train digits lenet-300-100 -o target.safetensors"),
    prune: ("Prune a network before it is trained.", "tombola prune digits lenet-300-100 --density 0.1 -o init.ticket"),
    imp: ("Prune a network step by step while it trains.", "tombola imp digits lenet-300-100 -o run"),
    search: (
        "Find a mask on random weights, without training them.",
        "tombola search digits mlp:64-200-10 -o s.ticket",
    ),
    sweep: ("Run every combination of a study.", "tombola sweep study.yaml -o study"),
    construct: (
        "Find a network in a random one, and prove it.",
        "tombola construct target.safetensors --seed 7 -o lenet.ticket",
    ),
    recommend: ("Predict what each construction needs.", "tombola recommend target.safetensors"),
    verify: ("Check everything that a ticket claims.", "tombola verify lenet.ticket --target target.safetensors"),
    info: ("Show what a ticket holds.", "tombola info lenet.ticket"),
    explain: ("Take one weight apart.", "tombola explain lenet.ticket --weight 'fc1[3,17]'"),
    compare: ("Show two tickets side by side.", "tombola compare first.ticket second.ticket"),
    flow: ("Show the rates at which pruning moves groups of weights.", "tombola flow run"),
    transfer: ("Train the ticket of one task on another.", "tombola transfer run --to mnist"),
    predict_transfer: ("Predict whether tickets will transfer.", "tombola predict-transfer run other"),
    size: ("Show how many bytes a ticket takes.", "tombola size lenet.ticket"),
    speed: ("Time a pruned network, deployed.", "tombola speed net.safetensors --batches 1,64"),
    export: ("Write a pruned network for ONNX Runtime or torch.", "tombola export net.safetensors --onnx net.onnx"),
    list_names: ("List the names that verbs take.", "tombola list models"),
}
for verb, (short, example) in VERBS.items():
    app.command(verb.__name__.removesuffix("_names").replace("_", "-"), short_help=short, epilog=f"Example: {example}")(
        verb
    )
app.add_typer(
    universal,
    name="universal",
    short_help="Tickets for families of functions.",
    help="One ticket for a whole family of functions: each of them is a linear fit on its features.",
    epilog="Example: tombola universal build hat --dimension 2 --knots 4 -o hat.ticket",
)
app.add_typer(
    runs,
    name="runs",
    short_help="Folders of runs: list, compare, remove.",
    help="The folders that `tombola imp` and `tombola sweep` keep their levels in.",
    epilog="Example: tombola runs list study",
)


def _print_version(wanted: bool) -> bool:
    if wanted:
        write(f"tombola {__version__}\n")
        raise typer.Exit
    return wanted


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Show the version and exit.")
    ] = False,
) -> None:
    pass


def main(arguments: Sequence[str] | None = None) -> NoReturn:
    """Runs one verb, that of the command line or of `arguments`, and exits.

    Exit codes: 0 done, 1 a check failed, 2 bad input, 130 stopped by Ctrl-C; 141 if the reader of the output left, and
    70, with a traceback, if something happened that nobody thought of. `TOMBOLA_DEBUG=1` shows tracebacks always.
    """
    os.environ.setdefault(
        "OMP_WAIT_POLICY", "PASSIVE"
    )  # before torch loads: waiting threads sleep, on busy machines too
    if os.environ.get("RANK", "0") != "0":  # of several processes that a launcher started, the first one speaks
        silence()
    warnings.showwarning = _note
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        code = app(words or ["--help"], prog_name="tombola", standalone_mode=False)
        write("")
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except ToleranceError as error:
        _stop(str(error), FAILED)
    except EXPECTED as error:
        _stop(_said(error), BAD_INPUT)
    except Exception as error:  # its exit code must not be that of a failed check
        if isinstance(error.__cause__, KeyboardInterrupt):  # Ctrl-C inside a compiled function
            _stop(STOPPED, INTERRUPTED)
        traceback.print_exc()
        _stop(f"unexpected {type(error).__name__}; please report it, with the lines above", INTERNAL)
    if code == INTERRUPTED:
        _stop(STOPPED, INTERRUPTED)
    sys.exit(code if isinstance(code, int) else DONE)


def _note(message: Warning | str, category: type[Warning], *_: object) -> None:
    """A warning in one line; those of other libraries about themselves are left out."""
    if not issubclass(category, DeprecationWarning | FutureWarning | PendingDeprecationWarning):
        sys.stderr.write(f"tombola: note: {' '.join(str(message).split())}\n")


def _said(error: BaseException) -> str:
    """What an error says, in a user's words."""
    if isinstance(error, UsageError):
        context = getattr(error, "ctx", None)
        advice = f" (see `{context.command_path} --help`)" if context else ""
        return error.format_message().replace("Value error, ", "") + advice
    if isinstance(error, OSError) and error.strerror is not None:
        return f"{'standard output' if error.filename is None else os.fspath(error.filename)}: {error.strerror}"
    if isinstance(error, MemoryError):
        return f"out of memory{f': {error}' if str(error) else ''}"
    return str(error) or type(error).__name__


def _stop(message: str, code: int) -> NoReturn:
    if os.environ.get("TOMBOLA_DEBUG"):
        traceback.print_exc()
    sys.stderr.write(f"tombola: {' '.join(message.split())}\n")
    try:
        sys.stdout.flush()
    except OSError:
        discard_output()
    sys.exit(code)
