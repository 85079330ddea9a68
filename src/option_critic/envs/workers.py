"""Environments in worker processes, a slice of them in each.

Gymnasium's own asynchronous vector environment runs one process per environment: 64 simulators are 64
processes, 4 GB, and a third of the rate (measured, 2 cores). Here a process steps its whole slice per message.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
import traceback
from collections.abc import Callable, Sequence
from dataclasses import fields
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import numpy.typing as npt

from option_critic.envs.contract import Array, EnvStep, VectorEnvs
from option_critic.errors import RunError


class WorkerError(RunError):
    """A worker process failed or died."""


def serve(connection: Connection, make: Callable[[], VectorEnvs]) -> None:
    """Life of a worker: build its slice, then answer until told to stop or the parent is gone."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a terminal signals all; the parent decides
        signal.signal(number, signal.SIG_IGN)
    try:
        envs = make()
        connection.send((envs.num_envs, envs.spaces))
        while (message := connection.recv()) is not None:
            connection.send(envs.reset() if message == "reset" else envs.step(message[1]))
        envs.close()
    except EOFError:
        return
    except Exception as error:
        failure = WorkerError(f"an environment worker failed: {type(error).__name__}: {error}")
        failure.add_note(traceback.format_exc())
        connection.send(error if isinstance(error, RunError) else failure)


class WorkerEnvs(VectorEnvs):
    """Slices of environments behind the contract, each made by one of `makers` in its own process."""

    def __init__(self, makers: Sequence[Callable[[], VectorEnvs]], preload: Sequence[str] = ()) -> None:
        """`preload`: modules that are imported once for all workers. Raises WorkerError."""
        method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
        context = multiprocessing.get_context(method)
        context.set_forkserver_preload([__name__, *preload])
        self.connections: list[Connection] = []
        self.processes: list[Any] = []
        for make in makers:
            ours, theirs = context.Pipe()
            process = context.Process(target=serve, args=(theirs, make), daemon=True)  # type: ignore[attr-defined]
            process.start()
            theirs.close()
            self.connections.append(ours)
            self.processes.append(process)
        sizes = [self._receive(i) for i in range(len(makers))]
        self.slices = np.cumsum([size for size, _ in sizes])[:-1]
        self.num_envs, self.spaces = sum(size for size, _ in sizes), sizes[0][1]

    def _receive(self, worker: int) -> Any:
        try:
            answer = self.connections[worker].recv()
        except (EOFError, ConnectionResetError) as error:
            self.processes[worker].join(timeout=1)
            code = self.processes[worker].exitcode
            raise WorkerError(f"environment worker {worker} died (exit code {code})") from error
        if isinstance(answer, RunError):
            raise answer
        return answer

    def _tell(self, messages: Sequence[Any]) -> None:
        for connection, message in zip(self.connections, messages, strict=True):
            with contextlib.suppress(BrokenPipeError):  # a dead worker is named when its answer is missed
                connection.send(message)

    def _answers(self) -> list[Any]:
        return [self._receive(i) for i in range(len(self.connections))]

    def reset(self) -> Array:
        """Start an episode everywhere -> [B, D]."""
        self._tell(["reset"] * len(self.connections))
        return np.concatenate(self._answers())

    def send(self, action: npt.NDArray[Any]) -> None:
        """Begin a step of all slices."""
        self._tell([("step", part) for part in np.split(action, self.slices)])

    def recv(self) -> EnvStep:
        """Wait for all slices."""
        steps: list[EnvStep] = self._answers()
        joined = {
            f.name: np.concatenate([getattr(s, f.name) for s in steps]) for f in fields(EnvStep) if f.name != "info"
        }
        names = set.intersection(*(set(s.info) for s in steps))
        return EnvStep(**joined, info={n: np.concatenate([s.info[n] for s in steps]) for n in sorted(names)})

    def close(self) -> None:
        """Stop the workers; those that do not answer are killed."""
        for connection, process in zip(self.connections, self.processes, strict=True):
            with contextlib.suppress(OSError):
                connection.send(None)
            process.join(timeout=5)
            if process.is_alive():
                process.kill()
            connection.close()
