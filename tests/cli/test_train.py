import numpy as np
import pytest

from tombola.training import load_model


def test_a_network_is_trained_and_says_what_it_is(tombola, tmp_path):
    result = tombola("train", "digits", "mlp:64-6-10", "--epochs", "3", "-o", "net.safetensors", "--json")
    assert (result.code, result.err) == (0, "")
    assert result.record.keys() == {"model", "data", "accuracy", "loss", "path"}
    assert result.record["accuracy"] > 0.5
    saved = load_model(tmp_path / "net.safetensors")
    assert (saved.name, saved.data, saved.input_shape, saved.scaling.kind) == (
        "mlp:64-6-10",
        "digits",
        (1, 8, 8),
        "unit",
    )


def test_the_same_seed_trains_the_same_network(tombola, tmp_path):
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert tombola("train", "digits", "mlp:64-3-10", "--epochs", 1, "--seed", seed, "-o", name).code == 0
    contents = [(tmp_path / name).read_bytes() for name in "abc"]
    assert contents[0] == contents[1] != contents[2]


def test_a_table_and_the_next_command(tombola):
    result = tombola("train", "digits", "mlp:64-3-10", "--epochs", 1, "--no-bias", "-o", "my net.safetensors")
    assert "test accuracy" in result.out
    assert result.out.endswith("next: tombola construct 'my net.safetensors' -o 'my net.ticket'\n")


def test_a_factory_is_found_in_the_current_folder_and_named_in_the_next_command(tombola, tmp_path):
    (tmp_path / "here_trained.py").write_text(
        "from torch import nn\n"
        "def small():\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, 3), nn.ReLU(), nn.Linear(3, 10))\n"
    )
    result = tombola("train", "digits", "here_trained:small", "--epochs", 1, "-o", "net.safetensors")
    assert result.code == 0
    assert "next: tombola construct net.safetensors --model here_trained:small -o net.ticket" in result.out


@pytest.mark.parametrize(
    ("data", "model", "said"),
    [
        ("digitz", "mlp:64-10", "digits"),
        ("mnist", "mlp:784-10", "nowhere/mnist.npz"),
        ("no/such.npz", "mlp:64-10", "no/such.npz"),
        ("digits", "lenet", "lenet-300-100"),
        ("digits", "mlp:63-10", "63 inputs"),
        ("digits", "mlp:64-x", "784-500-10"),
        ("digits", "no_such_package:net", "no_such_package"),
        ("digits", "json:net", "net"),
    ],
)
def test_names_that_stand_for_nothing(tombola, monkeypatch, tmp_path, data, model, said):
    monkeypatch.setenv("TOMBOLA_DATA", "nowhere")
    result = tombola("train", data, model, "-o", "net.safetensors")
    assert (result.code, result.out) == (2, "")
    assert said in result.complaint
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("seed", ["-1", str(2**64)])
def test_a_seed_has_64_bits(tombola, seed):
    result = tombola("train", "digits", "mlp:64-10", f"--seed={seed}", "-o", "net.safetensors")
    assert result.code == 2
    assert "2**64" in result.complaint


def test_data_that_are_no_numbers_in_range(tombola, tmp_path):
    x, y = np.zeros((8, 4), np.float32), np.zeros(8, np.int64)
    np.savez(tmp_path / "nan.npz", x_train=x + np.nan, y_train=y, x_test=x, y_test=y)
    result = tombola("train", "./nan.npz", "mlp:4-1", "-o", "net.safetensors")
    assert result.code == 2
    assert "not finite" in result.complaint


def test_a_file_that_cannot_be_written_is_found_out_before_training(tombola, monkeypatch, tmp_path):
    def trained(*_, **__):
        raise AssertionError("it was trained")

    monkeypatch.setattr("tombola.training.fit", trained)
    (tmp_path / "folder").mkdir()
    for output, said in (("missing/net.safetensors", "folder to write in"), ("folder", "not a regular file")):
        result = tombola("train", "digits", "mlp:64-10", "-o", output)
        assert result.code == 2
        assert said in result.complaint
