"""Cells and the grids that they come from."""

import functools
import json

import pytest
import torch

from tombola.runs import METHODS, Cell, ImpSettings, grid, read_run, read_study, run_cell, run_straight, sweep
from tombola.select import top
from tombola.ticket import load_ticket

STUDY = {"data": "digits", "model": "mlp:64-8-10", "steps": 20}


def test_a_list_is_an_axis_and_every_combination_a_cell():
    cells = grid({**STUDY, "method": ["imp", "one-shot"], "seed": [0, 1, 2], "learning_rate": [0.1, 1]})
    assert len(cells) == len({cell.name for cell in cells}) == 12
    assert [(cell.method, cell.settings.seed, cell.settings.learning_rate) for cell in cells[:3]] == [
        ("imp", 0, 0.1),
        ("imp", 0, 1.0),
        ("imp", 1, 0.1),
    ]


def test_for_settings_that_are_lists_a_list_of_lists_is_an_axis():
    (cell,) = grid({**STUDY, "densities": [0.5, 0.2], "exclude": ["fc2.weight"]})
    assert (cell.settings.densities, cell.settings.exclude) == ((0.5, 0.2), ("fc2.weight",))
    cells = grid({**STUDY, "densities": [[0.5, 0.2], [0.1], [0.3, 0.2]], "exclude": [[], ["fc2.weight"]]})
    assert [(cell.settings.densities, cell.settings.exclude) for cell in cells] == [
        (densities, exclude) for densities in ((0.5, 0.2), (0.1,), (0.3, 0.2)) for exclude in ((), ("fc2.weight",))
    ]
    assert grid({**STUDY, "densities": None})[0].settings.levels == 20
    assert len(grid({**STUDY, "seed": range(3)})) == 3


def test_what_suits_some_methods_only_goes_into_a_grid_of_its_own():
    shared = {**STUDY, "seed": [0, 1]}
    grids = [{"method": "imp", "rewind": [0, 5]}, {"method": "fine-tuning", "retrain": 7, "seed": 3}]
    cells = grid({**shared, "grids": grids})
    assert [(cell.method, cell.settings.seed) for cell in cells] == [
        *[("imp", seed) for seed in (0, 0, 1, 1)],
        ("fine-tuning", 3),
    ]
    with pytest.raises(ValueError, match=r"fine-tuning, mlp:64-8-10 on digits: .* goes under `grids`"):
        grid({**shared, "method": ["imp", "fine-tuning"], "rewind": 5})


def test_the_name_says_what_a_cell_is_and_nothing_else():
    first, second = grid({**STUDY, "densities": [0.5]}), grid({"densities": [0.5], "levels": 3, **STUDY, "seed": 0})
    assert [cell.name for cell in first] == [cell.name for cell in second]
    assert len(first[0].name) == 12
    for changed in ({"seed": 1}, {"method": "random"}, {"densities": [0.4]}, {"data": "mnist"}):
        assert grid({**STUDY, "densities": [0.5], **changed})[0].name != first[0].name
    assert len(grid({**STUDY, "densities": [0.5], "levels": [3, 4]})) == 1


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"methods": "imp"}, "unknown setting 'methods'; did you mean 'method'?"),
        ({"method": "one_shot"}, "unknown method 'one_shot'; did you mean 'one-shot'? There are imp, "),
        ({"data": "digitz"}, "unknown data set 'digitz'; did you mean 'digits'?"),
        ({"data": "fashion_mnits"}, "did you mean 'fashion_mnist'?"),
        ({"steps": None}, "steps is an integer, got None"),
        ({"steps": True}, "steps is an integer, got True"),
        ({"steps": 20.5}, "steps is an integer, got 20.5"),
        ({"seed": []}, "seed is an empty list: there is nothing to run"),
        ({"seed": [[0, 1]]}, "densities, exclude are the settings that are lists themselves"),
        ({"learning_rate": "1e-1"}, "1.0e-1"),
        ({"learning_rate": "fast"}, "learning_rate is a number, got 'fast'"),
        ({"densities": 0.5}, "write densities: [0.5]"),
        ({"densities": [0.5, [0.2]]}, "write densities: [a, b] for one value, densities: [[a, b], [c]] for two"),
        ({"densities": [0.5, "half"]}, "densities is a number, got 'half'"),
        ({"densities": [0.1, 0.5]}, "must fall"),
        ({"densities": [[0.5, 0.1], [0.1, 0.5]]}, "must fall"),
        ({"densities": []}, "densities must be at least one"),
        ({"reset": "weights"}, "reset follows from the method"),
        ({"retrain": [None, 0]}, "retrain"),
        ({"grids": []}, "grids is a list of mappings"),
        ({"grids": {"method": "imp"}}, "grids is a list of mappings"),
        ({"grids": [{"grids": []}]}, "unknown setting 'grids'"),
        ({"seed": list(range(400)), "steps": list(range(1, 400))}, "159,600 cells; 100,000 are the most"),
    ],
)
def test_a_study_that_makes_no_sense(changed, said):
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - what it says is compared below
        grid({**STUDY, **changed})
    assert said in str(caught.value)


