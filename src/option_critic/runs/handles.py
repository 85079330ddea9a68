"""Files and folders by the handles that the system gives: read and written whole, flushed to the disk."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

HANDLES = os.open in os.supports_dir_fd
"""Whether the system opens names from handles of folders. Windows does not: there each name is looked at first."""
NO_LINK = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
AT_ONCE = NO_LINK | getattr(os, "O_NONBLOCK", 0)
"""Opening a pipe must not wait for whoever is on its other end."""


class OddFileError(OSError):
    """A link, a pipe or a device where a run has a file or a folder."""

    def __init__(self, what: str) -> None:
        super().__init__(errno.EINVAL, what)


@contextlib.contextmanager
def walk(base: Path, names: Sequence[str], what: str) -> Iterator[int | Path]:
    """The folder `names` below `base`, open, by way of handles; its path where there are none. `what`: for messages.
    Raises OddFileError for a link on the way."""
    if not HANDLES:
        yield _looked_at(base, names, what)
        return
    handle = os.open(base, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for name in names:
            inner = _step(handle, name, what)
            os.close(handle)
            handle = inner
        yield handle
    finally:
        os.close(handle)


def _step(handle: int, name: str, what: str) -> int:
    try:
        return os.open(name, os.O_RDONLY | os.O_DIRECTORY | NO_LINK, dir_fd=handle)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            raise OddFileError(f"{name} on the way to {what} is a link, or no folder") from error
        raise


def _looked_at(path: Path, names: Sequence[str], what: str) -> Path:
    for name in names:
        path = path / name
        if path.is_symlink():
            raise OddFileError(f"{name} on the way to {what} is a link")
    return path


def check_no_link(at: str | Path, what: str) -> None:
    """Raise OddFileError for a link, where the system cannot refuse one while it opens."""
    if isinstance(at, Path) and at.is_symlink():
        raise OddFileError(f"{what} is a link")


def read_all(handle: int, size: int) -> bytes:
    """So many bytes from a file, or up to its end."""
    pieces, left = list[bytes](), size
    while left and (piece := os.read(handle, min(left, 1 << 24))):
        pieces.append(piece)
        left -= len(piece)
    return b"".join(pieces)


def write_all(handle: int, data: bytes) -> None:
    """All of it: a disk that is nearly full takes what still fits, and says so only the next time."""
    view = memoryview(data)
    while view:
        view = view[os.write(handle, view) :]


def reason(error: Exception) -> str:
    """What the system says, without names of temporary files."""
    number = getattr(error, "errno", None)
    return os.strerror(number) if number and not isinstance(error, OddFileError) else \
           str(getattr(error, "strerror", None) or error)  # fmt: skip


def sized(count: int) -> str:
    """Bytes in words."""
    return f"{count >> 30:,} GB" if count >= 1 << 30 else f"{count >> 20:,} MB"


def create(at: str | Path, data: bytes, handle: int | None) -> None:
    """Write a file that is not there yet, down to the disk."""
    file = os.open(at, os.O_WRONLY | os.O_CREAT | os.O_EXCL | NO_LINK, 0o666, dir_fd=handle)
    try:
        write_all(file, data)
        os.fsync(file)
    finally:
        os.close(file)


def flush(folder: int | Path) -> None:
    """The names in a folder, down to the disk."""
    if isinstance(folder, int):  # Windows cannot open folders
        os.fsync(folder)


def flush_path(path: Path) -> None:
    """The same, of a folder that is not open."""
    if HANDLES:
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
