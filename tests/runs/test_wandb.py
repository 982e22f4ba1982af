import json
import os
import signal
import struct
import subprocess
import sys

import pytest
from tests.runs.followed import StoppedError, expected, follow, kept

from tombola.runs import WeightsAndBiases, run_imp

wandb = pytest.importorskip("wandb")
BLOCK, HEADER = 32768, 7  # of a .wandb file, which is a LevelDB log behind seven bytes

KILLED = """
import os, signal, sys
from tombola.runs import LevelRecord, WeightsAndBiases, tracked

with tracked([WeightsAndBiases(sys.argv[1])], sys.argv[2], "digits, run", {}) as on_level:
    for level in range(2):
        on_level(LevelRecord(level, 100 - level, 1.0, 0.5, 0.1, 20, 1.0, 0.1), 4)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture(scope="session")
def service(tmp_path_factory):
    """The process that wandb works with can start; what it writes outside of a run goes to a folder of its own."""
    place, names = tmp_path_factory.mktemp("wandb"), ("WANDB_CACHE_DIR", "WANDB_DATA_DIR", "WANDB_CONFIG_DIR")
    with pytest.MonkeyPatch.context() as patch:
        for name in names:
            patch.setenv(name, str(place / name))
        for name in [name for name in os.environ if name.startswith("WANDB_") and name not in names]:
            patch.delenv(name)
        try:
            wandb.setup()
        except Exception as error:
            pytest.skip(f"the service of wandb does not start here: {error}")
        yield
        wandb.teardown()


def payloads(content):
    """The records of a LevelDB log."""
    place, parts = HEADER, []
    while place + HEADER <= len(content):
        if BLOCK - place % BLOCK < HEADER:
            place += BLOCK - place % BLOCK
            continue
        _, size, kind = struct.unpack_from("<IHB", content, place)
        parts.append(content[place + HEADER : place + HEADER + size])
        place += HEADER + size
        if kind in {1, 4}:  # whole, or the last part
            yield b"".join(parts)
            parts = []


def read(folder):
    """What was logged of the one run of a folder, a dict for each process that did; in order of time."""
    from wandb.proto.wandb_internal_pb2 import Record

    return [logged(map(Record.FromString, payloads(path.read_bytes()))) for path in sorted(folder.rglob("*.wandb"))]


def logged(records):
    found = {"config": {}, "history": [], "files": [], "id": None, "exit": None}
    for record in records:
        kind = record.WhichOneof("record_type")
        if kind == "run":
            run = record.run
            found["id"], found["name"], found["project"] = run.run_id, run.display_name, run.project
            found["config"] |= {item.key: json.loads(item.value_json) for item in record.run.config.update}
        elif kind == "history":
            items = {(item.key or item.nested_key[0]): json.loads(item.value_json) for item in record.history.item}
            found["history"].append({name: value for name, value in items.items() if name[0] != "_"})
            found["history"][-1]["level"] = items["_step"]
        elif kind == "artifact":
            artefact = record.artifact
            found["files"].append((artefact.name, sorted(artefact.aliases), artefact.manifest.contents[0].local_path))
        elif kind == "exit":
            found["exit"] = record.exit.exit_code
    return found


def history(records):
    """The lines of history that levels should have made."""
    metrics = expected(records)
    return [
        {"level": record.level, **{name: points[record.level] for name, points in metrics.items()}}
        for record in records
    ]


@pytest.mark.usefixtures("service", "untouched")
def test_an_offline_run_holds_configuration_history_and_tickets(tmp_path, digits, settings):
    tracker = WeightsAndBiases(tmp_path / "tracking", project="tickets")
    records = follow([tracker], tmp_path / "run", digits, settings)
    (run,) = read(tmp_path / "tracking")
    assert run["project"] == "tickets"
    assert run["name"].startswith("digits, run-")
    assert {name: run["config"][name] for name in settings.to_json()} == json.loads(json.dumps(settings.to_json()))
    assert run["history"] == history(records)
    assert [(name, aliases) for name, aliases, _ in run["files"]] == [
        (f"{run['id']}-ticket", ["latest", f"level-{level:02d}"]) for level in range(4)
    ]
    assert [kept(path) for _, _, path in run["files"]] == [record.kept for record in records]
    assert run["exit"] == 0


@pytest.mark.usefixtures("service")
def test_a_run_that_goes_on_is_the_same_run_in_parts(tmp_path, digits, settings):
    tracker = WeightsAndBiases(tmp_path / "tracking")
    with pytest.raises(StoppedError):
        follow([tracker], tmp_path / "run", digits, settings, until=1)
    records = follow([tracker], tmp_path / "run", digits, settings)
    first, second = read(tmp_path / "tracking")
    assert first["id"] == second["id"]
    assert (first["exit"], second["exit"]) == (1, 0)
    assert first["history"] + second["history"] == history(records)
    assert len(first["files"] + second["files"]) == 4


@pytest.mark.usefixtures("service")
def test_what_a_killed_process_logged_is_not_lost(tmp_path, digits, settings):
    run_imp(tmp_path / "run", digits, settings)
    words = [sys.executable, "-c", KILLED, str(tmp_path / "tracking"), str(tmp_path / "run")]
    alone = {name: value for name, value in os.environ.items() if name != "WANDB_SERVICE"}  # with a service of its own
    done = subprocess.run(words, capture_output=True, text=True, env={**alone, "OMP_NUM_THREADS": "1"})
    assert done.returncode == -signal.SIGKILL, done.stderr
    records = follow([WeightsAndBiases(tmp_path / "tracking")], tmp_path / "run", digits, settings)
    *_, last = read(tmp_path / "tracking")
    assert last["history"] == history(records)
    parts = (tmp_path / "tracking" / "wandb").glob(f"offline-run-*-{last['id']}*")  # of one second: ID and ID-1
    assert len(list(parts)) == 2


@pytest.mark.usefixtures("service")
def test_a_run_of_the_caller_stays_as_it_is(tmp_path, digits, settings):
    own = wandb.init(mode="offline", dir=tmp_path / "own", settings=wandb.Settings(console="off", silent=True))
    try:
        follow([WeightsAndBiases(tmp_path / "tracking")], tmp_path / "run", digits, settings)
        assert wandb.run is own
        own.log({"mine": 1})
    finally:
        own.finish()


@pytest.mark.usefixtures("service")
def test_a_server_that_cannot_be_used_is_one_error(tmp_path, digits, settings, monkeypatch):
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    with pytest.raises(ConnectionError, match=r"^Weights & Biases cannot be used: .*; run `wandb login`, or") as caught:
        follow([WeightsAndBiases(tmp_path / "t", mode="online")], tmp_path / "run", digits, settings)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()
