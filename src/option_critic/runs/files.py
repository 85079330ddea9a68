"""Files of a run, read as something that a stranger wrote, and written where a disk may be full, read-only or not
there: found out before work begins, named where it happens.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import re
import reprlib
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from option_critic.errors import InputError, RunError
from option_critic.value_types import is_whole

FORMAT_VERSION = 1
MAX_JSON = 16 << 20
"""Bytes; what a run writes stays far below."""


class CheckpointError(InputError):
    """A checkpoint is missing, damaged, or of a format that this version does not read."""


class FormatError(CheckpointError):
    """Written in a format that this version does not read."""


class WriteError(RunError):
    """A file could not be written; what stood there before is intact."""


@contextlib.contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise WriteError, naming `path`, if what is done here cannot be written."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise WriteError(
            f"{path} cannot be written ({reason(error)}); what was saved before is intact. "
            f"{remedy(error)}, and start again."
        ) from error


def check_writable(folder: Path) -> None:
    """Raise InputError unless `folder`, or where it would be created, takes files. Leaves no trace."""
    whole = folder.absolute()
    there = next(p for p in (whole, *whole.parents) if p.exists())
    try:
        with tempfile.TemporaryFile(dir=there) as probe:
            probe.write(bytes(65536))
    except OSError as error:
        raise InputError(
            f"{folder} cannot be written ({reason(error)}); free some space or choose another folder"
        ) from error


def write_json(path: Path, data: Any) -> None:
    """Write JSON for people, indented and strictly standard; the file is there in full or as it was."""
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_text(json.dumps(data, indent=1, allow_nan=False) + "\n")
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)


def emit(path: Path | None, record: dict[str, Any]) -> None:
    """Write JSON to a file, or to standard output for `-`."""
    if path == Path("-"):
        json.dump(record, sys.stdout, indent=1)
        print()
    elif path is not None:
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, record)


def reason(error: Exception) -> str:
    """What the system says, without the names of temporary files (safetensors packs it in a text)."""
    found = re.search(r"os error (\d+)", str(error))
    number = getattr(error, "errno", None) or (found and int(found[1]))
    return os.strerror(number) if number else str(error)


def remedy(error: Exception) -> str:
    """The way out of what a file could not be written for."""
    if getattr(error, "errno", None) in (errno.EMFILE, errno.ENFILE):
        return "Raise the limit of open files (ulimit -n)"
    return "Free some space or choose another folder"


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object. Raises CheckpointError if it is missing, too large to be one of ours, or is none."""
    if size_of(path) > MAX_JSON:
        raise CheckpointError(f"{path} is larger than {MAX_JSON >> 20} MB, which no file of a run is; move it away")
    try:
        data = json.loads(path.read_bytes(), parse_constant=_no_constant)
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise CheckpointError(f"{path} does not hold a JSON object")
    return data


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def size_of(path: Path) -> int:
    """Bytes of an ordinary file. Raises CheckpointError for none, and for a link, a folder, a pipe or a device."""
    try:
        found = path.lstat()
    except FileNotFoundError as error:
        raise CheckpointError(f"{path} is missing") from error
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if stat.S_ISLNK(found.st_mode):
        raise CheckpointError(f"{path} is a link; put a copy of the file that it leads to in its place")
    if not stat.S_ISREG(found.st_mode):
        raise CheckpointError(f"{path} is no ordinary file")
    return found.st_size


def fingerprint(path: Path) -> dict[str, str | int]:
    """What manifest.json says of a file; read in pieces."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256")
        return {"sha256": digest.hexdigest(), "bytes": file.tell()}


def check_format(path: Path, data: dict[str, Any]) -> None:
    """Raise unless `data`, which was read from `path`, is of the format that this version reads."""
    version = data.get("format_version")
    if not is_whole(version):
        raise CheckpointError(f"{path} is damaged, or of something else: it names no format_version")
    if version != FORMAT_VERSION:
        raise FormatError(
            f"{path} has format version {reprlib.repr(version)}; this option-critic reads {FORMAT_VERSION}. "
            "Use the version that wrote it (versions.json), or a newer one."
        )
