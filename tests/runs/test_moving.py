from dataclasses import replace

import pytest
import torch
from tests.runs.conftest import contents

from tombola.runs import METHODS, ImpSettings
from tombola.ticket import load_ticket
from tombola.training import load_model

SETTINGS = ImpSettings("mlp:64-20-10", steps=60, densities=(0.3, 0.1), momentum=0.9)
NAMES = ["static", "set", "rigl", "top-kast"]


@pytest.fixture(scope="module")
def done(tmp_path_factory, digits):
    place = tmp_path_factory.mktemp("moving")
    return place, {name: METHODS[name](place / name, digits, SETTINGS) for name in NAMES}


def masks_of(folder, number):
    masks = load_ticket(folder / "levels" / f"{number:02d}" / "level.ticket").masks()
    return {name: mask for name, mask in masks.items() if name.endswith("weight")}


@pytest.mark.parametrize("name", NAMES)
def test_each_level_keeps_as_many_weights_as_asked_for_and_the_others_are_zero(done, name):
    place, runs = done
    assert [record.kept for record in runs[name].levels] == [1480, 444, 148]
    for record in runs[name].levels:
        folder = place / name / "levels" / f"{record.level:02d}"
        trained, masks = load_model(folder / "weights.safetensors").model, masks_of(place / name, record.level)
        assert sum(int(mask.sum()) for mask in masks.values()) == record.kept
        assert all((trained.get_parameter(key)[~mask] == 0).all() for key, mask in masks.items())


def test_masks_that_move_begin_where_those_begin_that_stay(done):
    place, _ = done
    still = masks_of(place / "static", 2)
    for name in NAMES[1:]:
        moved = masks_of(place / name, 2)
        assert {key: int(mask.sum()) for key, mask in moved.items()} == {k: int(m.sum()) for k, m in still.items()}
        assert not all(mask.equal(still[key]) for key, mask in moved.items())


@pytest.mark.parametrize("name", NAMES)
def test_a_run_goes_on_behind_its_last_level(done, digits, tmp_path, name):
    place, _ = done
    METHODS[name](tmp_path / "run", digits, SETTINGS)
    before = contents(tmp_path / "run")
    (tmp_path / "run" / "levels" / "02" / "level.json").unlink()
    METHODS[name](tmp_path / "run", digits, SETTINGS)
    assert contents(tmp_path / "run") == before == contents(place / name)


@pytest.mark.parametrize("changed", [{"rewind": 5}, {"reset": "fine-tuning"}])
def test_nothing_goes_back(tmp_path, digits, changed):
    with pytest.raises(ValueError, match="rigl trains from initialisation"):
        METHODS["rigl"](tmp_path / "run", digits, replace(SETTINGS, **changed))
    assert not list(tmp_path.iterdir())


def test_weights_that_went_untrained_are_those_of_initialisation(done):
    place, _ = done
    ticket = load_ticket(place / "rigl" / "levels" / "01" / "level.ticket")
    dense = load_ticket(place / "rigl" / "levels" / "00" / "level.ticket")
    for name, mask in masks_of(place / "rigl", 1).items():
        begun, whole = torch.tensor(ticket.values[name]), torch.tensor(dense.values[name])
        assert begun.equal(torch.where(mask.view_as(begun), whole, 0.0))
