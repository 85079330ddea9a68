"""Transitions that are kept to learn from again: a ring of rows in memory, the oldest overwritten first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Generator

from option_critic.errors import InputError
from option_critic.functional.arrays import NDArray
from option_critic.records import Rollout
from option_critic.transitions import Transitions

KEPT = {
    "option": np.int16,
    "prev_option": np.int16,
    "option_age": np.int32,
    "ended": np.bool_,
    "is_first": np.bool_,
    "reward": np.float32,
    "terminated": np.bool_,
    "truncated": np.bool_,
    "valid": np.bool_,
}
"""What is kept of a row beside observations and action, and as what."""
Columns = dict[str, NDArray]
Room = Callable[[tuple[int, ...], np.dtype[Any]], NDArray]
"""(shape, dtype) -> zeros."""
Index = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Segment:
    """Rows that lie in a file of their own (`runs/replay_files.py`)."""

    start: int
    end: int
    sum: bytes
    """SHA-256 of the file"""


class Replay:
    """The last rows of B environments: columns [rows, B, ...] of numpy arrays. Rows are numbered from the first that
    was ever added."""

    def __init__(self, capacity: int) -> None:
        """Room for `capacity` transitions; memory is taken as rows come."""
        self.capacity = capacity
        self.room: Room = np.zeros
        """where columns lie: by default in memory"""
        self.columns: Columns = {}
        self.added = 0
        """rows so far"""
        self.decisions = 0
        """transitions so far, without rows in which a backend only reset"""
        self.first: Index = np.zeros((0, 0), np.int64)
        """[rows, B] the first row of each row's episode"""
        self.last: Index = np.zeros((0, 0), np.int64)
        """[rows, B] at the place of an episode's first row: its last row so far"""
        self.running: Index = np.zeros(0, np.int64)
        """[B] the first row of the episode that is under way"""
        self.updates = 0
        """updates made from them"""
        self.segments: tuple[Segment, ...] = ()
        """which rows lie in files already"""
        self.listed: tuple[dict[str, int], tuple[Segment, ...]] | None = None
        """what a checkpoint says of it, counts and files, until these are read"""

    @property
    def rows(self) -> int:
        """How many rows there is room for."""
        return len(self.first)

    @property
    def oldest(self) -> int:
        """The number of the oldest row that is kept."""
        return max(0, self.added - self.rows)

    def add(self, rollout: Rollout) -> None:
        """Keep T rows of B environments."""
        self.extend(kept_of(rollout))

    def extend(self, columns: Columns) -> None:
        """The same, of columns [T, B, ...]."""
        length = len(columns["reward"])
        if not self.columns:
            self._make(columns)
        for t in range(length):
            place = (self.added + t) % self.rows
            for name, x in columns.items():
                self.columns[name][place] = x[t]
            self._follow(self.added + t, columns["is_first"][t], columns["valid"][t])
        self.added += length
        self.decisions += int(columns["valid"].sum())

    def _make(self, columns: Columns) -> None:
        """Room like these columns."""
        envs = columns["reward"].shape[1]
        rows = max(2, self.capacity // envs)
        try:  # zeros take no memory, and no disk, before they are written
            self.columns = {name: self.room((rows, *x.shape[1:]), x.dtype) for name, x in columns.items()}
        except MemoryError:
            size = rows * sum(x[0].nbytes for x in columns.values())
            raise InputError(
                f"buffer_size {self.capacity:,} takes {size / 1e9:,.1f} GB, more than there is: set a smaller one, or "
                "a run folder, on whose disk they are then kept"
            ) from None
        self.first, self.last = np.zeros((2, rows, envs), np.int64)
        self.running = np.full(envs, -1, np.int64)  # of no episode that is kept, until one begins

    def _follow(self, row: int, is_first: NDArray, valid: NDArray) -> None:
        """Know of each row which episode it belongs to, and how far that has come: no further, where it only reset."""
        self.running = np.where(is_first, row, self.running)
        self.first[row % self.rows] = self.running
        envs = np.flatnonzero(valid)
        self.last[self.running[envs] % self.rows, envs] = row

    def draw(self, count: int, generator: Generator) -> tuple[Index, Index]:
        """(row, environment) of `count` transitions, each kept one as likely."""
        kept, envs = self.added - self.oldest, self.first.shape[1]
        wanted, found = count, []
        while wanted > 0:  # where a backend has rows in which it only reset, some draws are in vain
            drawn = torch.randint(kept * envs, (wanted,), generator=generator, device="cpu").numpy()
            row, env = self.oldest + drawn // envs, drawn % envs
            real = self.columns["valid"][row % self.rows, env]
            found.append((row[real], env[real]))
            wanted -= int(real.sum())
        rows, members = zip(*found, strict=True)
        return np.concatenate(rows), np.concatenate(members)

    def later(self, row: Index, env: Index, generator: Generator) -> tuple[Index, npt.NDArray[np.bool_]]:
        """A row of the same episode at or after each `row`, all as likely; and whether one is known there: not where
        the episode's first row is kept no more."""
        first = self.first[row % self.rows, env]
        known = first >= self.oldest
        last = np.where(known, self.last[first % self.rows, env], row)
        share = torch.rand(len(row), generator=generator, device="cpu", dtype=torch.float64).numpy()
        return row + (share * (last - row + 1)).astype(np.int64), known

    def take(self, row: Index, env: Index, device: torch.device | str = "cpu") -> Transitions:
        """The transitions there."""
        place = row % self.rows * len(self.running) + env

        def column(name: str) -> torch.Tensor:
            whole = self.columns[name]  # one index into what lies in a row: half the time of two
            x = torch.from_numpy(whole.reshape(-1, *whole.shape[2:]).take(place, 0))
            return (x.long() if x.dtype in (torch.int16, torch.int32) else x).to(device)

        return Transitions(**{name: column(name) for name in Transitions.__dataclass_fields__})

    def between(self, start: int, end: int) -> Columns:
        """The rows from number `start` to before `end`, in their order."""
        place = np.arange(start, end) % self.rows
        return {name: x[place] for name, x in self.columns.items()}


def kept_of(rollout: Rollout) -> Columns:
    """What is kept of a rollout: columns [T, B, ...]."""
    d = rollout.decision
    found = {"obs": rollout.obs, "next_obs": rollout.next_obs, "action": d.action}
    columns = {name: x.cpu().numpy() for name, x in found.items()}
    for name, dtype in KEPT.items():
        x = getattr(d if hasattr(d, name) else rollout, name)
        columns[name] = x.cpu().numpy().astype(dtype)
    return columns
