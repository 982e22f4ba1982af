import json

import pytest

pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning")
QUICK = ("imp", "digits", "mlp:64-6-10", "--steps", 20, "--densities", "0.5,0.2", "-o", "run")


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path_factory):
    """No telemetry when a test imports MLflow first, no address from outside, nothing in the home folder."""
    for name in ("MLFLOW_DISABLE_TELEMETRY", "DO_NOT_TRACK"):
        monkeypatch.setenv(name, "true")
    for name in ("WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_CONFIG_DIR"):
        monkeypatch.setenv(name, str(tmp_path_factory.mktemp("wandb")))
    for name in ("MLFLOW_TRACKING_URI", "WANDB_MODE"):
        monkeypatch.delenv(name, raising=False)


def refused(*_, **__):
    raise AssertionError("it was trained")


@pytest.mark.slow
def test_levels_are_shown_in_every_tool(tombola, tmp_path):
    tools = ["--track", "tensorboard", "--track", "wandb", "--track", "mlflow", "--track", "mlflow"]
    result = tombola(*QUICK, *tools, "--json")
    assert result.code == 0
    assert all(line.startswith("pruning mlp:64-6-10 on digits: ") for line in result.err.splitlines())
    assert [level["kept"] for level in result.record["levels"]] == [444, 222, 89]
    assert tombola(*QUICK, *tools, "--json").record == result.record
    folder = tmp_path / "tracking"
    assert boards(folder) == {0: 444, 1: 222, 2: 89}
    assert stored(folder) == [{0: 444, 1: 222, 2: 89}]
    (logged,) = (folder / "wandb").glob("*.levels.json")
    assert json.loads(logged.read_text()) == [0, 1, 2]


def boards(folder):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (place,) = (folder / "tensorboard").iterdir()
    return {point.step: point.value for point in EventAccumulator(str(place)).Reload().Scalars("kept")}


def stored(folder):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{folder / 'mlflow.db'}")
    runs = client.search_runs([client.get_experiment_by_name("tombola").experiment_id])
    assert [run.data.params["data"] for run in runs] == ["digits"] * len(runs)
    histories = [client.get_metric_history(run.info.run_id, "kept") for run in runs]
    return [{point.step: point.value for point in history} for history in histories]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--track", "comet"], "a tracker is one of tensorboard, wandb, mlflow, got 'comet'"),
        (["--mlflow-address", "http://127.0.0.1:9"], "--track mlflow"),
        (["--track", "wandb", "--mlflow-address", "http://127.0.0.1:9"], "--track mlflow"),
        (
            ["--track", "mlflow", "--mlflow-address", "http://127.0.0.1:9"],
            "MLflow at http://127.0.0.1:9 cannot be used",
        ),
        (["--track", "tensorboard", "-o", "tracking"], "name another folder for the run"),
    ],
)
def test_what_cannot_be_tracked_is_found_out_before_training(tombola, tmp_path, monkeypatch, words, said):
    monkeypatch.setattr("tombola.training.Trainer.__call__", refused)
    result = tombola(*QUICK, *words)
    assert (result.code, result.out) == (2, "")
    assert said in result.complaint
    assert not list(tmp_path.iterdir())


def test_a_tool_that_fails_is_one_line_and_the_run_goes_on(tombola, monkeypatch):
    def full(*_, **__):
        raise OSError("no space left")

    monkeypatch.setattr("tombola.runs.TensorBoard.record", full)
    monkeypatch.setattr("warnings.filters", [])  # as on a command line, where they are no errors
    result = tombola(*QUICK, "--track", "tensorboard", "--json")
    assert result.code == 0
    assert "TensorBoard does not follow this run any more: no space left" in result.complaint
    assert [level["kept"] for level in result.record["levels"]] == [444, 222, 89]
