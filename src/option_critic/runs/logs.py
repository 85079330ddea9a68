"""Logs of one JSON object a line that survive a full disk: whole lines or none, and none is lost."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from option_critic.runs.handles import read_all, write_all
from option_critic.runs.paths import MAX_LOG, RunPath

MAX_LINE = 1 << 20
"""Bytes; ours take some thousand."""
MAX_LINES, MAX_DAMAGED = 2_000_000, 10_000
"""Of a log that is only looked at: what is behind them is left out."""
STEPS = "time/total_timesteps"
Row = dict[str, Any]


class LineLog:
    """Appends to `path`. What a full disk refuses waits in memory for the next try."""

    def __init__(self, path: RunPath) -> None:
        self.path, self.waiting = path, list[str]()
        self.flushed = True

    def add(self, record: Row) -> None:
        """Take a line. Written by `flush`."""
        self.waiting.append(json.dumps(record) + "\n")

    def flush(self, durable: bool = False) -> None:
        """Write what waits; `durable`: down to the disk. Raises OSError, and the file is then as it was."""
        if not self.waiting and (self.flushed or not durable):
            return
        self.flushed = False
        with self.path.appending() as file:
            before = os.fstat(file).st_size
            try:
                write_all(file, "".join(self.waiting).encode())
                if durable:
                    os.fsync(file)
            except OSError:
                with contextlib.suppress(OSError):
                    os.ftruncate(file, before)
                raise
        self.waiting.clear()
        self.flushed = durable


def read_log(path: RunPath) -> tuple[list[Row], int]:
    """(the rows of a log, how many of its lines are damaged). Raises CheckpointError where it cannot be read."""
    rows = [row for _, row in lines_of(path)]
    return [row for row in rows if row is not None], rows.count(None)


def read_thinned(
    path: RunPath, names: Iterable[str], most: int, limit: int = MAX_LOG, needed: str = STEPS
) -> tuple[list[Row], int, bool]:
    """(rows of a log with these entries alone, the number of damaged lines, whether that was all of it).

    Of rows with the entry `needed`; of more than `most` of them those that are evenly spread, and the last. Raises
    CheckpointError where it cannot be read.
    """
    wanted, rows, last = {STEPS, *names}, list[Row](), Row()
    damaged, sound, every = 0, 0, 1
    for _, row in lines_of(path, limit):
        if row is None:
            damaged += 1
        elif needed in row:
            last = {name: row[name] for name in wanted & row.keys()}
            if sound % every == 0:
                rows.append(last)
            sound += 1
            if len(rows) > most:
                rows, every = rows[::2], 2 * every
        if sound >= MAX_LINES or damaged >= MAX_DAMAGED:
            return rows, damaged, False
    return rows if not rows or rows[-1] is last else [*rows, last], damaged, True


def last_row(path: RunPath) -> Row | None:
    """The last whole row of a log, read from its end; none where there is none. Raises CheckpointError."""
    if path.kind() == "none":
        return None
    with path.opened(MAX_LOG) as (handle, size):
        os.lseek(handle, max(0, size - MAX_LINE), os.SEEK_SET)
        lines = read_all(handle, MAX_LINE).splitlines(keepends=True)
    return next((row for line in reversed(lines) if (row := row_of(line)) is not None), None)


def lines_of(path: RunPath, limit: int = MAX_LOG) -> Iterator[tuple[bytes, Row | None]]:
    """Each line, and the row in it; none where it is damaged or was cut. One that is too long comes in pieces."""
    with path.opened(limit) as (handle, _), open(handle, "rb", closefd=False) as file:
        while line := file.readline(MAX_LINE):
            yield line, row_of(line)


def row_of(line: bytes) -> Row | None:
    """What a line says: text and finite numbers by name (null: not finite), after how many steps among them."""
    try:
        row = msgspec.json.decode(line, type=dict[str, float | str | None]) if len(line) < MAX_LINE else {}
    except (ValueError, RecursionError, msgspec.MsgspecError):
        return None
    steps = row.get(STEPS)
    sound = line.endswith(b"\n") and isinstance(steps, float) and 0 <= steps < 2**63
    return row if sound else None


def forget_after(path: RunPath, steps: int) -> int:
    """Drop the lines of a log beyond `steps` environment steps, and those that are damaged, whose number it returns.

    Where they are the last ones the file is cut, which takes no room on a full disk. A link, a pipe or a device in
    its place loses its name. Raises OSError, and CheckpointError where the log cannot be read: it stays as it is.
    """
    if (kind := path.kind()) == "none":
        return 0
    if kind in ("link", "other"):
        path.remove()
        return 1
    lines = list(lines_of(path))
    kept = [line for line, row in lines if row is not None and row[STEPS] <= steps]
    damaged = sum(row is None and line.endswith(b"\n") for line, row in lines)  # another one a kill has cut
    if [line for line, _ in lines[: len(kept)]] != kept:
        path.write(b"".join(kept))
    elif len(kept) < len(lines):
        with path.appending() as file:
            os.ftruncate(file, sum(map(len, kept)))
            os.fsync(file)
    return damaged
