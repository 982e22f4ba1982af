import sys

import numpy as np
import pytest

from tombola.data import load


def test_without_the_extra_the_message_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(ImportError, match=r"pip install 'tombola\[data\]'"):
        load("hf:mnist")


@pytest.fixture
def saved(tmp_path):
    """Writes a small data set as `datasets` saves it, and gives its name."""
    datasets = pytest.importorskip("datasets", reason="the extra `data` is not installed")
    pixels = np.arange(16, dtype=np.uint8).reshape(4, 2, 2)

    def write(columns=("image", "label"), splits=("train", "test")):
        features = datasets.Features(
            {columns[0]: datasets.Array2D((2, 2), "uint8"), columns[1]: datasets.ClassLabel(names=["no", "yes"])}
        )
        rows = {columns[0]: list(pixels), columns[1]: [0, 1, 1, 0]}
        split = datasets.Dataset.from_dict(rows, features=features)
        datasets.DatasetDict(dict.fromkeys(splits, split)).save_to_disk(str(tmp_path / "saved"))
        return f"hf:{tmp_path / 'saved'}"

    return write


def test_a_saved_data_set(saved):
    data = load(saved())
    np.testing.assert_array_equal(data.x_train.numpy(), np.arange(16).reshape(4, 1, 2, 2))
    assert data.y_test.tolist() == [0, 1, 1, 0]
    assert data.scaling.scale == 255


def test_a_missing_split_is_named(saved):
    with pytest.raises(ValueError, match="no split 'test'"):
        load(saved(splits=("train",)))


def test_a_missing_column_is_named(saved):
    with pytest.raises(ValueError, match="columns picture, label; wanted one of image"):
        load(saved(columns=("picture", "label")))
