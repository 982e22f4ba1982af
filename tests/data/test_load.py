import numpy as np
import pytest
import torch

from tombola.data import NAMES, DataSet, Scaling, load
from tombola.errors import DataNotFoundError

SMALL = {
    "x_train": np.arange(24, dtype=np.uint8).reshape(6, 2, 2),
    "y_train": np.array([0, 1, 2, 0, 1, 2]),
    "x_test": np.zeros((3, 2, 2), np.uint8),
    "y_test": np.array([2, 1, 0]),
}


def saved(folder, **changes):
    """A small .npz file with some of its arrays changed or, where the change is None, left out."""
    arrays = {key: value for key, value in {**SMALL, **changes}.items() if value is not None}
    np.savez(folder / "small.npz", **arrays)
    return folder / "small.npz"


def test_an_npz_file_as_it_is_stored(tmp_path):
    path = saved(tmp_path)
    data = load(path)
    assert (data.name, data.input_shape, data.classes) == (str(path), (1, 2, 2), 3)
    torch.testing.assert_close(data.x_train, torch.arange(24, dtype=torch.uint8).reshape(6, 1, 2, 2))
    torch.testing.assert_close(data.y_test, torch.tensor([2, 1, 0]))
    assert data.scaling == Scaling("unit", 0.0, 255.0)
    inputs, labels = data.train()
    torch.testing.assert_close(inputs[0], torch.tensor([[[0, 1], [2, 3]]]) / 255)
    assert labels is data.y_train


def test_the_other_scalings(tmp_path):
    assert load(saved(tmp_path), scaling="none").scaling == Scaling("none")
    standard = load(saved(tmp_path), scaling="standard").scaling
    assert standard.shift == 11.5
    assert standard.scale == pytest.approx(np.arange(24).std())


@pytest.mark.parametrize(
    ("shape", "wanted"), [((5,), (5,)), ((8, 9, 3), (3, 8, 9)), ((3, 8, 9), (3, 8, 9)), ((4, 4), (1, 4, 4))]
)
def test_images_have_their_channels_first(tmp_path, shape, wanted):
    rng = np.random.default_rng(0)
    x_train, x_test = (rng.integers(0, 256, (n, *shape), dtype=np.uint8) for n in (6, 3))
    data = load(saved(tmp_path, x_train=x_train, x_test=x_test))
    assert data.input_shape == wanted
    first = x_train[0].transpose(2, 0, 1) if shape == (8, 9, 3) else x_train[0].reshape(wanted)
    np.testing.assert_array_equal(data.x_train[0].numpy(), first)


def test_labels_in_a_column_are_labels(tmp_path):
    data = load(saved(tmp_path, y_train=SMALL["y_train"][:, None].astype(np.uint8)))
    torch.testing.assert_close(data.y_train, torch.tensor([0, 1, 2, 0, 1, 2]))


BAD = {
    "missing x_test, y_test": {"x_test": None, "y_test": None},
    "6 train inputs but 5 labels": {"y_train": np.zeros(5, int)},
    "training and test inputs differ in shape": {"x_test": np.zeros((3, 2, 3), np.uint8)},
    "x_train has 2 values that are not finite": {
        "x_train": np.where(np.arange(24) < 2, np.array([np.nan, np.inf] * 12), 0).reshape(6, 2, 2)
    },
    "x_test must be numbers of shape": {"x_test": np.array(["a", "b", "c"])},
    "x_train must be numbers of shape": {"x_train": np.zeros((0, 2, 2), np.uint8)},
    "y_train must be whole numbers": {"y_train": np.zeros(6)},
    "y_test must be whole numbers": {"y_test": np.zeros((3, 10), int)},
    "labels from 0; the smallest is -1": {"y_train": np.array([-1, 0, 1, 0, 1, 2])},
    "test labels go up to 3, training labels only to 2": {"y_test": np.array([0, 1, 3])},
}


@pytest.mark.parametrize("said", BAD)
def test_arrays_that_are_no_data_set_are_refused(tmp_path, said):
    with pytest.raises(ValueError, match=said) as caught:
        load(saved(tmp_path, **BAD[said]))
    assert "small.npz" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 and nothing", b"no archive"])
def test_a_file_that_is_no_archive_is_refused(tmp_path, content):
    (tmp_path / "bad.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"bad\.npz is not an \.npz file"):
        load(tmp_path / "bad.npz")


def test_a_damaged_archive_is_refused(tmp_path):
    path = saved(tmp_path)
    raw = bytearray(path.read_bytes())
    raw[raw.index(bytes(range(24)))] ^= 255  # the first pixel
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=r"small\.npz is not an \.npz file"):
        load(path)


def test_pickles_are_not_loaded(tmp_path):
    with pytest.raises(ValueError, match="plain arrays"):
        load(saved(tmp_path, y_train=np.array([{}] * 6, dtype=object)))


def test_a_single_array_is_no_archive(tmp_path):
    np.save(tmp_path / "one.npy", SMALL["x_train"])
    with pytest.raises(ValueError, match="plain arrays"):
        load(tmp_path / "one.npy")


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist", "emnist_letters", "usps", "cifar10"])
def test_a_short_name_is_looked_up_in_the_folder_of_the_environment(tmp_path, monkeypatch, name):
    monkeypatch.setenv("TOMBOLA_DATA", str(tmp_path))
    with pytest.raises(DataNotFoundError, match="TOMBOLA_DATA") as caught:
        load(name)
    assert caught.value.looked == (tmp_path / f"{name}.npz",)
    saved(tmp_path).rename(tmp_path / f"{name}.npz")
    assert load(name).name == name


def test_without_it_the_folder_is_in_the_home(tmp_path, monkeypatch):
    monkeypatch.delenv("TOMBOLA_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(DataNotFoundError) as caught:
        load("usps")
    assert caught.value.looked == (tmp_path / ".cache" / "tombola" / "datasets" / "usps.npz",)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(DataNotFoundError, match=r"nothing\.npz"):
        load(tmp_path / "nothing.npz")


@pytest.mark.parametrize("name", ["minst", "", "imagenet"])
def test_an_unknown_name_lists_the_known_ones(name):
    with pytest.raises(ValueError, match="unknown data set") as caught:
        load(name)
    assert all(known in str(caught.value) for known in NAMES)


def test_a_record_is_frozen_and_compares_by_identity(tmp_path):
    data = load(saved(tmp_path))
    with pytest.raises(AttributeError):
        data.name = "other"
    assert data != DataSet("x", data.x_train, data.y_train, data.x_test, data.y_test, data.scaling)
