"""The renormalisation view on the command line: what it reads, what it says, and what it refuses in words."""

import json
import shutil
import sys
import xml.etree.ElementTree as ET

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tombola.random_source import Uniform
from tombola.renormalization import drift, empirical_null, expected_null, flow_of, gaussian_null, semigroup_defect
from tombola.runs import grid, sweep
from tombola.ticket import load_ticket

STUDY = {"data": "digits", "model": "mlp:64-30-10", "steps": 30, "levels": 6, "factor": 0.7}
STUDY |= {"seed": [0, 1, 2], "batch_size": 32}
OTHER = STUDY | {"seed": [0], "learning_rate": 0.05, "by_layer": True}
COARSE = STUDY | {"levels": 3, "factor": 0.49}
LESS = {**STUDY, "model": "mlp:64-12-10", "seed": [0], "method": ["imp", "one-shot"], "densities": [0.7, 0.5]}
del LESS["levels"], LESS["factor"]
KEYS = ["groups", "identity_residual", "drift", "null", "anomalous", "task_signal", "markov", "region", "window"]
KEYS += ["refusals"]
GROUPS = ["fc1.weight", "fc2.weight"]


@pytest.fixture(scope="module")
def swept(tmp_path_factory):
    """Folders of runs: three seeds, one of other settings, two of a smaller network."""
    folder = tmp_path_factory.mktemp("flows")
    for name, study in (("study", STUDY), ("other", OTHER), ("less", LESS), ("coarse", COARSE)):
        sweep(grid(study), folder / name)
    return folder


@pytest.fixture
def flow(tombola, swept, tmp_path):
    """Runs `tombola flow` in a folder with copies of the runs."""
    shutil.copytree(swept, tmp_path, dirs_exist_ok=True)
    return lambda *words: tombola("flow", *words)


def runs(folder, study):
    return [folder / cell.name for cell in grid(study)]


def tensors(run, level):
    """Trained weights and masks of a level."""
    masks = load_ticket(run / "levels" / f"{level:02d}" / "level.ticket").masks()
    return load_file(run / "levels" / f"{level:02d}" / "weights.safetensors"), {name: masks[name] for name in GROUPS}


def test_json_has_the_exponents_of_the_weights_in_the_folders(flow, tmp_path):
    result = flow("study", "--window", "1:5", "--json")
    assert (result.code, result.err) == (0, "")
    record = result.record
    assert list(record) == KEYS
    assert record["groups"] == GROUPS
    assert record["window"]["levels"] == [[1, 5]] * 3
    flows = [flow_of([tensors(run, level) for level in range(7)]) for run in runs(tmp_path / "study", STUDY)]
    wanted = drift(flows, window=(1, 5))
    for number, name in enumerate(GROUPS):
        assert record["drift"][name]["value"] == pytest.approx(wanted.value[number], abs=1e-12)
        assert record["drift"][name]["low"] == pytest.approx(wanted.low[number], abs=1e-12)
    assert sum(row["value"] for row in record["drift"].values()) == pytest.approx(0, abs=1e-12)
    assert record["identity_residual"] <= 1 / flows[0].kept[-2]


def test_the_null_flow_is_that_of_the_weights_before_training(flow, tmp_path):
    record, nulls = flow("study", "--window", "1:5", "--json").record, []
    for run in runs(tmp_path / "study", STUDY):
        ticket = load_ticket(run / "levels" / "00" / "level.ticket")
        initial = {name: torch.tensor(ticket.values[name]) for name in GROUPS}
        kept = [int(sum(mask.sum() for mask in tensors(run, level)[1].values())) for level in range(7)]
        nulls.append(empirical_null(kept, initial))
    wanted = drift(nulls, window=(1, 5)).value
    found = [record["null"][name] for name in GROUPS]
    np.testing.assert_allclose(found, wanted, atol=1e-12)
    for name in GROUPS:
        away = record["drift"][name]["value"] - record["null"][name]
        assert record["anomalous"][name]["value"] == pytest.approx(away, abs=1e-12)
    by_law = flow("study", "--window", "1:5", "--law", "he", "--json").record["null"]
    sizes, spreads = dict(zip(GROUPS, (1920, 300), strict=True)), dict(zip(GROUPS, (32**-0.5, 15**-0.5), strict=True))
    exact = drift([gaussian_null(kept, sizes, spreads)], window=(1, 5)).value
    assert by_law["fc1.weight"] == pytest.approx(exact[0], abs=1e-9)


