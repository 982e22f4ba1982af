import os
import signal
import subprocess
import sys

import numpy as np
import pytest
from tests.runs.followed import NAMES, StoppedError, expected, follow

from tombola.runs import LevelRecord, TensorBoard, tracked

FIRST = {name: [0, 1] for name in NAMES}  # the levels there are when it stops after level 1
KILLED = """
import os, signal, sys, warnings
from tombola.runs import LevelRecord, TensorBoard, tracked

with tracked([TensorBoard(sys.argv[1])], sys.argv[2], "digits", {"seed": 0}) as on_level:
    for level in range(2):
        on_level(LevelRecord(level, 100 - level, 1.0, 0.5, 0.1, 20, 1.0, 0.1), 4)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def read(folder):
    """What TensorBoard's own reader finds in the one run of a folder: metrics by level, and parameters."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    (place,) = folder.iterdir()
    events = EventAccumulator(str(place), size_guidance={"scalars": 0}).Reload()
    metrics = {}
    for name in events.Tags()["scalars"]:
        points = events.Scalars(name)
        metrics[name] = {point.step: point.value for point in points}
        assert len(metrics[name]) == len(points), "a point stands there twice"
    content = events.PluginTagToContent("hparams")
    begun = HParamsPluginData.FromString(content["_hparams_/session_start_info"]).session_start_info
    return metrics, dict(begun.hparams), "_hparams_/session_end_info" in content


def single(metrics):
    """Metrics in single precision, as TensorBoard keeps them."""
    return {
        name: {level: float(np.float32(value)) for level, value in points.items()} for name, points in metrics.items()
    }


def test_the_event_files_hold_metrics_and_parameters(tmp_path, digits, settings):
    records = follow([TensorBoard(tmp_path / "boards")], tmp_path / "run", digits, settings)
    metrics, parameters, ended = read(tmp_path / "boards")
    assert metrics == single(expected(records))
    assert parameters["steps"].number_value == settings.steps
    assert parameters["by_layer"].bool_value is False
    assert parameters["densities"].string_value == "[0.5, 0.2, 0.1]"
    assert parameters["retrain"].string_value == "null"
    assert ended
    assert os.listdir(tmp_path / "boards")[0].startswith("digits--run-")


def test_a_run_that_goes_on_adds_what_is_missing(tmp_path, digits, settings):
    tracker = TensorBoard(tmp_path / "boards")
    with pytest.raises(StoppedError):
        follow([tracker], tmp_path / "run", digits, settings, until=1)
    metrics, parameters, ended = read(tmp_path / "boards")
    assert {name: list(points) for name, points in metrics.items()} == FIRST
    assert not ended
    records = follow([tracker], tmp_path / "run", digits, settings)
    follow([tracker], tmp_path / "run", digits, settings)
    assert read(tmp_path / "boards") == (single(expected(records)), parameters, True)


def test_a_process_that_is_killed_has_its_levels_on_the_disk(tmp_path):
    words = [sys.executable, "-c", KILLED, str(tmp_path / "boards"), str(tmp_path / "run")]
    done = subprocess.run(words, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert {name: list(points) for name, points in read(tmp_path / "boards")[0].items()} == FIRST
    with tracked([TensorBoard(tmp_path / "boards")], tmp_path / "run", "digits", {"seed": 0}) as on_level:
        for level in range(4):
            on_level(LevelRecord(level, 100 - level, 1.0, 0.5, 0.1, 20, 1.0, 0.1), 4)
    metrics, _, ended = read(tmp_path / "boards")
    assert metrics["kept"] == {0: 100, 1: 99, 2: 98, 3: 97}
    assert ended
