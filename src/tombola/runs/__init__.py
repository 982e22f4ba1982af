"""Folders for long runs, which go on where they were interrupted."""

from ._imp_settings import ImpSettings, default_steps
from ._level_files import LevelFiles, LevelRecord
from ._run_folder import RunFolder
from ._run_imp import run_imp
from ._run_levels import Finished, ImpRun, Task, run_levels

__all__ = [
    "Finished",
    "ImpRun",
    "ImpSettings",
    "LevelFiles",
    "LevelRecord",
    "RunFolder",
    "Task",
    "default_steps",
    "run_imp",
    "run_levels",
]