@pytest.mark.parametrize("name", ["data", "model", "steps"])
def test_what_a_study_needs(name):
    with pytest.raises(ValueError, match=f"nothing of '{name}'"):
        grid({key: value for key, value in STUDY.items() if key != name})


def test_a_path_that_is_not_there_yet_is_no_reason_to_refuse_a_study():
    assert [cell.data for cell in grid({**STUDY, "data": ["later.npz", "hf:mnist", "mnist"]})] == [
        "later.npz",
        "hf:mnist",
        "mnist",
    ]


def test_a_cell_goes_with_the_reset_of_its_method():
    settings = ImpSettings("mlp:64-8-10", steps=20, reset="fine-tuning")
    assert Cell("fine-tuning", "digits", settings).settings is settings
    with pytest.raises(ValueError, match="imp goes with reset weights, got fine-tuning"):
        Cell("imp", "digits", settings)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds nothing; a study is a mapping"),
        ("- imp\n- random\n", "holds a list; a study is a mapping"),
        ("imp", "holds a str"),
        ("1: imp", "a study is a mapping"),
        ("data: [digits", "is not plain YAML"),
        ("data: !!python/object/apply:os.system ['touch hacked']", "is not plain YAML"),
        ("data: !!python/name:os.system", "is not plain YAML"),
        ("a: 1\n---\nb: 2", "is not plain YAML"),
        ("data: digits\nseed: 0\nseed: 1\n", "more than one entry 'seed'"),
        ("data: digits\nmodel: mlp:64-8-10\nsteps: 20\nname: 7", "name is a text"),
        ("data: digits\nmodel: mlp:64-8-10\nsteps: 20\nsede: 7", "did you mean 'seed'"),
        ("\x00", "is not plain YAML"),
    ],
)
def test_a_file_that_is_no_study(tmp_path, monkeypatch, text, said):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "study.yaml"
    path.write_text(text)
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - what it says is compared below
        read_study(path)
    assert said in str(caught.value)
    assert str(path) in str(caught.value)
    assert [each.name for each in tmp_path.iterdir()] == ["study.yaml"]


def test_a_file_that_grows_when_it_is_read_is_refused_at_once(tmp_path):
    lists = [
        "  - &a [0, 0]",
        *(f"  - &{name} [*{chr(ord(name) - 1)}{', *' + chr(ord(name) - 1)}]" for name in "bcdefghijklmnopqrstuvwxyz"),
    ]
    (tmp_path / "study.yaml").write_text(
        "\n".join(["data: digits", "model: mlp:64-8-10", "steps: 20", "seed:", *lists])
    )
    with pytest.raises(ValueError, match="seed is an integer"):
        read_study(tmp_path / "study.yaml")


def test_bytes_that_are_no_text_are_no_study(tmp_path):
    (tmp_path / "study.yaml").write_bytes(b"data: \xff\xfe")
    with pytest.raises(ValueError, match="is not plain YAML"):
        read_study(tmp_path / "study.yaml")


def test_what_is_listed_twice_is_said_and_stands_there_once(tmp_path):
    (tmp_path / "twice.yaml").write_text("data: digits\nmodel: mlp:64-8-10\nsteps: 20\nseed: [0, 1, 0]\n")
    study = read_study(tmp_path / "twice.yaml")
    assert (study.name, [cell.settings.seed for cell in study.cells]) == ("twice", [0, 1])
    assert [cell.settings.seed for cell in study.twice] == [0]


@pytest.fixture(scope="module")
def methods_done(tmp_path_factory):
    """A folder with a run of every method, and their records."""
    place = tmp_path_factory.mktemp("methods")
    methods = [name for name in METHODS if not name.startswith("prune-")]  # those have a file of their own
    cells = grid({**STUDY, "method": methods, "densities": [0.5, 0.1]})
    return place, {cell.method: run_cell(cell, place / cell.method) for cell in cells}


