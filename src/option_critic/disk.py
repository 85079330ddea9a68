"""Writing where a disk may be full, read-only or not there: found out before work begins, named where it happens."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from option_critic.errors import InputError, RunError


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
            "Free some space or choose another folder, and start again."
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
