"""Runs in MLflow, on a server or in a file."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ._tracking import environment, file_name, one_line

TAG = "tombola.run"  # by which a run is found again
MOST = 100  # parameters that MLflow takes at once
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2",  # 7 of them hold up training for minutes when the server is gone
}


class MLflow:
    """The tracker that logs to MLflow.

    Without a server runs are in `folder/mlflow.db`, tickets in `folder/mlflow-artifacts/`; look at them with
    `mlflow ui --backend-store-uri sqlite:///FOLDER/mlflow.db`. A run that goes on is found by its tag, and the levels
    that it has are asked for. No telemetry is sent unless `MLFLOW_DISABLE_TELEMETRY` says otherwise.

    Args:
        folder: of the local store.
        address: of a server, as `http://127.0.0.1:5000`; default: what `MLFLOW_TRACKING_URI` says, else the store.
        experiment: of MLflow, made if it is not there.

    Raises:
        ImportError: when a run begins, if the extra is not installed.
        ConnectionError: likewise, if the server does not answer or refuses.

    Example:
        >>> MLflow("tracking", address="http://127.0.0.1:5000").experiment
        'tombola'
    """

    def __init__(
        self, folder: str | os.PathLike[str], *, address: str | None = None, experiment: str = "tombola"
    ) -> None:
        self.folder, self.address, self.experiment = Path(folder), address, experiment
        self._client: Any = None
        self._run = ""

    def begin(self, name: str, parameters: Mapping[str, Any]) -> Collection[int]:
        """See `Tracker`."""
        address = self.address or os.environ.get("MLFLOW_TRACKING_URI") or self._store()
        with _quiet(MLFLOW_HTTP_REQUEST_TIMEOUT="10"):
            try:
                from mlflow import MlflowClient
                from mlflow.exceptions import MlflowException
            except ImportError as error:
                raise ImportError("the tracker needs MLflow: pip install 'tombola[mlflow]'", name="mlflow") from error
            try:
                self._client = MlflowClient(address)
                found = self._found(name, self._experiment(local=address == self._store()))
                self._parameters(found, parameters)
                return self._there(found)
            except MlflowException as error:
                advice = f"start it with `mlflow server`, or leave the address out for a store in {self.folder}"
                raise ConnectionError(f"MLflow at {address} cannot be used: {one_line(error)}; {advice}") from error

    def record(self, metrics: Mapping[str, float], *, step: int) -> None:
        """See `Tracker`."""
        from mlflow.entities import Metric

        now = int(1000 * time.time())
        with _quiet():
            self._client.log_batch(self._run, metrics=[Metric(key, x, now, step) for key, x in metrics.items()])

    def keep(self, path: Path) -> None:
        """See `Tracker`; under the names of the last two folders and of the file, as `levels/03/level.ticket`."""
        with _quiet():
            self._client.log_artifact(self._run, str(path), "/".join(path.resolve().parts[-3:-1]))

    def end(self, *, failed: bool) -> None:
        """See `Tracker`."""
        with _quiet():
            self._client.set_terminated(self._run, status="FAILED" if failed else "FINISHED")

    def _store(self) -> str:
        return f"sqlite:///{self.folder.resolve() / 'mlflow.db'}"

    def _experiment(self, *, local: bool) -> str:
        """The id of the experiment, made if it is not there; another process may be doing the same."""
        from mlflow.exceptions import MlflowException

        if (found := self._client.get_experiment_by_name(self.experiment)) is not None:
            return found.experiment_id
        place = (self.folder / "mlflow-artifacts").resolve().as_uri() if local else None
        try:
            return self._client.create_experiment(self.experiment, artifact_location=place)
        except MlflowException:
            if (found := self._client.get_experiment_by_name(self.experiment)) is None:
                raise
            return found.experiment_id

    def _found(self, name: str, experiment: str) -> Any:  # noqa: ANN401 - a run of MLflow
        """The run of a name, now running."""
        key = file_name(name)
        runs = self._client.search_runs([experiment], f"tags.`{TAG}` = '{key}'", max_results=1)
        if not runs:
            runs = [self._client.create_run(experiment, run_name=name, tags={TAG: key})]
        self._run = runs[0].info.run_id
        self._client.update_run(self._run, status="RUNNING")
        return runs[0]

    def _parameters(self, run: Any, parameters: Mapping[str, Any]) -> None:  # noqa: ANN401 - a run of MLflow
        """Logs the parameters that a run does not have; MLflow takes each of them once."""
        from mlflow.entities import Param

        missing = [Param(key, _shown(value)) for key, value in parameters.items() if key not in run.data.params]
        for first in range(0, len(missing), MOST):
            self._client.log_batch(self._run, params=missing[first : first + MOST])

    def _there(self, run: Any) -> set[int]:  # noqa: ANN401 - a run of MLflow
        """The steps that a run has; all metrics of a step are logged at once, so that one stands for all."""
        names = sorted(run.data.metrics)[:1]
        return {metric.step for name in names for metric in self._client.get_metric_history(self._run, name)}


@contextmanager
def _quiet(**entries: str) -> Iterator[None]:
    """A block in which MLflow sends nothing to its makers, waits not too long, and says only what is wrong."""
    log = logging.getLogger("mlflow.store.db.utils")  # tells of every table of a new store
    level = log.level
    log.setLevel(logging.WARNING)
    try:
        with environment(**QUIET, **entries):
            yield
    finally:
        log.setLevel(level)


def _shown(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
