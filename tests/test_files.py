import errno
import os
import signal
import stat
import subprocess
import sys
import textwrap

import pytest

from tombola.files import atomic_write


def test_the_content_appears_when_the_block_ends(tmp_path):
    path = tmp_path / "a.bin"
    with atomic_write(path) as file:
        file.write(b"new")
        file.flush()
        assert not path.exists()
    assert path.read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["a.bin"]


def test_the_old_content_stays_until_the_block_ends(tmp_path):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")
    with atomic_write(str(path)) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize("raised", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("old", [None, b"old"])
def test_an_exception_leaves_the_folder_as_it_was(tmp_path, raised, old):
    path = tmp_path / "a.bin"
    if old is not None:
        path.write_bytes(old)
    with pytest.raises(raised), atomic_write(path) as file:  # noqa: PT012 - the failure comes after a part is written
        file.write(b"half")
        raise raised
    assert os.listdir(tmp_path) == ([] if old is None else ["a.bin"])
    assert old is None or path.read_bytes() == old


def test_the_content_is_on_the_disk_before_the_name_is_and_the_name_before_the_end(tmp_path, monkeypatch):
    calls = []
    sync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (calls.append(stat.S_IFMT(os.fstat(handle).st_mode)), sync(handle)))
    monkeypatch.setattr(os, "replace", lambda a, b: (calls.append("replace"), replace(a, b)))
    with atomic_write(tmp_path / "a.bin") as file:
        file.write(b"new")
    assert calls == [stat.S_IFREG, "replace", stat.S_IFDIR]


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_no_room_is_said_with_the_path_and_leaves_the_old_file(tmp_path, monkeypatch, code):
    path = tmp_path / "a.bin"
    path.write_bytes(b"old")

    def full(handle):
        raise OSError(code, "says the system")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match=r"disk.*as it was.*a\.bin") as caught, atomic_write(path) as file:
        file.write(b"new")
    assert caught.value.errno == code
    assert os.listdir(tmp_path) == ["a.bin"]
    assert path.read_bytes() == b"old"


@pytest.mark.skipif(sys.platform == "win32", reason="no limit on file sizes to run into")
def test_a_real_limit_is_met_while_writing(tmp_path):
    script = """
        import resource, sys
        from tombola.files import atomic_write
        resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
        try:
            with atomic_write(sys.argv[1]) as file:
                file.write(bytes(100_000))
        except OSError as error:
            print(error.filename, error)
    """
    command = [sys.executable, "-B", "-c", textwrap.dedent(script), str(tmp_path / "a.bin")]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    assert run.stdout.startswith(str(tmp_path / "a.bin"))
    assert "larger than allowed" in run.stdout
    assert os.listdir(tmp_path) == []


@pytest.mark.skipif(sys.platform == "win32", reason="no such signal")
def test_ctrl_c_from_outside_leaves_no_file(tmp_path):
    script = """
        import os, signal, sys
        from tombola.files import atomic_write
        signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever runs the tests may ignore it
        with atomic_write(sys.argv[1]) as file:
            file.write(bytes(100_000))
            os.kill(os.getpid(), signal.SIGINT)
            signal.pause()
    """
    command = [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / "a.bin")]
    run = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode in (-signal.SIGINT, 130)
    assert "KeyboardInterrupt" in run.stderr
    assert os.listdir(tmp_path) == []


def test_a_new_file_has_the_usual_permissions_and_a_replaced_one_keeps_its_own(tmp_path):
    (tmp_path / "usual").write_bytes(b"")
    for name in ("new", "old"):
        with atomic_write(tmp_path / name) as file:
            file.write(b"1")
        if name == "old":
            (tmp_path / "old").chmod(0o600)
            with atomic_write(tmp_path / "old") as file:
                file.write(b"2")
    modes = {name: stat.S_IMODE((tmp_path / name).stat().st_mode) for name in os.listdir(tmp_path)}
    assert modes["new"] == modes["usual"]
    assert modes["old"] == 0o600


def test_a_link_is_followed(tmp_path):
    (tmp_path / "real").write_bytes(b"old")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with atomic_write(tmp_path / "link") as file:
        file.write(b"new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"new"


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="no_such_folder"), atomic_write(tmp_path / "no_such_folder" / "a"):
        pass


def test_what_is_no_regular_file_is_left_alone(tmp_path):
    with pytest.raises(OSError, match="not a regular file"), atomic_write(tmp_path):
        pass
    with pytest.raises(OSError, match="not a regular file"), atomic_write(os.devnull):
        pass


def test_a_file_that_is_not_forced_to_the_disk_is_there_all_the_same(tmp_path, monkeypatch):
    def refused(_):
        raise AssertionError("it waited for the disk")

    monkeypatch.setattr("os.fsync", refused)
    with atomic_write(tmp_path / "notes.txt", forced=False) as file:
        file.write(b"whole")
    assert (tmp_path / "notes.txt").read_bytes() == b"whole"
