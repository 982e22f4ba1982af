"""Studies that are done a block at a time record each block at once, and none twice."""

import importlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tombola.engines import in_process

EXPERIMENTS = Path(__file__).parents[1] / "experiments"
PARTS = ["wide", "narrow"]  # not in the order of the alphabet
SCRIPT = f"""
import sys
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, {str(EXPERIMENTS)!r})
from _blocks import do_blocks, seeds


@dataclass(frozen=True)
class Config:
    seeds: tuple[int, ...] = (0, 1, 2)


def run(config, block, workers):
    return {{"seed": block, "square": block**2, "of": len(config.seeds)}}


if __name__ == "__main__":
    do_blocks(Path(__file__).parent, Config(), run, seeds(Config()), key=lambda one: one["seed"], table=len)
"""


@dataclass(frozen=True)
class Config:
    seeds: tuple[int, ...] = (0, 1, 2)


def key(one):
    return one["part"], one["seed"]


def place(one):
    return PARTS.index(one["part"]), one["seed"]


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Does two parts and three seeds in this process, with options of the command line; returns the record."""
    monkeypatch.syspath_prepend(EXPERIMENTS)
    blocks = importlib.import_module("_blocks")
    monkeypatch.setattr(blocks, "Processes", lambda count: in_process)

    def run(config, block, workers):
        part, seed = block
        if (tmp_path / f"no {part} {seed}").exists():
            raise ValueError(f"{part} {seed} cannot be done")
        return {"part": part, "seed": seed, "recorded before": len(blocks.recorded(tmp_path)["runs"])}

    def do(*words, place=None):
        monkeypatch.setattr(sys, "argv", ["run.py", *words])
        wanted = [(part, seed) for seed in blocks.seeds(Config()) for part in PARTS]
        blocks.do_blocks(
            tmp_path, Config(), run, wanted, key=key, table=lambda runs: {"blocks": len(runs)}, place=place
        )
        return blocks.recorded(tmp_path)

    return do


def order(record):
    return [key(one) for one in record["runs"]]


def test_each_block_is_recorded_before_the_next_is_done(study, capsys):
    record = study("--seeds", "2,0")
    before = {key(one): one["recorded before"] for one in record["runs"]}
    assert before == {("wide", 2): 0, ("narrow", 2): 1, ("wide", 0): 2, ("narrow", 0): 3}
    said = [line.split(": ")[0] for line in capsys.readouterr().out.splitlines()]
    assert said == [str(block) for block in sorted(before, key=before.get)]
    assert (record["table"], record["config"]) == ({"blocks": 4}, {"seeds": [0, 1, 2]})


def test_the_record_is_in_the_order_of_keys_or_of_places(study):
    assert order(study("--seeds", "2")) == [("narrow", 2), ("wide", 2)]
    assert order(study("--seeds", "0", place=place)) == [("wide", 0), ("wide", 2), ("narrow", 0), ("narrow", 2)]


def test_what_is_recorded_is_not_done_again(study, tmp_path, capsys):
    first = study("--seeds", "1")
    grown = study()
    assert order(grown) == [(part, seed) for part in ("narrow", "wide") for seed in (0, 1, 2)]
    assert [one for one in grown["runs"] if one["seed"] == 1] == first["runs"]
    written = (tmp_path / "result.json").read_bytes()
    capsys.readouterr()
    assert study() == grown
    assert capsys.readouterr().out == ""
    assert (tmp_path / "result.json").read_bytes() == written


def test_a_block_that_raises_leaves_the_earlier_ones_recorded(study, tmp_path):
    stone = tmp_path / "no wide 1"
    stone.touch()
    with pytest.raises(ValueError, match="wide 1 cannot be done"):
        study("--seeds", "0,1")
    assert order(json.loads((tmp_path / "result.json").read_text())) == [("narrow", 0), ("wide", 0)]
    stone.unlink()
    assert order(study("--seeds", "0,1")) == [("narrow", 0), ("narrow", 1), ("wide", 0), ("wide", 1)]


def test_blocks_are_done_in_worker_processes(tmp_path):
    script = tmp_path / "run.py"
    script.write_text(SCRIPT)
    subprocess.run([sys.executable, "-B", script, "--workers", "1", "--seeds", "2,1"], check=True, capture_output=True)
    record = json.loads((tmp_path / "result.json").read_text())
    assert record["runs"] == [{"seed": 1, "square": 1, "of": 3}, {"seed": 2, "square": 4, "of": 3}]
    assert record["table"] == 2
