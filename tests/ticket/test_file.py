"""Ticket files: round trips, damage, and saving that is whole or not at all."""

import errno
import os
import subprocess
import sys
import textwrap
import zipfile

import numpy as np
import pytest
import safetensors.numpy
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.problems.tickets import MASKED, STRONG, ticket_of

from tombola import load
from tombola.errors import TicketFileError
from tombola.ticket import Ticket, _entropy, _file, content_sha256, pack, read_container, unpack, write_container

EVERY = [*STRONG, *MASKED]
every_ticket = pytest.mark.parametrize("name", EVERY)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tickets")


def saved(folder, name):
    path = folder / f"{name}.ticket"
    if not path.exists():
        ticket_of(name).save(path)
    return path


@every_ticket
def test_a_ticket_comes_back_as_it_went(name, folder):
    path, ticket = saved(folder, name), ticket_of(name)
    loaded = load(path)
    assert (loaded.kind, loaded.source, loaded.record) == (ticket.kind, ticket.source, ticket.record)
    assert list(loaded.tensors) == list(ticket.tensors)
    for key, tensor in ticket.tensors.items():
        again = loaded.tensors[key]
        assert (again.law, again.transposed, type(again.mask)) == (tensor.law, tensor.transposed, type(tensor.mask))
        np.testing.assert_array_equal(unpack(again.mask), unpack(tensor.mask))
    for stage, again in zip(ticket.stages, loaded.stages, strict=True):
        names = ("layer", "weight", "bias", "relu")
        assert [getattr(stage, part) for part in names] == [getattr(again, part) for part in names]
        np.testing.assert_array_equal(again.copies, stage.copies)
    assert set(loaded.values) == set(ticket.values)
    for key, value in ticket.values.items():
        np.testing.assert_array_equal(loaded.values[key], value)


@every_ticket
def test_saving_twice_and_after_loading_gives_the_same_bytes(name, folder, tmp_path):
    path = saved(folder, name)
    for number, ticket in enumerate([ticket_of(name), ticket_of(name), load(path)]):
        size = ticket.save(tmp_path / str(number))
        assert (tmp_path / str(number)).read_bytes() == path.read_bytes()
        assert size == path.stat().st_size


@every_ticket
def test_the_file_is_a_safetensors_file(name, folder):
    path, ticket = saved(folder, name), ticket_of(name)
    arrays = safetensors.numpy.load_file(path)
    assert {key.split("/")[1] for key in arrays if key.startswith("mask/")} == set(ticket.tensors)
    for key, value in ticket.values.items():
        np.testing.assert_array_equal(arrays[f"value/{key}"], value)
    with safetensors.safe_open(path, framework="numpy") as file:
        assert file.metadata()["format"] == "tombola-ticket/1"


def test_a_mask_is_coded_where_that_is_smaller(tmp_path):
    layer, masks = torch.nn.Linear(2000, 100, bias=False), {}
    for density in (0.02, 0.5):
        generator = torch.Generator().manual_seed(0)
        masks[density] = torch.rand(100, 2000, generator=generator) < density
        Ticket.from_masks(layer, {"weight": masks[density]}).save(tmp_path / str(density))
        assert load(tmp_path / str(density)).masks()["weight"].equal(masks[density])
    coded, plain = (safetensors.numpy.load_file(tmp_path / str(density)) for density in masks)
    assert set(coded) == {"mask/weight/coded", "value/weight"}
    assert set(plain) == {"mask/weight/bits", "value/weight"}
    assert coded["mask/weight/coded"].nbytes < 0.15 * 25_000


def test_a_mask_that_was_coded_by_rows_is_read(tmp_path):
    """As every coded mask was at first."""
    mask = torch.zeros(100, 2000, dtype=torch.bool)
    mask[:, ::20] = True
    Ticket.from_masks(torch.nn.Linear(2000, 100, bias=False), {"weight": mask}).save(tmp_path / "t")
    metadata, arrays = read_container(tmp_path / "t")
    by_rows = _entropy._encode_rows(pack(mask.numpy()), mask.sum(1).numpy())
    arrays |= {f"mask/weight/{part}": array for part, array in by_rows.items()}
    del arrays["mask/weight/coded"]
    with open(tmp_path / "old", "wb") as file:
        write_container(file, arrays, {**metadata, "sha256": content_sha256(metadata["ticket"], arrays)})
    assert load(tmp_path / "old").masks()["weight"].equal(mask)
    load(tmp_path / "old").save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "t").read_bytes()


def test_a_mask_that_keeps_all_takes_next_to_nothing(tmp_path):
    """Of a bias and of a matrix, next to bits of 1,000 and of 12,500 bytes."""
    Ticket.from_masks(torch.nn.Linear(100, 1000), {}).save(tmp_path / "t")
    arrays = safetensors.numpy.load_file(tmp_path / "t")
    assert {name: array.nbytes for name, array in arrays.items() if name.startswith("mask/")} == {
        "mask/weight/coded": 52,
        "mask/bias/coded": 12,
    }


def outcome(path):
    """The bytes that the loaded ticket would have, or the error."""
    try:
        ticket = load(path)
    except TicketFileError as error:
        return error
    return ticket_bytes(ticket, path)


def ticket_bytes(ticket, path):
    again = path.with_suffix(".again")
    ticket.save(again)
    return again.read_bytes()


def check_damage(path, data, original):
    path.write_bytes(data)
    found = outcome(path)
    if isinstance(found, TicketFileError):
        assert found.path == path
        assert len(str(found).splitlines()) == 1
    else:
        assert found == original


