import os
import pickle

import pytest
import safetensors.torch
import torch
from torch import nn

from tombola.data import Scaling
from tombola.models import build
from tombola.training import load_model, save_model


def net(name="mlp:2-5-2", bias=True):
    return build(name, bias=bias, generator=torch.Generator().manual_seed(3))


def assert_same_values(a, b):
    for ours, theirs in zip(a.parameters(), b.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=0)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.safetensors"


@pytest.mark.parametrize("bias", [True, False])
def test_a_file_gives_everything_back(path, corners, bias):
    save_model(path, net(bias=bias), name="mlp:2-5-2", data=corners)
    saved = load_model(path)
    assert_same_values(saved.model, net(bias=bias))
    assert [name for name, _ in saved.model.named_parameters()] == [
        name for name, _ in net(bias=bias).named_parameters()
    ]
    assert (saved.name, saved.data, saved.scaling) == ("mlp:2-5-2", "corners", Scaling("none"))
    assert (saved.input_shape, saved.classes, saved.model.training) == ((2,), 2, False)


def test_lenet_is_built_for_its_data(path, corners):
    model = build("lenet-300-100", input_shape=(2,), classes=2, generator=torch.Generator().manual_seed(0))
    save_model(path, model, name="lenet-300-100", data=corners)
    assert_same_values(load_model(path).model, model)


def test_the_header_is_readable_by_others(path, corners):
    save_model(path, net(), name="mlp:2-5-2", data=corners)
    with safetensors.safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    assert metadata["format"] == "tombola-model-1"
    assert (metadata["model"], metadata["input_shape"], metadata["classes"]) == ("mlp:2-5-2", "[2]", "2")


def test_equal_models_make_equal_files(tmp_path, corners):
    for name in "abcdef":
        save_model(tmp_path / name, net(), name="mlp:2-5-2", data=corners)
    assert len({(tmp_path / name).read_bytes() for name in "abcdef"}) == 1


def test_tied_parameters_are_stored_for_each_name(path, corners):
    model = net("mlp:2-2-2")
    model.fc2.weight = model.fc1.weight
    save_model(path, model, name="mlp:2-2-2", data=corners)
    torch.testing.assert_close(load_model(path).model.fc2.weight, model.fc1.weight, rtol=0, atol=0)


def test_a_failed_write_leaves_the_old_file(path, corners, monkeypatch):
    save_model(path, net(), name="mlp:2-5-2", data=corners)
    old = path.read_bytes()
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        save_model(path, net("mlp:2-9-2"), name="mlp:2-9-2", data=corners)
    assert path.read_bytes() == old
    assert os.listdir(path.parent) == [path.name]


def plain_files(folder, state):
    safetensors.torch.save_file(state, folder / "plain.safetensors")
    torch.save(state, folder / "plain.pt")
    return [folder / "plain.safetensors", folder / "plain.pt"]


@pytest.mark.parametrize("bias", [True, False])
def test_a_plain_state_dict_with_the_name_of_its_model(tmp_path, bias):
    for path in plain_files(tmp_path, net(bias=bias).state_dict()):
        saved = load_model(path, "mlp:2-5-2")
        assert_same_values(saved.model, net(bias=bias))
        assert (saved.name, saved.data, saved.scaling, saved.input_shape) == ("mlp:2-5-2", None, None, None)


def test_layers_are_matched_by_their_numbers_not_by_the_alphabet(tmp_path):
    wanted = net("mlp:3-3-3-3-3")
    theirs = nn.Sequential(*(part for i in range(1, 5) for part in (wanted.get_submodule(f"fc{i}"), *[nn.ReLU()] * 3)))
    assert "12.weight" in theirs.state_dict()  # which the alphabet puts before 4.weight
    for path in plain_files(tmp_path, theirs.state_dict()):
        assert_same_values(load_model(path, "mlp:3-3-3-3-3").model, wanted)


