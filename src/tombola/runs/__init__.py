"""Folders for long runs, which go on where they were interrupted."""

from ._imp_settings import ImpSettings, default_steps
from ._level_files import LevelFiles, LevelRecord
from ._run_folder import RunFolder
from ._run_imp import ImpRun, run_imp

__all__ = [
    "ImpRun",
    "ImpSettings",
    "LevelFiles",
    "LevelRecord",
    "RunFolder",
    "default_steps",
    "run_imp",
]
