"""Files that are either the old one or the whole new one, whatever happens while they are written."""

from __future__ import annotations

import contextlib
import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

NO_ROOM = {
    errno.ENOSPC: "the disk is full",
    errno.EDQUOT: "the disk quota is used up",
    errno.EFBIG: "the file is larger than allowed here",
}


@contextmanager
def atomic_write(path: str | os.PathLike[str], *, forced: bool = True) -> Iterator[IO[bytes]]:
    """A binary file to write to; its content appears under `path` at once and complete when the block ends.

    The content goes to a temporary file in the same folder, is forced to the disk, and takes the place of the old
    file in one step; then the folder is forced to the disk too. If the block raises anything (Ctrl-C included) the
    temporary file is removed and the old file is as it was. A new file has the permissions that `open` would give, a
    replaced one keeps its own; a symbolic link is followed. Cost: writing the file once, and two waits for the disk.

    Args:
        path: where the file shall be. Its folder has to exist.
        forced: whether to wait for the disk. Without it a power cut may take the file back to an old one, or spoil it.

    Yields:
        The open temporary file.

    Raises:
        FileNotFoundError: if the folder does not exist.
        OSError: if `path` is something else than a regular file, or there is no room for the content.

    Example:
        >>> import pathlib, tempfile
        >>> folder = pathlib.Path(tempfile.mkdtemp())
        >>> with atomic_write(folder / "notes.txt") as file:
        ...     _ = file.write(b"whole or not at all")
        ...     [name.name == "notes.txt" for name in folder.iterdir()]
        [False]
        >>> (folder / "notes.txt").read_bytes()
        b'whole or not at all'
    """
    final = _checked(path)
    temporary = final.with_name(f".{final.name}.{secrets.token_hex(6)}.part")
    try:
        with open(temporary, "xb") as file:
            yield file
            file.flush()
            if forced:
                os.fsync(file.fileno())
        if final.exists():
            shutil.copymode(final, temporary)
        os.replace(temporary, final)
    except BaseException as error:
        temporary.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.errno in NO_ROOM:
            reason = f"could not write it, {NO_ROOM[error.errno]}; what was there before is as it was"
            raise OSError(error.errno, reason, str(final)) from error
        raise
    if forced:
        _sync_folder(final.parent)


def _checked(path: str | os.PathLike[str]) -> Path:
    final = Path(os.path.realpath(path))
    if not final.parent.is_dir():
        raise FileNotFoundError(errno.ENOENT, "the folder to write in does not exist", str(final.parent))
    if final.exists() and not final.is_file():
        raise OSError(errno.EINVAL, "is in the way: not a regular file", str(final))
    return final


def _sync_folder(folder: Path) -> None:
    """Forces the new name to the disk, as far as the system can: not every file system lets a folder be forced."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