def test_a_module_may_be_given_and_stays_as_it_is(tmp_path):
    theirs = nn.Sequential(nn.Linear(2, 5), nn.BatchNorm1d(5))
    theirs[1].running_mean += 1
    given = nn.Sequential(nn.Linear(2, 5), nn.BatchNorm1d(5)).train()
    before = given[0].weight.detach().clone()
    for path in plain_files(tmp_path, theirs.state_dict()):
        saved = load_model(path, given)
        assert_same_values(saved.model, theirs)
        torch.testing.assert_close(saved.model[1].running_mean, torch.ones(5))
    torch.testing.assert_close(given[0].weight.detach(), before, rtol=0, atol=0)
    assert given.training


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"0.weight": torch.zeros(5, 2)}, "lacks fc1.weight, fc2.weight, and has 0.weight besides"),
        ({"in.weight": torch.zeros(5, 2), "out.weight": torch.zeros(2, 5)}, "has in.weight, out.weight besides"),
        ({"fc1.weight": torch.zeros(5, 3), "fc2.weight": torch.zeros(2, 5)}, r"shape \(5, 3\), wanted \(5, 2\)"),
        ({}, "lacks fc1.weight, fc2.weight, and has nothing besides"),
    ],
)
def test_a_state_dict_that_does_not_fit_is_refused(tmp_path, state, said):
    for path in plain_files(tmp_path, state):
        with pytest.raises(ValueError, match=said):
            load_model(path, "mlp:2-5-2")


def test_a_plain_state_dict_without_a_name_is_refused(tmp_path):
    for path in plain_files(tmp_path, net().state_dict()):
        with pytest.raises(ValueError, match="does not say which model it is of; name it"):
            load_model(path)


def test_a_function_that_only_the_file_names_is_not_called(path, corners):
    save_model(path, nn.Linear(2, 2), name="os:abort", data=corners)
    with pytest.raises(ValueError, match="names the function 'os:abort'"):
        load_model(path)


def test_pickles_that_run_code_are_refused(tmp_path):
    class Runs:
        def __reduce__(self):
            return (os.abort, ())

    torch.save({"weight": Runs()}, tmp_path / "bad.pt")
    (tmp_path / "bare.pt").write_bytes(pickle.dumps(Runs()))
    with pytest.raises(ValueError, match="does not hold tensors alone"):
        load_model(tmp_path / "bad.pt", "mlp:2-5-2")
    with pytest.raises(ValueError, match="neither a safetensors file"):
        load_model(tmp_path / "bare.pt", "mlp:2-5-2")


@pytest.mark.parametrize("held", [[torch.zeros(2)], {"epoch": 3}])
def test_a_torch_file_of_something_else_is_refused(tmp_path, held):
    torch.save(held, tmp_path / "other.pt")
    with pytest.raises(ValueError, match=r"other\.pt holds (list|dict), wanted a state dict"):
        load_model(tmp_path / "other.pt", "mlp:2-5-2")


@pytest.mark.parametrize("content", [b"", b"no tensors", b"PK\x03\x04 broken"])
def test_a_file_of_something_else_is_refused(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"net\.safetensors"):
        load_model(path, "mlp:2-5-2")


def test_a_shortened_file_is_refused(path, corners):
    save_model(path, net(), name="mlp:2-5-2", data=corners)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="neither a safetensors file"):
        load_model(path)


@pytest.mark.parametrize("change", [{"input_shape": "x"}, {"classes": ""}, {"scaling": "odd"}, {"input_shape": "3"}])
def test_a_damaged_header_is_refused(path, corners, change):
    save_model(path, net(), name="mlp:2-5-2", data=corners)
    with safetensors.safe_open(path, framework="pt") as file:
        metadata = file.metadata() | change
    safetensors.torch.save_file(net().state_dict(), path, metadata=metadata)
    with pytest.raises(ValueError, match="its header is damaged"):
        load_model(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nothing\.safetensors"):
        load_model(tmp_path / "nothing.safetensors")
