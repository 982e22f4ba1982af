"""Folders for long runs, which go on where they were interrupted, and sweeps of many runs."""

from ._cell import Cell
from ._found_runs import FoundRun, find_runs, read_run, remove_runs
from ._grid import grid
from ._imp_settings import ImpSettings, default_steps
from ._level_files import LevelFiles, LevelRecord
from ._methods import METHODS, Method
from ._mlflow import MLflow
from ._named_tracker import named_tracker
from ._pruned import method_of, pruned_first, scoring_batches
from ._run_cell import run_cell
from ._run_folder import RunFolder
from ._run_imp import run_imp
from ._run_levels import Finished, ImpRun, Task, run_levels
from ._straight import one_shot, random_masks, run_straight
from ._study import Study, read_study
from ._summary import summarise
from ._sweep import CellResult, SweepEvent, SweepResult, sweep
from ._tensorboard import TensorBoard
from ._tracking import Tracker, tracked
from ._wandb import WeightsAndBiases

__all__ = [
    "METHODS",
    "Cell",
    "CellResult",
    "Finished",
    "FoundRun",
    "ImpRun",
    "ImpSettings",
    "LevelFiles",
    "LevelRecord",
    "MLflow",
    "Method",
    "RunFolder",
    "Study",
    "SweepEvent",
    "SweepResult",
    "Task",
    "TensorBoard",
    "Tracker",
    "WeightsAndBiases",
    "default_steps",
    "find_runs",
    "grid",
    "method_of",
    "named_tracker",
    "one_shot",
    "pruned_first",
    "random_masks",
    "read_run",
    "read_study",
    "remove_runs",
    "run_cell",
    "run_imp",
    "run_levels",
    "run_straight",
    "scoring_batches",
    "summarise",
    "sweep",
    "tracked",
]
