"""Logs of one JSON object a line that survive a full disk: whole lines or none, and none is lost."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any


class LineLog:
    """Appends to `path`. What a full disk refuses waits in memory for the next try."""

    def __init__(self, path: Path) -> None:
        self.path, self.waiting = path, list[str]()

    def add(self, record: dict[str, Any]) -> None:
        """Take a line. Written by `flush`."""
        self.waiting.append(json.dumps(record) + "\n")

    def flush(self, durable: bool = False) -> None:
        """Write what waits; `durable`: down to the disk. Raises OSError, and the file is then as it was."""
        data = "".join(self.waiting).encode()
        with self.path.open("ab", buffering=0) as file:
            before = file.tell()
            try:
                if file.write(data) < len(data):
                    raise OSError(28, os.strerror(28))  # a disk that is full takes what still fits
                if durable:
                    os.fsync(file.fileno())
            except OSError:
                with contextlib.suppress(OSError):
                    file.truncate(before)
                raise
        self.waiting.clear()


def forget_after(path: Path, steps: int) -> None:
    """Drop the lines of a log beyond `steps` environment steps, and a line that was cut."""
    lines = path.read_text().splitlines(keepends=True) if path.exists() else []
    kept = [line for line in lines if (step := step_of(line)) is not None and step <= steps]
    new = path.with_name(f".{path.name}.new")
    new.write_text("".join(kept))
    new.replace(path)


def step_of(line: str) -> int | None:
    """The environment steps that a line of a log is about; None for a line that was cut."""
    try:
        return int(json.loads(line)["time/total_timesteps"]) if line.endswith("\n") else None
    except (ValueError, KeyError, TypeError, OverflowError):  # of infinity
        return None
