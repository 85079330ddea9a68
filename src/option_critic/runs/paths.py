"""Paths within a run: the one door to a disk. Whoever wrote the folder, nothing outside of it is read or written.

The user names a folder, and links on the way to it are the user's own. Below it each name is opened from the handle of
the folder before it, and none may be a link: not now, and not if somebody replaces one at this very moment.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from option_critic.errors import InputError
from option_critic.runs.handles import (
    AT_ONCE,
    OddFileError,
    check_no_link,
    create,
    flush,
    flush_path,
    read_all,
    reason,
    sized,
    walk,
)

MAX_NAMES = 100_000
"""Entries of a folder; a run has a few hundred at most."""
BESIDE = re.compile(r"\.(?P<name>.+)\.(?P<what>new|old|gone)-[0-9a-f]+")
"""What is being written, replaced or deleted. Of a process that was killed it is left."""

MAX_LOG = 1 << 30
"""Bytes of a log; a million iterations take half of it."""

Kind = Literal["file", "folder", "link", "other", "none"]


class CheckpointError(InputError):
    """A file of a run, or a checkpoint, is missing, damaged, or of a format that this version does not read."""


def beside(name: str, what: Literal["new", "old", "gone"]) -> str:
    """A name in the same folder, of what is under way, that nobody can foresee."""
    return f".{name}.{what}-{secrets.token_hex(8)}"


@dataclass(frozen=True)
class RunPath:
    """A file or folder of a run. Reads raise CheckpointError, writes OSError."""

    root: Path
    """as the user named it, for messages"""
    base: Path
    """the same, absolute: nobody's change of the working directory moves a run"""
    parts: tuple[str, ...] = ()
    """names below it"""

    @staticmethod
    def of(path: str | Path | RunPath) -> RunPath:
        """The folder that the user named."""
        return path if isinstance(path, RunPath) else RunPath(Path(path), Path(path).absolute())

    @staticmethod
    def of_file(path: str | Path | RunPath) -> RunPath:
        """A file that the user named: links on the way to its folder are followed, one in its place is not."""
        return path if isinstance(path, RunPath) else RunPath.of(Path(path).parent) / Path(path).name

    def __truediv__(self, name: str) -> RunPath:
        """What is called so in this folder. Raises CheckpointError for what is no single name."""
        try:
            long = len(os.fsencode(name)) > 255
        except UnicodeEncodeError:  # half of a pair
            long = True
        if name in ("", ".", "..") or set(name) & {"/", os.sep, "\0"} or long:
            raise CheckpointError(f"{name!r:.80} is no name of a file")
        return RunPath(self.root, self.base, (*self.parts, name))

    def __str__(self) -> str:
        return str(self.path)

    @property
    def path(self) -> Path:
        """For those who name it: as `root` was named."""
        return self.root.joinpath(*self.parts)

    @property
    def name(self) -> str:
        """The last name; of the folder that the user named the one that it has."""
        return self.parts[-1] if self.parts else self.base.name

    @property
    def parent(self) -> RunPath:
        """The folder that it is in."""
        return RunPath(self.root, self.base, self.parts[:-1]) if self.parts else \
               RunPath(self.root.parent, self.base.parent)  # fmt: skip

    # --- what is there

    def status(self) -> os.stat_result | None:
        """Of the thing itself, never of what a link leads to; none where there is nothing, or no way to it but a link.

        Raises CheckpointError where that cannot be said, for want of permission, say.
        """
        try:
            if not self.parts:
                return os.stat(self.base)
            with self._beside() as (at, handle):
                return os.stat(at, dir_fd=handle, follow_symlinks=False)
        except (FileNotFoundError, NotADirectoryError, OddFileError):
            return None
        except OSError as error:
            raise CheckpointError(f"{self} cannot be read: {reason(error)}") from error

    def kind(self) -> Kind:
        """What is there."""
        found = self.status()
        if found is None:
            return "none"
        mode = found.st_mode
        return "file" if stat.S_ISREG(mode) else "folder" if stat.S_ISDIR(mode) else \
               "link" if stat.S_ISLNK(mode) else "other"  # fmt: skip

    def is_free(self) -> bool:
        """Whether nothing is there, not even a link that leads nowhere."""
        return self.kind() == "none" and (bool(self.parts) or not self.base.is_symlink())

    def is_file(self) -> bool:
        """Whether an ordinary file is there."""
        return self.kind() == "file"

    def is_folder(self) -> bool:
        """Whether a folder is there."""
        return self.kind() == "folder"

    def names(self) -> list[str]:
        """What is in the folder, sorted; nothing where there is none. Raises CheckpointError for too many."""
        if self.kind() == "none":
            return []
        try:
            with self._folder() as handle, os.scandir(handle) as found:
                names = [entry.name for entry, _ in zip(found, range(MAX_NAMES + 1), strict=False)]
        except OSError as error:
            raise CheckpointError(f"{self} cannot be read: {reason(error)}") from error
        if len(names) > MAX_NAMES:
            raise CheckpointError(f"{self} holds more than {MAX_NAMES:,} files, which no folder of a run does")
        return sorted(names)

    # --- reading

    def read(self, limit: int, first: int | None = None) -> bytes:
        """The content of an ordinary file of at most `limit` bytes, or the `first` ones of it."""
        with self.opened(limit) as (handle, size):
            return read_all(handle, size if first is None else min(first, size))

    @contextlib.contextmanager
    def opened(self, limit: int) -> Iterator[tuple[int, int]]:
        """Handle and bytes of an ordinary file. Raises CheckpointError if it is none, or larger than `limit`."""
        try:
            with self._beside() as (at, handle):
                check_no_link(at, str(self))
                file = os.open(at, os.O_RDONLY | AT_ONCE, dir_fd=handle)
        except FileNotFoundError as error:
            raise CheckpointError(f"{self} is missing") from error
        except OSError as error:
            raise CheckpointError(self._unreadable(error)) from error
        try:
            found = os.fstat(file)
            if not stat.S_ISREG(found.st_mode):
                raise CheckpointError(f"{self} is no ordinary file")
            if found.st_size > limit:
                raise CheckpointError(
                    f"{self} is larger than {sized(limit)}, which no such file of a run is; move it away"
                )
            yield file, found.st_size
        except OSError as error:
            raise CheckpointError(f"{self} cannot be read: {reason(error)}") from error
        finally:
            os.close(file)

    def _unreadable(self, error: OSError) -> str:
        if self.kind() == "link":
            return f"{self} is a link; put a copy of the file that it leads to in its place"
        return f"{self} cannot be read: {reason(error)}"

    # --- writing

    def write(self, data: bytes) -> None:
        """Replace the file; it is there in full, on the disk, or as it was. A link in its place is replaced as well."""
        self.parent.make()
        with self.parent._folder() as folder:
            at, handle = self._from(folder)
            new, _ = (self.parent / beside(self.name, "new"))._from(folder)
            try:
                create(new, data, handle)
                os.replace(new, at, src_dir_fd=handle, dst_dir_fd=handle)
                flush(folder)
            finally:
                with contextlib.suppress(OSError):
                    os.unlink(new, dir_fd=handle)

    def create(self, data: bytes) -> None:
        """Write a file that is not there yet, down to the disk. Its folder is left to `flush`."""
        with self._beside() as (at, handle):
            create(at, data, handle)

    @contextlib.contextmanager
    def appending(self) -> Iterator[int]:
        """Handle of the file, at its end; it is made where there is none. Raises OddFileError for anything else.

        One that has another name elsewhere, too, is copied first: only what is in the run is written.
        """
        with self._beside() as (at, handle):
            check_no_link(at, str(self))
            if (found := self.status()) is not None and found.st_nlink > 1 and stat.S_ISREG(found.st_mode):
                self.write(self.read(MAX_LOG))
            try:
                file = os.open(at, os.O_RDWR | os.O_APPEND | os.O_CREAT | AT_ONCE, 0o666, dir_fd=handle)
            except OSError as error:
                raise OddFileError(f"{self} is a link") if error.errno == errno.ELOOP else error from None
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise OddFileError(f"{self} is no ordinary file")
            yield file
        finally:
            os.close(file)

    def make(self, durable: bool = True) -> None:
        """Create the folder, and those before it; `durable`: its name is on the disk.

        Raises OddFileError where something else is in its place.
        """
        if not self.parts:
            if not self.base.is_dir():
                self.base.mkdir(parents=True, exist_ok=True)
                flush_path(self.base.parent)
            return
        if (kind := self.kind()) == "none":
            self.parent.make()
            with self.parent._folder() as folder:
                at, handle = self._from(folder)
                with contextlib.suppress(FileExistsError):
                    os.mkdir(at, dir_fd=handle)
                if durable:
                    flush(folder)
        elif kind != "folder":
            raise OddFileError(f"{self} is no folder")

    def rename(self, name: str) -> RunPath:
        """Give it another name in the same folder; an ordinary file of that name is replaced."""
        new = self.parent / name
        with self.parent._folder() as folder:
            (at, handle), (to, _) = self._from(folder), new._from(folder)
            os.rename(at, to, src_dir_fd=handle, dst_dir_fd=handle)
        return new

    def remove(self) -> None:
        """Delete it, a folder with all that is in it; a link loses its name only. Nothing where there is nothing."""
        kind = self.kind()
        if kind == "none":
            return
        with self._beside() as (at, handle):
            if kind == "folder":
                shutil.rmtree(at, dir_fd=handle)
            else:
                os.unlink(at, dir_fd=handle)

    def flush(self) -> None:
        """The names in this folder, down to the disk."""
        with self._folder() as folder:
            flush(folder)

    @contextlib.contextmanager
    def held(self) -> Iterator[str]:
        """A name of this folder for other libraries, which open files in it by path. As long as it is held it leads
        here, whatever is renamed."""
        with self._folder() as handle:
            own = f"/proc/self/fd/{handle}"
            yield own if isinstance(handle, int) and os.path.isdir(own) else str(self.base.joinpath(*self.parts))

    # --- from handle to handle

    def _folder(self) -> contextlib.AbstractContextManager[int | Path]:
        """The folder itself, open; its path where there are no handles."""
        return walk(self.base, self.parts, str(self))

    @contextlib.contextmanager
    def _beside(self) -> Iterator[tuple[str | Path, int | None]]:
        """Its name, and the handle of the folder that this name is in."""
        if not self.parts:
            yield self.base, None
            return
        with self.parent._folder() as folder:
            yield self._from(folder)

    def _from(self, folder: int | Path) -> tuple[str | Path, int | None]:
        return (folder / self.name, None) if isinstance(folder, Path) else (self.name, folder)
