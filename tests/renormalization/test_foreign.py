"""Levels that another program left behind: every form is read as what it is, or refused in words."""

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import prune

from tombola.renormalization import drift, flow_of, read_levels

WEIGHT = torch.tensor([[3.0, -1.0], [0.5, 2.0]])
KEPT = [4, 3, 2]
MASKS = [WEIGHT.abs() >= WEIGHT.abs().flatten().sort(descending=True).values[kept - 1] for kept in KEPT]


def states():
    """State dicts of three levels: zeros where the masks are."""
    return [{"fc.weight": WEIGHT * mask, "fc.bias": torch.zeros(2)} for mask in MASKS]


def check(folder):
    """That the folder holds the three levels, with weights."""
    read = read_levels(folder)
    assert (read.numbers, read.has_weights, read.remarks) == ((0, 1, 2), True, ())
    for (weights, masks), mask in zip(read.levels, MASKS, strict=True):
        assert masks["fc.weight"].equal(mask)
        assert (weights["fc.weight"] * mask).equal(WEIGHT * mask)
        assert "fc.bias" not in masks
    return read


def test_zero_weights_are_pruned_in_every_kind_of_file(tmp_path):
    for level, state in enumerate(states()):
        for kind in ("torch", "safe", "numpy"):
            (tmp_path / kind).mkdir(exist_ok=True)
        torch.save(state, tmp_path / "torch" / f"level_{level}.pt")
        save_file(state, tmp_path / "safe" / f"net2-level{level:02d}.safetensors")
        np.savez(tmp_path / "numpy" / f"{level}.npz", **{name: value.numpy() for name, value in state.items()})
    for kind in ("torch", "safe", "numpy"):
        check(tmp_path / kind)


def test_levels_are_ordered_by_their_numbers_and_not_by_their_letters(tmp_path):
    for level, kept in ((9, 4), (10, 3)):
        torch.save({"fc.weight": WEIGHT * MASKS[4 - kept]}, tmp_path / f"{level}.pt")
    read = read_levels(tmp_path)
    assert read.numbers == (9, 10)
    assert flow_of(read.levels).counts.tolist() == [[4], [3]]


def test_masks_as_torch_prunes(tmp_path):
    for level, mask in enumerate(MASKS):
        layer = nn.Linear(2, 2)
        layer.weight.data.copy_(WEIGHT)
        prune.custom_from_mask(layer, "weight", mask)
        torch.save({"state_dict": nn.Sequential(layer).state_dict(), "epoch": 3}, tmp_path / f"{level}_best.pth.tar")
    weights, masks = read_levels(tmp_path).levels[2]
    assert masks["0.weight"].equal(MASKS[2])
    assert weights["0.weight"].equal(WEIGHT)  # also where it is pruned: the mask says what is


def test_masks_in_files_of_their_own_beside_the_weights(tmp_path):
    for level, mask in enumerate(MASKS):
        (tmp_path / f"level_{level}" / "main").mkdir(parents=True)
        torch.save({"fc.weight": WEIGHT}, tmp_path / f"level_{level}" / "main" / "model_ep160_it0.pth")
        torch.save({"fc.weight": mask.float()}, tmp_path / f"level_{level}" / "main" / "mask.pth")
    check(tmp_path)


def test_weights_in_a_file_called_masked_are_no_mask(tmp_path):
    for level, state in enumerate(states()):
        torch.save(state, tmp_path / f"masked_net_{level}.pt")
    check(tmp_path)


def test_masks_without_weights_give_the_flow_of_counts(tmp_path):
    kept = np.array([[800, 800], [600, 700], [450, 610], [340, 530], [250, 470]])
    for level, row in enumerate(kept):
        masks = {name: np.arange(800) < count for name, count in zip("ab", row, strict=True)}
        np.savez(tmp_path / f"mask{level}.npz", **masks)
    read = read_levels(tmp_path)
    flow = flow_of(read.levels)
    assert flow.counts.tolist() == flow.magnitudes.tolist() == kept.tolist()
    assert "those of counts" in read.remarks[0]
    np.testing.assert_allclose(drift([flow], window=(0, 4)).value, [-0.39, 0.39], atol=0.005)


def test_weights_before_training_are_no_level(tmp_path):
    for level, state in enumerate(states()):
        torch.save(state, tmp_path / f"level{level}.pt")
    torch.save({"fc.weight": 2 * WEIGHT}, tmp_path / "initial.pt")
    assert check(tmp_path).initial["fc.weight"].equal(2 * WEIGHT)


def test_a_level_that_is_missing_is_said(tmp_path):
    for level in (0, 2):
        torch.save(states()[level], tmp_path / f"level{level}.pt")
    read = read_levels(tmp_path)
    assert read.numbers == (0, 2)
    assert "level 1" in read.remarks[0]


class Anything:
    """What only pickle can make."""


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "holds no levels"),
        ({"a0.pt": {"w": WEIGHT}, "a1.pt": {"w": WEIGHT}}, "nothing is pruned"),
        ({"seed1_level0.pt": states()[0], "seed2_level1.pt": states()[1]}, "which number is the level is not clear"),
        ({"a0.pt": states()[0], "b0.pt": states()[1]}, "name the folder of one run"),
        ({"dense.pt": states()[0], "level1.pt": states()[1]}, "which number is the level is not clear"),
        ({"level0.pt": Anything(), "level1.pt": states()[1]}, "cannot be read as tensors alone"),
        ({"level0.pt": [WEIGHT], "level1.pt": states()[1]}, "wanted a state dict"),
        ({"level0.pt": {"other": WEIGHT}, "level1.pt": states()[1]}, "level 0 has no 'fc.weight'"),
        (
            {"level0.pt": {"w_mask": torch.ones(2, 2), "w_orig": torch.ones(3, 2)}},
            "have the shapes (2, 2) and (3, 2)",
        ),
        ({"level0.pt": states()[0], "level1.pt": states()[1], "rewind.pt": {"b": WEIGHT}}, "has no 'fc.weight'"),
    ],
)
def test_what_cannot_be_read_is_said_in_one_line(tmp_path, files, said):
    for name, content in files.items():
        torch.save(content, tmp_path / name)
    with pytest.raises((ValueError, FileNotFoundError)) as error:
        read_levels(tmp_path)
    assert said in str(error.value)
    assert "\n" not in str(error.value)


def test_a_damaged_file_is_named(tmp_path):
    for suffix in ("safetensors", "npz", "pt"):
        (tmp_path / suffix).mkdir()
        (tmp_path / suffix / f"level0.{suffix}").write_bytes(b"PK nothing of use")
        with pytest.raises(ValueError, match=rf"level0\.{suffix} cannot be read"):
            read_levels(tmp_path / suffix)


def test_a_folder_that_is_not_there_is_said(tmp_path):
    with pytest.raises(FileNotFoundError, match="no such folder"):
        read_levels(tmp_path / "nowhere")
