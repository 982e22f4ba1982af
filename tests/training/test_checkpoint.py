import copy
from dataclasses import replace

import pytest
import torch
from torch import nn

from tombola.data import load
from tombola.training import Checkpoint, Trainer, adam, cosine, fingerprint, sgd

SAME = {"rtol": 0, "atol": 0}


class Stopped(Exception):
    pass


def net():
    draw = torch.Generator().manual_seed(3)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Dropout(0.3))
    model.append(nn.Linear(12, 10))
    for parameter in model.parameters():
        nn.init.normal_(parameter, std=0.2, generator=draw)
    return model


def stopping(optimiser, after):
    """An optimiser that is interrupted before a step."""

    def made(parameters):
        plain, done = optimiser(parameters), [0]

        def count(*_):
            done[0] += 1
            if done[0] > after:
                raise Stopped

        plain.register_step_pre_hook(count)
        return plain

    return made


@pytest.fixture(scope="module")
def digits():
    return load("digits")


def trained(train, model=None, start=10, stop=60, seed=4):
    draw = torch.Generator().manual_seed(seed)
    mask = {"1.weight": torch.rand(12, 64, generator=torch.Generator().manual_seed(8)) < 0.4}
    return train(model or net(), mask, start=start, stop=stop, generator=draw)


@pytest.mark.parametrize("optimiser", [sgd(0.05, weight_decay=0.01), adam(0.01), sgd(0.05, momentum=0.0)])
@pytest.mark.parametrize("after", [1, 12, 37])  # a pass has 12 batches
def test_training_that_was_interrupted_twice_ends_with_the_same_bits(tmp_path, digits, optimiser, after):
    train = Trainer(digits, 80, optimiser=optimiser, rate=cosine(80), clip=1.0)
    whole = trained(train)
    kept = replace(train, checkpoint=Checkpoint(tmp_path / "state", seconds=0.0))
    for steps in (after, 5):
        with pytest.raises(Stopped):
            trained(replace(kept, optimiser=stopping(optimiser, steps)))
    begun = [0]

    def counted(parameters):
        plain = optimiser(parameters)
        plain.register_step_pre_hook(lambda *_: begun.__setitem__(0, begun[0] + 1))
        return plain

    again = trained(replace(kept, optimiser=counted))
    assert begun[0] == 50 - after - 5
    torch.testing.assert_close(again.state_dict(), whole.state_dict(), **SAME)


def test_what_is_finished_is_not_trained_again_if_the_end_is_kept(tmp_path, digits):
    train = Trainer(digits, 60, checkpoint=Checkpoint(tmp_path / "state", last=True))
    first = trained(train)
    second = trained(replace(train, optimiser=stopping(sgd(), 0)))
    torch.testing.assert_close(second.state_dict(), first.state_dict(), **SAME)


@pytest.mark.parametrize("change", ["model", "seed", "stop", "steps"])
def test_the_state_of_another_training_is_not_used(tmp_path, digits, change):
    train = Trainer(digits, 60, checkpoint=Checkpoint(tmp_path / "state", last=True))
    trained(train)
    other, arguments = copy.deepcopy(net()), {}
    if change == "model":
        nn.init.ones_(other[1].bias)
    elif change == "steps":
        train = replace(train, steps=61)
    else:
        arguments[change] = 59
    with pytest.raises(Stopped):
        trained(replace(train, optimiser=stopping(sgd(), 0)), other, **arguments)


@pytest.mark.parametrize("damage", ["cut", "changed", "foreign"])
def test_a_damaged_file_is_said_and_training_begins_again(tmp_path, digits, damage):
    path = tmp_path / "state"
    train = Trainer(digits, 60, checkpoint=Checkpoint(path, last=True))
    whole = trained(train)
    content = bytearray(path.read_bytes())
    if damage == "changed":
        content[-5] ^= 1
    path.write_bytes({"cut": content[:-40], "changed": content, "foreign": b"no tensors"}[damage])
    with pytest.warns(RuntimeWarning, match="is damaged .*; training begins again"):
        again = trained(train)
    torch.testing.assert_close(again.state_dict(), whole.state_dict(), **SAME)


def test_a_full_disk_is_an_error_and_the_older_state_stays(tmp_path, digits, monkeypatch):
    path = tmp_path / "state"
    train = Trainer(digits, 60, checkpoint=Checkpoint(path, seconds=0.0))
    with pytest.raises(Stopped):
        trained(replace(train, optimiser=stopping(sgd(), 7)))
    before = path.read_bytes()
    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        with pytest.raises(OSError, match="the disk is full"):
            trained(train)
    assert path.read_bytes() == before
    assert [one.name for one in tmp_path.iterdir()] == ["state"]
    torch.testing.assert_close(
        trained(train).state_dict(), trained(replace(train, checkpoint=None)).state_dict(), **SAME
    )


def full(_):
    import errno

    raise OSError(errno.ENOSPC, "No space left on device")


def test_masks_that_move_cannot_be_kept(tmp_path, digits):
    train = Trainer(digits, 60, enforce=lambda *_: None, checkpoint=Checkpoint(tmp_path / "state"))
    with pytest.raises(ValueError, match="masks that move"):
        trained(train)


def test_a_fingerprint_is_of_names_types_shapes_and_values():
    first = fingerprint({"a": torch.zeros(2), "b": torch.ones(1)})
    assert first == fingerprint({"b": torch.ones(1), "a": torch.zeros(2)})
    others = [
        {"a": torch.zeros(2), "c": torch.ones(1)},
        {"a": torch.zeros(2, dtype=torch.int32), "b": torch.ones(1)},
        {"a": torch.zeros(1, 2), "b": torch.ones(1)},
        {"a": torch.zeros(2), "b": -torch.ones(1)},
    ]
    assert first not in {fingerprint(other) for other in others}