def test_laws_that_are_uniform_have_null_flows_too(flow, tmp_path):
    sizes = dict(zip(GROUPS, (1920, 300), strict=True))
    widths = {"glorot": ((6 / 94) ** 0.5, (6 / 40) ** 0.5), "torch": (1 / 8, 30**-0.5)}
    folder = runs(tmp_path / "study", STUDY)[0]
    kept = [int(sum(mask.sum() for mask in tensors(folder, level)[1].values())) for level in range(7)]
    for law, both in widths.items():
        laws = {name: Uniform(width) for name, width in zip(GROUPS, both, strict=True)}
        exact = drift([expected_null(kept, sizes, laws)], window=(0, 3)).value
        found = flow("study", "--window", "0:3", "--law", law, "--json").record["null"]
        assert [found[name] for name in GROUPS] == pytest.approx(exact.tolist(), abs=1e-9)
    drawn = flow("study", "--window", "0:3", "--json").record["null"]  # weights as torch draws them
    assert [found[name] for name in GROUPS] == pytest.approx([drawn[name] for name in GROUPS], abs=0.05)


def test_memory_is_measured_or_refused_in_words(flow):
    found = flow("study", "--window", "1:5", "--json").record["markov"]
    assert found == {
        "gain": None,
        "low": None,
        "high": None,
        "verdict": "undecided",
        "runs": 3,
        "steps": 3,
        "refusals": ["memory wants at least 4 runs, there are 3"],
    }
    assert "-, memory wants at least 4 runs, there are 3" in flow("study", "--window", "1:5").out


def test_the_region_is_by_runs_of_larger_steps_and_by_barriers(flow, tmp_path):
    result = flow("study", "--window", "1:5", "--coarse", "coarse")
    record = flow("study", "--window", "1:5", "--coarse", "coarse", "--json").record["region"]
    defects = []
    for fine, coarse in zip(runs(tmp_path / "study", STUDY), runs(tmp_path / "coarse", COARSE), strict=True):
        flows = [flow_of([tensors(run, level) for level in range(count)]) for run, count in ((fine, 7), (coarse, 4))]
        defects.append(semigroup_defect(*flows).on_densities)
    assert record["semigroup"] == pytest.approx(max(defects), abs=1e-12)
    assert 0 <= record["barrier"] < 1
    assert 0 < record["error"] < 0.9
    assert record["is_inside"] is (record["semigroup"] < 0.1 and record["barrier"] < 0.02)
    assert "semigroup defect on densities" in result.out
    assert flow("study", "--json").record["region"] is None


def test_the_table_has_a_row_for_every_group_and_the_next_command(flow):
    result = flow("study", "--window", "1:5")
    lines = result.out.splitlines()
    assert lines[0] == "mlp:64-30-10 on digits, imp: 3 seeds; rates per unit of -ln(density)"
    assert [line.split()[0] for line in lines[3:5]] == GROUPS
    assert "levels 1 to 5, densities 0.7 to 0.168" in result.out
    assert "task signal" in result.out
    assert lines[-1].startswith("next: tombola transfer study/")
    assert lines[-1].endswith("--to digits --carry masks")


def test_runs_may_be_named_one_by_one(flow, tmp_path):
    words = sorted(run.relative_to(tmp_path) for run in runs(tmp_path / "study", STUDY))
    assert flow(*words, "--json").record == flow("study", "--json").record


def test_groups_are_patterns_of_ones_own(flow):
    record = flow("study", "--groups", "early=fc1*", "--groups", "fc2.*", "--json").record
    assert record["groups"] == ["early", "fc2.*"]