def masks_of(place, method, level):
    return load_ticket(place / method / "levels" / f"{level:02d}" / "level.ticket").masks()


def test_every_method_keeps_what_it_is_asked_to(methods_done):
    for run in methods_done[1].values():
        assert [record.kept for record in run.levels] == [592, 296, 59]
    dense = {run.levels[0].accuracy for run in methods_done[1].values()}
    assert len(dense) == 1  # level 0 is the same run


def test_one_shot_prunes_the_dense_network_at_every_level(methods_done):
    from tombola import imp
    from tombola.training import load_model

    place, _ = methods_done
    dense = load_model(place / "one-shot" / "levels" / "00" / "weights.safetensors").model
    everything = {name: mask for name, mask in masks_of(place, "one-shot", 0).items() if name.endswith("weight")}
    for level, kept in ((1, 296), (2, 59)):
        found = masks_of(place, "one-shot", level)
        for name, mask in imp.everywhere(dense, everything, kept).items():
            assert mask.equal(found[name])
    same = [mask.equal(masks_of(place, "imp", 2)[name]) for name, mask in masks_of(place, "one-shot", 2).items()]
    assert not all(same)  # the second step of imp goes on from the first


def test_random_masks_have_the_same_share_in_every_layer_and_no_eye_for_magnitude(methods_done):
    found = masks_of(methods_done[0], "random", 1)
    assert {name: int(mask.sum()) for name, mask in found.items() if name.endswith("weight")} == {
        "fc1.weight": 256,
        "fc2.weight": 40,
    }
    shared = (found["fc1.weight"] & masks_of(methods_done[0], "imp", 1)["fc1.weight"]).sum()
    assert abs(int(shared) / 256 - 0.5) < 0.2  # half of each is chance; magnitudes would share far more


def test_the_weights_of_a_ticket_are_those_of_the_beginning(methods_done):
    place, _ = methods_done
    first = load_ticket(place / "imp" / "levels" / "00" / "level.ticket")
    for method in ("imp", "one-shot", "random"):
        ticket = load_ticket(place / method / "levels" / "02" / "level.ticket")
        for name, mask in ticket.masks().items():
            begun, initial = ticket.values[name].reshape(-1), first.values[name].reshape(-1)
            assert (begun == initial * mask.flatten().numpy()).all()


@pytest.mark.parametrize("method", ["one-shot", "random"])
def test_a_run_that_lost_its_last_levels_goes_on_the_same(tmp_path, methods_done, method):
    import shutil

    from tests.runs.conftest import contents

    shutil.copytree(methods_done[0] / method, tmp_path / "run")
    (tmp_path / "run" / "levels" / "01" / "level.json").unlink()
    (cell,) = grid({**STUDY, "method": method, "densities": [0.5, 0.1]})
    run_cell(cell, tmp_path / "run")
    assert contents(tmp_path / "run") == contents(methods_done[0] / method)


def test_one_entry_in_the_table_is_a_method(tmp_path, monkeypatch):
    mine = functools.partial(run_straight, method="mine", choose=lambda dense, kept, _: top_rows(dense.masks, kept))
    monkeypatch.setitem(METHODS, "mine", mine)
    done = sweep(grid({**STUDY, "method": ["mine"], "densities": [0.5]}), tmp_path / "study")
    (result,) = done.results
    assert (result.error, [record.kept for record in result.levels]) == (None, [592, 296])
    assert load_ticket(result.folder / "levels" / "01" / "level.ticket").masks()["fc1.weight"].flatten()[:296].all()
    assert read_run(result.folder).method == "mine"


def top_rows(masks, kept):
    return top(
        {
            name: -torch.arange(mask.numel()).view_as(mask) - 1e6 * (name == "fc2.weight")
            for name, mask in masks.items()
        },
        kept,
    )


def test_the_method_is_part_of_what_a_folder_belongs_to(tmp_path, methods_done):
    (cell,) = grid({**STUDY, "method": "random", "densities": [0.5, 0.1]})
    with pytest.raises(ValueError, match="method is one-shot there, random here"):
        run_cell(cell, methods_done[0] / "one-shot")
    assert json.loads((methods_done[0] / "random" / "config.json").read_text())["configuration"]["method"] == "random"
