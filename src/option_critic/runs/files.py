"""Files of a run: JSON that a stranger may have written, formats, and what to say where nothing can be written."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import reprlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from option_critic.errors import InputError, RunError
from option_critic.runs.handles import read_all, reason
from option_critic.runs.paths import CheckpointError, RunPath
from option_critic.terminal import hand_over
from option_critic.value_types import is_whole

FORMAT_VERSION = 1
MAX_JSON, MAX_EVALUATION = 16 << 20, 128 << 20
"""Bytes; what a run writes stays far below. Evaluations hold every episode: those of fifty tasks take a megabyte."""
MAX_TENSORS = 4 << 30
"""Bytes of a file of tensors."""


class FormatError(CheckpointError):
    """Written in a format that this version does not read."""


class WriteError(RunError):
    """A file could not be written; what stood there before is intact."""


@contextlib.contextmanager
def writing(path: RunPath | Path) -> Iterator[None]:
    """Raise WriteError, naming `path`, if what is done here cannot be written."""
    try:
        yield
    except OSError as error:
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


def check_json(path: Path | None) -> None:
    """Raise InputError if figures cannot be written there: better now than when they are done."""
    if path is None or path == Path("-"):
        return
    if path.is_dir():
        raise InputError(f"--json takes a file, but {path} is a folder")
    check_writable(path.parent)


def encoded(data: Any) -> bytes:
    """JSON for people, indented and strictly standard."""
    return (json.dumps(data, indent=1, allow_nan=False) + "\n").encode()


def write_json(path: RunPath, data: Any) -> None:
    """Write JSON; the file is there in full, on the disk, or as it was. Raises OSError."""
    path.write(encoded(data))


def emit(path: Path | None, record: dict[str, Any]) -> None:
    """Write JSON to a file, or to standard output for `-`."""
    if path == Path("-"):
        hand_over(encoded(record).decode())
    elif path is not None:
        with writing(path):
            write_json(RunPath.of_file(path), record)


def remedy(error: Exception) -> str:
    """The way out of what a file could not be written for."""
    if getattr(error, "errno", None) in (errno.EMFILE, errno.ENFILE):
        return "Raise the limit of open files (ulimit -n)"
    return "Free some space or choose another folder"


def read_json(path: RunPath, limit: int = MAX_JSON) -> dict[str, Any]:
    """Read a JSON object. Raises CheckpointError if it is missing, too large to be one of ours, or is none."""
    try:
        data = msgspec.json.decode(path.read(limit))
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path} cannot be read: {error}") from error
    if not isinstance(data, dict):
        raise CheckpointError(f"{path} does not hold a JSON object")
    return data


def read_as(path: RunPath, kind: Any, limit: int = MAX_JSON) -> Any:
    """Read JSON that is what `kind` says, by msgspec. Raises CheckpointError: it is missing, larger than `limit` bytes,
    of another format, or something else."""
    data = path.read(limit)
    try:
        fields = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        if "format_version" in fields:
            check_format(path, {"format_version": msgspec.json.decode(fields["format_version"])})
        return msgspec.json.decode(data, type=kind)
    except (ValueError, RecursionError, msgspec.MsgspecError) as error:
        if isinstance(error, CheckpointError):
            raise
        raise CheckpointError(f"{path} cannot be read: {error!s:.300}") from error


def summed(data: bytes) -> dict[str, str | int]:
    """What manifest.json says of a file with this content."""
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def fingerprint(path: RunPath) -> dict[str, str | int]:
    """What manifest.json says of a file; read in pieces."""
    digest, total = hashlib.sha256(), 0
    with path.opened(MAX_TENSORS) as (handle, _):
        while piece := read_all(handle, 1 << 22):
            digest.update(piece)
            total += len(piece)
    return {"sha256": digest.hexdigest(), "bytes": total}


def check_format(path: RunPath, data: dict[str, Any]) -> None:
    """Raise unless `data`, which was read from `path`, is of the format that this version reads."""
    version = data.get("format_version")
    if not is_whole(version):
        raise CheckpointError(f"{path} is damaged, or of something else: it names no format_version")
    if version != FORMAT_VERSION:
        raise FormatError(
            f"{path} has format version {reprlib.repr(version)}; this option-critic reads {FORMAT_VERSION}. "
            "Use the version that wrote it (versions.json), or a newer one."
        )
