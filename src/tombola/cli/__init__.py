"""The command line: one file per verb."""

from ._main import main

__all__ = ["main"]
