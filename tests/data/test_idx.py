import gzip
import struct

import numpy as np
import pytest
import torch

from tombola.data import load

IMAGES = np.arange(24, dtype=np.uint8).reshape(4, 3, 2)
FILES = {
    "train-images-idx3-ubyte": IMAGES,
    "train-labels-idx1-ubyte": np.array([0, 1, 2, 1], np.uint8),
    "t10k-images-idx3-ubyte": IMAGES[:2],
    "t10k-labels-idx1-ubyte": np.array([2, 0], np.uint8),
}


def idx(values, code=8):
    return bytes([0, 0, code, values.ndim]) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()


def written(folder, *, suffix="", rename=lambda name: name):
    folder.mkdir(parents=True, exist_ok=True)
    for name, values in FILES.items():
        content = gzip.compress(idx(values)) if suffix else idx(values)
        (folder / (rename(name) + suffix)).write_bytes(content)
    return folder


def test_a_file_written_by_hand(tmp_path):
    written(tmp_path)
    by_hand = bytes.fromhex("00000802 00000002 00000003") + bytes([1, 2, 3, 4, 5, 6])
    for name in ("train-images-idx3-ubyte", "t10k-images-idx3-ubyte"):
        (tmp_path / name).unlink()
        (tmp_path / name.replace("3", "2")).write_bytes(by_hand)
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.array([0, 2], np.uint8)))
    data = load(tmp_path)
    torch.testing.assert_close(data.x_test, torch.tensor([[1, 2, 3], [4, 5, 6]], dtype=torch.uint8))


@pytest.mark.parametrize("suffix", ["", ".gz"])
@pytest.mark.parametrize("inner", ["", "raw"])
@pytest.mark.parametrize("prefix", ["", "emnist-letters-"])
def test_folders_as_torchvision_lays_them_out(tmp_path, suffix, inner, prefix):
    def renamed(name):
        return prefix + (name.replace("t10k", "test") if prefix else name)

    written(tmp_path / inner, suffix=suffix, rename=renamed)
    data = load(tmp_path)
    np.testing.assert_array_equal(data.x_train[:, 0].numpy(), IMAGES)
    np.testing.assert_array_equal(data.x_test[:, 0].numpy(), IMAGES[:2])
    assert data.y_train.tolist() == [0, 1, 2, 1]
    assert data.y_test.tolist() == [2, 0]


def test_the_plain_file_is_taken_where_both_are_there(tmp_path):
    written(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(b"never read")
    assert load(tmp_path).y_train.tolist() == [0, 1, 2, 1]


def test_numbers_are_big_endian(tmp_path):
    written(tmp_path)
    values = np.array([0, 258, 1, 2], ">i2")
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(values, code=0x0B))
    assert load(tmp_path).y_train.tolist() == [0, 258, 1, 2]


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(tmp_path, name):
    (written(tmp_path) / name).unlink()
    with pytest.raises(ValueError, match=r"wanted one file .* found none"):
        load(tmp_path)


def test_two_data_sets_in_one_folder_are_refused(tmp_path):
    written(tmp_path)
    written(tmp_path, rename=lambda name: f"emnist-{name}")
    with pytest.raises(ValueError, match="found emnist-train-images-idx3-ubyte, train-images-idx3-ubyte"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is not an idx file: it begins with nothing"),
        (b"\x89PNG1234", "begins with 89504e47"),
        (b"\0\0\x07\x01\0\0\0\1", "is not an idx file"),
        (idx(FILES["train-labels-idx1-ubyte"])[:-1], "should have 12 bytes .* but has 11"),
        (idx(FILES["train-labels-idx1-ubyte"]) + b"\0", "should have 12 bytes .* but has 13"),
        (b"\0\0\x08\x03\0\0\0\1", "is not an idx file"),
        (b"\0\0\x08\x02\xff\xff\xff\xff\xff\xff\xff\xff", "should have 18446744065119617037 bytes"),
    ],
)
def test_a_broken_file_is_refused(tmp_path, content, said):
    (written(tmp_path) / "train-labels-idx1-ubyte").write_bytes(content)
    with pytest.raises(ValueError, match=f"train-labels-idx1-ubyte.*{said}"):
        load(tmp_path)


@pytest.mark.parametrize(
    "damage", [lambda raw: raw[:-9], lambda raw: b"no gzip", lambda raw: raw[:20] + b"x" + raw[21:]]
)
def test_a_broken_gzip_file_is_refused(tmp_path, damage):
    path = written(tmp_path, suffix=".gz") / "train-images-idx3-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte\.gz is not an intact gzip file"):
        load(tmp_path)
