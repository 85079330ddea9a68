"""Memory that this process and its workers see: actions go out in it, observations, rewards and flags come back.

It is a file without a name: the system frees it when the last process that has it is gone, however that ended.
"""

from __future__ import annotations

import mmap
import os
import socket
from dataclasses import dataclass, fields
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import numpy.typing as npt

from option_critic.envs.contract import EnvStep, Observations

AVAILABLE = hasattr(os, "memfd_create")
"""Whether there is such a file here: on Linux. Elsewhere pipes carry everything."""
LINE = 64
"""Bytes of a cache line: no two arrays share one."""


@dataclass(frozen=True)
class Layout:
    """What lies where: name -> (offset, shape, dtype)."""

    arrays: dict[str, tuple[int, tuple[int, ...], str]]
    size: int

    @staticmethod
    def of(obs: Observations, action: npt.NDArray[Any]) -> Layout:
        """Room for one step of B environments, with observations like `obs` [B, D] and such actions [B, ...]."""
        rows = np.zeros(len(obs))
        flags = rows.astype(np.bool_)
        likes: dict[str, npt.NDArray[Any]] = {"next_obs": obs, "act_obs": obs, "reward": rows, "steps": rows}
        likes |= dict.fromkeys(("is_first", "terminated", "truncated", "valid"), flags) | {"action": action}
        arrays, size = {}, 0
        for name, like in likes.items():
            arrays[name] = (size, like.shape, like.dtype.str)
            size += -(-like.nbytes // LINE) * LINE
        return Layout(arrays, size)


class Shared:
    """The arrays of a layout, in memory that both sides see: all rows, or those of one worker."""

    def __init__(self, file: int, layout: Layout, rows: slice = slice(None)) -> None:
        """`file`: an open file of that size; it is not needed afterwards."""
        self.memory = mmap.mmap(file, layout.size)
        self.arrays = {
            name: np.frombuffer(self.memory, dtype, int(np.prod(shape)), offset).reshape(shape)[rows]
            for name, (offset, shape, dtype) in layout.arrays.items()
        }

    @property
    def action(self) -> npt.NDArray[Any]:
        """[B, ...] what is to be done."""
        return self.arrays["action"]

    def put(self, step: EnvStep) -> dict[str, Any]:
        """Lay a step down -> what of it does not lie here: its info."""
        for name, there in self.arrays.items():
            if name != "action":
                np.copyto(there, getattr(step, name), casting="no")
        return step.info

    def take(self, info: dict[str, Any]) -> EnvStep:
        """A copy of the step that lies here: the next one overwrites it."""
        return EnvStep(**{f.name: self.arrays[f.name].copy() for f in fields(EnvStep) if f.name != "info"}, info=info)


def nameless_file(size: int) -> int:
    """An open file of so many bytes that is in memory and in no folder. Raises OSError."""
    file = os.memfd_create("option-critic")
    try:
        os.posix_fallocate(file, 0, size)  # where there is no room, that is said now, not when it is written to
    except BaseException:
        os.close(file)
        raise
    return file


def send_file(connection: Connection, file: int) -> None:
    """Hand an open file to the process at the other end."""
    with socket.socket(fileno=os.dup(connection.fileno())) as ours:
        socket.send_fds(ours, [b"f"], [file])


def receive_file(connection: Connection) -> int:
    """The file that the other end handed over. Raises EOFError where there is none."""
    with socket.socket(fileno=os.dup(connection.fileno())) as ours:
        _, files, _, _ = socket.recv_fds(ours, 1, 1)
    if not files:
        raise EOFError("no file came")
    return int(files[0])