@pytest.mark.parametrize(("name", "stride"), [("masked, saved values", 1), ("two-layer, biases", 7)])
def test_one_changed_byte_anywhere_is_noticed_or_harmless(name, stride, folder, tmp_path):
    original = saved(folder, name).read_bytes()
    noise = np.random.default_rng(0).integers(1, 256, len(original)).tolist()
    for place in range(0, len(original), stride):
        data = bytearray(original)
        data[place] ^= noise[place]
        check_damage(tmp_path / "damaged", bytes(data), original)


@settings(max_examples=300, deadline=None)
@given(name=st.sampled_from(EVERY), place=st.floats(0, 1, exclude_max=True), byte=st.integers(0, 255))
def test_one_changed_byte_in_any_kind_of_ticket_is_noticed_or_harmless(name, place, byte, folder):
    original = saved(folder, name).read_bytes()
    data = bytearray(original)
    data[int(place * len(data))] = byte
    check_damage(folder / "damaged", bytes(data), original)


def test_a_changed_byte_of_a_mask_is_noticed(folder, tmp_path):
    data = bytearray(saved(folder, "two-layer").read_bytes())
    data[-1] ^= 1
    (tmp_path / "damaged").write_bytes(data)
    with pytest.raises(TicketFileError, match="do not match its SHA-256: the file is damaged"):
        load(tmp_path / "damaged")


@pytest.mark.parametrize("name", ["two-layer", "masked, with a source"])
def test_a_file_cut_anywhere_is_refused(name, folder, tmp_path):
    data, path = saved(folder, name).read_bytes(), tmp_path / "cut"
    for length in [*range(0, 40), *range(40, len(data), 37), len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(TicketFileError, match=r"less than the 8|header claims|does not fit its bytes"):
            load(path)


def test_a_file_with_more_at_its_end_is_refused(folder, tmp_path):
    (tmp_path / "longer").write_bytes(saved(folder, "two-layer").read_bytes() + b"\0")
    with pytest.raises(TicketFileError, match="1 bytes belong to no tensor"):
        load(tmp_path / "longer")


def write_archive(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("data.pkl", b"\x80\x04N.")


FOREIGN = {
    "empty": (lambda path: path.write_bytes(b""), "it has 0 bytes"),
    "short": (lambda path: path.write_bytes(b"abc"), "it has 3 bytes"),
    "text": (lambda path: path.write_text("a ticket to the moon\n" * 9), "its header claims"),
    "zeros": (lambda path: path.write_bytes(bytes(1000)), "its header is not JSON"),
    "safetensors": (
        lambda path: safetensors.numpy.save_file({"w": np.zeros(3, np.float32)}, path),
        "its format is None, this library reads 'tombola-ticket/1'",
    ),
    "another version": (
        lambda path: safetensors.numpy.save_file({}, path, {"format": "tombola-ticket/2"}),
        "its format is 'tombola-ticket/2'",
    ),
    "model": (lambda path: torch.save({"w": torch.zeros(3)}, path), "its header claims"),
    "archive": (write_archive, "its header claims"),
}


@pytest.mark.parametrize(("write", "message"), FOREIGN.values(), ids=FOREIGN)
def test_a_file_that_is_no_ticket_is_one_clear_error(write, message, tmp_path):
    path = tmp_path / "some.file"
    write(path)
    with pytest.raises(TicketFileError, match="not a readable ticket") as caught:
        load(path)
    assert message in caught.value.reason
    assert str(caught.value).startswith(str(path))
    assert len(str(caught.value).splitlines()) == 1


def test_a_missing_file_and_a_folder_are_what_they_are(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.ticket"):
        load(tmp_path / "nowhere.ticket")
    with pytest.raises(IsADirectoryError):
        load(tmp_path)


@pytest.fixture
def old(tmp_path):
    """A folder with one ticket that is to be replaced."""
    (tmp_path / "t.ticket").write_bytes(b"old")
    return tmp_path


def check_old(old):
    assert os.listdir(old) == ["t.ticket"]
    assert (old / "t.ticket").read_bytes() == b"old"


def test_a_full_disk_leaves_the_old_ticket(old, monkeypatch):
    def full(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="the disk is full; what was there before is as it was"):
        ticket_of("two-layer").save(old / "t.ticket")
    check_old(old)


@pytest.mark.parametrize("raised", [KeyboardInterrupt, MemoryError])
def test_an_interruption_half_way_leaves_the_old_ticket(old, monkeypatch, raised):
    def half(file, arrays, metadata):
        file.write(bytes(1000))
        raise raised

    monkeypatch.setattr(_file, "write_container", half)
    with pytest.raises(raised):
        ticket_of("two-layer").save(old / "t.ticket")
    check_old(old)


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes to run into")
def test_a_real_limit_of_the_system_leaves_the_old_ticket(old):
    script = """
        import resource, sys, torch
        from tombola.ticket import Ticket
        ticket = Ticket.from_masks(torch.nn.Linear(100, 100), {})
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try:
            ticket.save(sys.argv[1])
        except OSError as error:
            print(error.filename, error.strerror)
    """
    command = [sys.executable, "-B", "-c", textwrap.dedent(script), str(old / "t.ticket")]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.startswith(str(old / "t.ticket"))
    assert "larger than allowed" in run.stdout
    check_old(old)


def test_a_ticket_that_nobody_could_load_is_not_written(old):
    with pytest.raises(ValueError, match="wanted an object with the entry"):
        Ticket("strong", None, {}).save(old / "t.ticket")
    check_old(old)


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no_such_folder"):
        ticket_of("two-layer").save(tmp_path / "no_such_folder" / "t.ticket")