def test_one_seed_has_no_intervals_and_says_so(flow, tmp_path):
    run = runs(tmp_path / "study", STUDY)[0]
    record = flow(run, "--json").record
    assert record["drift"]["fc1.weight"]["value"] is not None
    assert record["drift"]["fc1.weight"]["low"] is None
    assert record["drift"]["fc1.weight"]["label"] == "undetermined"
    assert "one seed only: no intervals, and no labels" in record["refusals"]
    assert "one seed only" in flow(run).out


def test_runs_of_other_settings_are_said_to_be_others(flow):
    said = " ".join(flow("study", "other", "--json").record["refusals"])
    assert "the runs differ in by_layer, learning_rate" in said
    assert "several runs have the seed 0" in said


def test_runs_of_another_network_have_a_report_of_their_own(flow):
    found = flow("study", "less", "--json").record["settings"]
    assert [(each["model"], len(each["runs"])) for each in found] == [("mlp:64-30-10", 3), ("mlp:64-12-10", 1)]
    assert list(found[0])[-len(KEYS) :] == KEYS
    out = flow("study", "less").out
    assert out.count("rates per unit of -ln(density)") == 2


def test_where_every_layer_is_pruned_alone_so_is_the_null_flow(flow):
    record = flow("other", "--window", "0:6", "--json").record
    assert abs(record["null"]["fc1.weight"]) < 0.06  # one threshold for all gives 0.2 and more
    assert record["task_signal"]["value"] is not None
    said = " ".join(flow("other", "--law", "he", "--json").record["refusals"])
    assert "every layer is pruned by itself" in said


def test_too_few_levels_have_no_exponents_and_say_so(flow):
    record = flow("less", "--json").record
    assert record["drift"] == {} or record["drift"]["fc1.weight"]["value"] is None
    assert "3 levels; a window from level 2 on wants at least 5" in " ".join(record["refusals"])
    result = flow("less")
    assert result.code == 0
    assert ["window", "none"] in [line.split() for line in result.out.splitlines()]


def test_a_group_with_few_weights_is_left_out(tombola, tmp_path):
    weights = foreign(tmp_path / "net", 0)
    for level in range(7):
        state = torch.load(tmp_path / "net" / f"{level}.pt", weights_only=True)
        torch.save(state | {"c": weights["a"][:1] * (weights["a"][:1] > level / 9)}, tmp_path / "net" / f"{level}.pt")
    words = ["--foreign", "net", "--law", "he"]
    record = tombola("flow", *words, "--json").record
    assert record["groups"] == list(record["null"]) == ["a", "b"]
    assert any("left out, because they have fewer than 50 weights" in line for line in record["refusals"])
    row = next(line for line in tombola("flow", *words).out.splitlines() if line.startswith("  c "))
    assert row.split()[-2:] == ["left", "out"]


def test_levels_that_are_damaged_are_counted_as_missing(flow, tmp_path):
    run = runs(tmp_path / "study", STUDY)[0]
    (run / "levels" / "06" / "level.ticket").write_bytes(b"nothing")
    said = flow(run, "--json").record["refusals"]
    assert any("has 6 of 7 levels that are whole" in line for line in said)
    (run / "levels" / "00" / "level.json").unlink()
    assert "has no level that is there and whole" in flow(run).complaint


def test_the_picture_shows_every_group(flow, tmp_path):
    assert flow("study", "--picture", "flow.svg").code == 0
    tree = ET.parse(tmp_path / "flow.svg")
    texts = {"".join(part.itertext()) for part in tree.iter("{http://www.w3.org/2000/svg}text")}
    assert set(GROUPS) <= texts
    first = (tmp_path / "flow.svg").read_bytes()
    flow("study", "--picture", "flow.svg")
    assert (tmp_path / "flow.svg").read_bytes() == first


