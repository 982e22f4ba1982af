"""Files of other programs: what they hold is read, nothing in them is run, and what is no mask is said to be none."""

import os
import zipfile

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tombola.interchange import from_state_dict, load_masks, read_state, save_masks

MASKS = {"fc1.weight": torch.tensor([[True, False], [False, True]]), "fc2.weight": torch.tensor([[True, True]])}


def same(masks):
    return masks.keys() == MASKS.keys() and all(mask.equal(MASKS[name]) for name, mask in masks.items())


@pytest.mark.parametrize("name", ["mask.pth", "mask.pt", "masks.safetensors"])
def test_masks_come_back_from_their_file(tmp_path, name):
    save_masks(MASKS, tmp_path / name)
    assert same(load_masks(tmp_path / name))
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_masks_of_other_layouts_in_memory_and_of_numpy(tmp_path):
    turned = {name: mask.T.contiguous().T for name, mask in MASKS.items()}
    save_masks(turned, tmp_path / "turned.safetensors")
    np.savez(tmp_path / "mask.npz", **{name: mask.numpy() for name, mask in MASKS.items()})
    assert same(load_masks(tmp_path / "turned.safetensors"))
    assert same(load_masks(tmp_path / "mask.npz"))


def test_masks_of_one_tensor_under_two_names_are_written(tmp_path):
    save_masks({"a": MASKS["fc1.weight"], "b": MASKS["fc1.weight"]}, tmp_path / "masks.safetensors")
    assert load_masks(tmp_path / "masks.safetensors")["b"].equal(MASKS["fc1.weight"])


def test_the_file_of_masks_has_the_layout_of_open_lth(tmp_path):
    save_masks(MASKS, tmp_path / "mask.pth")
    stored = torch.load(tmp_path / "mask.pth", weights_only=True)
    assert type(stored) is dict
    assert {name: value.dtype for name, value in stored.items()} == dict.fromkeys(MASKS, torch.int32)
    torch.save({name: mask.float() for name, mask in MASKS.items()}, tmp_path / "mask.pth")  # as it was at first
    assert same(load_masks(tmp_path / "mask.pth"))


@pytest.mark.parametrize("key", [None, "state_dict", "model_state_dict", "model"])
def test_the_state_dict_of_a_checkpoint_is_found(tmp_path, key):
    state = {"fc.weight": torch.ones(1, 2), "fc.weight_mask": torch.tensor([[1.0, 0.0]]), "epoch": 3}
    torch.save(state if key is None else {key: state, "epoch": 7}, tmp_path / "net.pth.tar")
    weights, masks = from_state_dict(read_state(tmp_path / "net.pth.tar"))
    assert weights["fc.weight"].equal(torch.ones(1, 2))
    assert masks["fc.weight"].tolist() == [[True, False]]


class Code:
    """A pickle that does something when it is read."""

    def __reduce__(self):
        return os.system, ("touch was_run",)


@pytest.mark.parametrize("name", ["net.pt", "mask.pth"])
def test_a_pickle_that_holds_code_is_refused_and_not_run(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    torch.save({"fc.weight": torch.ones(1), "more": Code()}, tmp_path / name)
    for read in (read_state, load_masks):
        with pytest.raises(ValueError, match=rf"{name} cannot be read as tensors alone") as error:
            read(tmp_path / name)
        assert "\n" not in str(error.value)
    assert not (tmp_path / "was_run").exists()


def test_arrays_of_objects_are_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "net.npz", weight=np.array([Code()], dtype=object))
    with pytest.raises(ValueError, match=r"net\.npz cannot be read as tensors alone"):
        read_state(tmp_path / "net.npz")
    assert not (tmp_path / "was_run").exists()


@pytest.mark.parametrize("suffix", ["pt", "safetensors", "npz"])
@pytest.mark.parametrize("kept", [0, 10, 200])
def test_a_file_that_was_cut_is_named(tmp_path, suffix, kept):
    whole, path = tmp_path / f"whole.{suffix}", tmp_path / f"cut.{suffix}"
    state = {"weight": torch.arange(100.0)}
    {"pt": torch.save, "safetensors": save_file}.get(suffix, lambda s, to: np.savez(to, **s))(state, whole)
    path.write_bytes(whole.read_bytes()[:kept])
    with pytest.raises(ValueError, match=rf"cut\.{suffix} cannot be read"):
        read_state(path)


def test_a_compressed_file_that_was_changed_is_named(tmp_path):
    path = tmp_path / "net.npz"
    np.savez_compressed(path, weight=np.arange(1000.0))
    with zipfile.ZipFile(path) as archive:
        offset = archive.infolist()[0].header_offset + 80
    content = bytearray(path.read_bytes())
    content[offset : offset + 40] = bytes(40)
    path.write_bytes(bytes(content))
    with pytest.raises(ValueError, match=r"net\.npz cannot be read"):
        read_state(path)


def test_a_file_that_is_not_there_is_said(tmp_path):
    for name in ("no.pt", "no.safetensors", "no.npz"):
        with pytest.raises(FileNotFoundError, match=name):
            read_state(tmp_path / name)


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"w": torch.tensor([0.3])}, r"mask\.pth: mask 'w' has the value 0\.3, wanted 0 and 1 alone; masks that stand"),
        ({"epoch": 3}, r"mask\.pth holds no masks"),
        ([torch.ones(1)], "holds list, wanted a state dict"),
    ],
)
def test_what_is_no_file_of_masks_is_said_to_be_none(tmp_path, state, said):
    torch.save(state, tmp_path / "mask.pth")
    with pytest.raises(ValueError, match=said):
        load_masks(tmp_path / "mask.pth")


@pytest.mark.parametrize(
    ("masks", "name", "said"),
    [
        ({"w": torch.ones(2)}, "mask.pth", "torch.float32 of shape"),
        ({}, "mask.pth", "no masks to write"),
        (MASKS, "mask.npz", r"\.safetensors, \.pt or \.pth, not to 'mask\.npz'"),
    ],
)
def test_what_cannot_be_written_leaves_the_old_file(tmp_path, masks, name, said):
    (tmp_path / name).write_bytes(b"old")
    with pytest.raises(ValueError, match=said):
        save_masks(masks, tmp_path / name)
    assert (tmp_path / name).read_bytes() == b"old"
