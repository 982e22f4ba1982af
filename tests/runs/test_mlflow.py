import os
import select
import socket
import socketserver
import subprocess
import sys
import threading
import time
import urllib.request
from urllib.error import URLError

import pytest
from tests.runs.followed import StoppedError, expected, follow, kept

from tombola.runs import MLflow

pytest.importorskip("mlflow")
pytestmark = [
    pytest.mark.slow,
    # of SQLAlchemy about code of MLflow, and of third parties that MLflow imports
    pytest.mark.filterwarnings("ignore:The ``noload`` loader strategy is deprecated:DeprecationWarning"),
]
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true", "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"}
FEW = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}  # processes that nothing here needs
SECONDS = 120  # that the server has to start


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """The address of an MLflow server of our own, with a store of its own."""
    place = tmp_path_factory.mktemp("server")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    words += ["--backend-store-uri", f"sqlite:///{place / 'store.db'}", "--artifacts-destination", str(place / "kept")]
    address = f"http://127.0.0.1:{port}"
    with (
        open(place / "log", "wb") as log,
        subprocess.Popen(words, stdout=log, stderr=log, env={**os.environ, **QUIET, **FEW}, cwd=place) as process,
    ):
        try:
            wait(address, process, place / "log")
            yield address
        finally:
            process.terminate()


def wait(address, process, log):
    """Returns once a server answers."""
    until = time.monotonic() + SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/health", timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    raise AssertionError(f"the server does not answer: {log.read_text()[-2000:]}")


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    """No telemetry when a test imports MLflow first, and no address from outside."""
    for name, value in QUIET.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def read(address, experiment):
    """The runs of an experiment, and for each its metrics by level."""
    from mlflow import MlflowClient

    client = MlflowClient(address)
    runs = client.search_runs([client.get_experiment_by_name(experiment).experiment_id])
    return client, [(run, {name: points(client, run, name) for name in run.data.metrics}) for run in runs]


def points(client, run, name):
    """The points of a metric: each level once."""
    found = client.get_metric_history(run.info.run_id, name)
    assert len({point.step for point in found}) == len(found), "a point stands there twice"
    return {point.step: point.value for point in found}


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """The folder of a store without a server, made once: its tables take seconds."""
    return tmp_path_factory.mktemp("store")


@pytest.fixture(params=["server", "store"])
def place(request, store):
    """What a tracker is given, and the address where its runs can be read."""
    if request.param == "server":
        address = request.getfixturevalue("server")
        return {"folder": store / "none", "address": address}, address
    return {"folder": store}, f"sqlite:///{store / 'mlflow.db'}"


@pytest.mark.usefixtures("untouched")
def test_parameters_metrics_and_tickets_can_be_read_back(tmp_path, digits, settings, place, capfd, monkeypatch):
    given, address = place
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    tracker = MLflow(**given, experiment="read back")
    records = follow([tracker], tmp_path / "run", digits, settings)
    assert capfd.readouterr() == ("", "")
    assert not list((tmp_path / "here").iterdir())
    client, ((run, metrics),) = read(address, "read back")
    assert metrics == expected(records)
    assert run.info.status == "FINISHED"
    assert run.info.run_name.startswith("digits, run-")
    assert run.data.params.keys() == settings.to_json().keys()
    assert (run.data.params["model"], run.data.params["densities"]) == (settings.model, "[0.5, 0.2, 0.1]")
    for record in records:
        folder = f"levels/{record.level:02d}"
        assert [found.path for found in client.list_artifacts(run.info.run_id, folder)] == [f"{folder}/level.ticket"]
        copy = client.download_artifacts(run.info.run_id, f"{folder}/level.ticket", str(tmp_path))
        assert kept(copy) == record.kept


def test_a_run_that_goes_on_is_the_same_run(tmp_path, digits, settings, place):
    given, address = place
    tracker = MLflow(**given, experiment="goes on")
    with pytest.raises(StoppedError):
        follow([tracker], tmp_path / "run", digits, settings, until=1)
    _, ((run, metrics),) = read(address, "goes on")
    assert run.info.status == "FAILED"
    assert list(metrics["accuracy"]) == [0, 1]
    records = follow([tracker], tmp_path / "run", digits, settings)
    follow([MLflow(**given, experiment="goes on")], tmp_path / "run", digits, settings)
    _, ((again, metrics),) = read(address, "goes on")
    assert again.info.run_id == run.info.run_id
    assert again.info.status == "FINISHED"
    assert metrics == expected(records)


def test_the_address_is_that_of_the_environment(tmp_path, digits, settings, server, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    records = follow([MLflow(tmp_path / "t", experiment="environment")], tmp_path / "run", digits, settings)
    assert [metrics for _, metrics in read(server, "environment")[1]] == [expected(records)]
    assert not (tmp_path / "t").exists()


def test_more_parameters_than_mlflow_takes_at_once(tmp_path, server):
    tracker = MLflow(tmp_path, address=server, experiment="many")
    tracker.begin("many", {f"p{number}": number for number in range(250)})
    tracker.end(failed=False)
    (run, _), *_ = read(server, "many")[1]
    assert run.data.params == {f"p{number}": str(number) for number in range(250)}


def test_a_server_that_is_not_there_is_one_error(tmp_path, digits, settings):
    tracker = MLflow(tmp_path / "t", address="http://127.0.0.1:9")
    with pytest.raises(
        ConnectionError, match=r"^MLflow at http://127\.0\.0\.1:9 cannot be used: .*; start it"
    ) as caught:
        follow([tracker], tmp_path / "run", digits, settings)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.iterdir())


def test_a_server_that_goes_away_does_not_end_the_run(tmp_path, digits, settings, server, monkeypatch):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    with Line(server) as line:
        tracker = MLflow(tmp_path / "t", address=line.address, experiment="goes away")
        with pytest.warns(RuntimeWarning, match="MLflow does not follow this run any more") as warned:
            assert len(follow([tracker, Cut(line)], tmp_path / "run", digits, settings)) == 4
        assert len(warned) == 1
        assert [list(metrics["kept"]) for _, metrics in read(server, "goes away")[1]] == [[0, 1]]
        line.open = True
        records = follow([tracker], tmp_path / "run", digits, settings)
        assert [metrics for _, metrics in read(server, "goes away")[1]] == [expected(records)]


class Cut:
    """A tracker that cuts a line after level 1."""

    def __init__(self, line):
        self.line = line

    def begin(self, name, parameters):
        return ()

    def record(self, metrics, *, step):
        self.line.open = step < 1

    def keep(self, path):
        pass

    def end(self, *, failed):
        pass


class Line(socketserver.ThreadingTCPServer):
    """An address behind which another server answers, as long as the line is open."""

    daemon_threads = True

    def __init__(self, address):
        super().__init__(("127.0.0.1", 0), Forward)
        self.there, self.open = ("127.0.0.1", int(address.rpartition(":")[2])), True
        self.address = f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *error):
        self.shutdown()
        self.server_close()


class Forward(socketserver.BaseRequestHandler):
    """Bytes one way and the other, until one side or the line is closed."""

    def handle(self):
        with socket.create_connection(self.server.there) as there:
            other = {self.request: there, there: self.request}
            while self.server.open:
                for side in select.select(list(other), [], [], 0.05)[0]:
                    if not self.server.open or not (received := side.recv(65536)):
                        return
                    other[side].sendall(received)