def test_without_matplotlib_a_picture_says_what_to_install(flow, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    result = flow("study", "--picture", "flow.svg")
    assert (result.code, result.out) == (2, "")
    assert "pip install matplotlib" in result.complaint
    assert not (tmp_path / "flow.svg").exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "name folders of runs"),
        (["study", "--foreign", "other"], "and not both"),
        (["nowhere"], "nowhere: there is no such folder"),
        (["study", "--window", "5:2"], "got '5:2'"),
        (["study", "--window", "all"], "as in 2:12"),
        (["study", "--groups", "layer", "--groups", "fc1*"], "'layer' stands beside others"),
        (["study", "--groups", "fc1*"], "'fc2.weight' matches no pattern"),
        (["study", "--groups", "fc1*", "--groups", "fc1*"], "twice"),
        (["study", "--picture", "flow.txt"], "flow.txt"),
        (["study", "less", "--picture", "flow.svg"], "there are 2"),
        (["--foreign", "study"], "name the folder of one run"),
        (["study", "--coarse", "less"], "holds no other run of mlp:64-30-10 on digits with a seed of"),
        (["study", "less", "--coarse", "coarse"], "--coarse is for one setting, but there are 2"),
        (["--foreign", "study", "--coarse", "coarse"], "--coarse wants runs of `tombola imp`"),
    ],
)
def test_what_makes_no_sense_is_one_line(flow, words, said):
    result = flow(*words)
    assert (result.code, result.out) == (2, "")
    assert said in result.complaint


def test_a_run_whose_levels_do_not_follow_from_one_another_is_refused(flow, tmp_path):
    straight = [run for run in runs(tmp_path / "less", LESS) if "one-shot" in (run / "config.json").read_text()]
    assert "is a run of one-shot" in flow(straight[0]).complaint


def foreign(folder, seed, levels=7):
    """Levels of another program: weights of two layers, pruned by magnitude."""
    folder.mkdir()
    draw = torch.Generator().manual_seed(seed)
    weights = {"a": torch.randn(40, 30, generator=draw), "b": 0.5 * torch.randn(40, 20, generator=draw)}
    moduli = torch.cat([value.abs().flatten() for value in weights.values()]).sort(descending=True).values
    for level in range(levels):
        least = moduli[int(2000 * 0.8**level) - 1]
        torch.save({name: value * (value.abs() >= least) for name, value in weights.items()}, folder / f"{level}.pt")
    return weights


def test_levels_of_another_program_are_runs_too(tombola, tmp_path):
    for seed in (0, 1, 2):
        weights = foreign(tmp_path / f"seed{seed}", seed)
        torch.save(weights, tmp_path / f"seed{seed}" / "initial.pt")
    folders = [word for seed in (0, 1, 2) for word in ("--foreign", f"seed{seed}")]
    record = tombola("flow", *folders, "--json").record
    assert list(record) == KEYS
    assert record["groups"] == ["a", "b"]
    assert record["drift"]["a"]["label"] == "relevant"
    assert record["task_signal"]["value"] == pytest.approx(0, abs=1e-6)  # nothing was trained: the flow is the null's
    assert "chance are not known" in json.dumps(record["window"])
    assert tombola("flow", *folders).out.splitlines()[-1].startswith("next: tombola flow --foreign seed0")


def test_without_weights_before_training_there_is_no_null_flow(tombola, tmp_path):
    foreign(tmp_path / "net", 0)
    record = tombola("flow", "--foreign", "net", "--json").record
    assert record["null"] is None
    assert any("no null flow" in line for line in record["refusals"])
    assert tombola("flow", "--foreign", "net", "--law", "he", "--json").record["null"]["a"] is not None


def test_a_layer_that_collapses_is_said_and_is_not_a_number_that_is_none(tombola, tmp_path):
    weights = foreign(tmp_path / "net", 0)
    for level in (5, 6):
        torch.save(
            {"a": weights["a"] * (weights["a"].abs() > 0.5), "b": 0 * weights["b"]}, tmp_path / f"net/{level}.pt"
        )
    for word in ("b", "0:6"):
        words = ["--window", word] if ":" in word else []
        result = tombola("flow", "--foreign", "net", *words, "--json")
        assert "NaN" not in result.out
        assert "'b' has lost all weights at level 5" in " ".join(result.record["refusals"])
