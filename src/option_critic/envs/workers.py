"""Environments in worker processes, a slice of them in each.

Gymnasium's own asynchronous vector environment runs one process per environment: 64 simulators are 64
processes, 4 GB, and a third of the rate (measured, 2 cores). Here a process steps its whole slice per message.
"""

from __future__ import annotations

import contextlib
import errno
import multiprocessing
import os
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from functools import partial
from multiprocessing.connection import Connection, wait
from multiprocessing.util import Finalize
from typing import Any

import numpy as np
import numpy.typing as npt

from option_critic.envs.contract import EnvStep, Observations, VectorEnvs
from option_critic.envs.guard import CLOSE_SECONDS
from option_critic.envs.orphans import also_from_daemons, die_with_parent, safe_path, undisturbed, without_main
from option_critic.envs.patience import Patience
from option_critic.envs.settings import EnvSettings
from option_critic.envs.shared import AVAILABLE, Layout, Shared, nameless_file, receive_file, send_file
from option_critic.errors import RunError

BUILD_SECONDS = 120.0
"""The first answer may take this long, whatever `worker_timeout` says: modules are imported, simulators built."""
STOP_SECONDS = 2.0
"""How long workers have to end by themselves where something went wrong; then they are killed."""
KILL_SECONDS = 1.0
"""How long to wait for those that were killed."""


FORK_SERVER = "option_critic.envs.fork_server"
"""What the process that starts workers imports first."""


class WorkerError(RunError):
    """A worker process failed, died or hung."""


def requests(connection: Connection) -> Iterator[Any]:
    """What the parent asks for, until it closes its end or is gone."""
    with contextlib.suppress(EOFError, OSError):
        while True:
            yield connection.recv()


def answer(connection: Connection, envs: VectorEnvs) -> None:
    """Do what is asked, until "close": "reset", ("share", layout, rows) before a file, "step" with the action that is
    shared then, or ("step", action)."""
    shared: Shared | None = None
    for message in requests(connection):
        if message == "close":
            return
        if message == "reset":
            connection.send(envs.reset())
        elif message == "step" and shared is not None:
            connection.send(shared.put(envs.step(shared.action)))
        elif message[0] == "share":
            file = receive_file(connection)
            shared = Shared(file, *message[1:])
            os.close(file)
        else:
            connection.send(envs.step(message[1]))


def serve(connection: Connection, make: Callable[[], VectorEnvs], environment: dict[str, str]) -> None:
    """Life of a worker: build its slice, answer until the parent has no more requests, close it.

    `environment`: variables of the parent as they are now, not as they were when the first worker was started.
    """
    die_with_parent()
    undisturbed()
    os.environ.clear()
    os.environ.update(environment)
    with telling(connection):
        envs = make()
        connection.send((envs.num_envs, envs.spaces))
        with telling(connection), envs.chance:
            answer(connection, envs)
        envs.close()  # whatever happened: simulators of its own would be left running
        connection.send("closed")


@contextlib.contextmanager
def telling(connection: Connection) -> Iterator[None]:
    """What ends this block is sent to the parent, if it still listens."""
    try:
        yield
    except BaseException as error:  # an exit, too, must be told
        failure = WorkerError(f"an environment worker failed: {type(error).__name__}: {error}")
        failure.add_note(traceback.format_exc())
        with contextlib.suppress(OSError):  # stopped in the middle of a step: nobody to tell
            connection.send(error if isinstance(error, RunError) else failure)


def stop(connections: Sequence[Connection], processes: Sequence[Any]) -> None:
    """End all workers, those that hang by force, in STOP_SECONDS + KILL_SECONDS at most."""
    for connection in connections:
        connection.close()  # to a worker that listens this says: no more requests
    try:
        join(processes, STOP_SECONDS)
    finally:  # also when a second signal interrupts the waiting
        for process in processes:
            process.kill()
        join(processes, KILL_SECONDS)


def open_files() -> str:
    """How many files this process may have open."""
    try:
        import resource  # not made for every platform
    except ImportError:
        return "only so many"
    return f"{resource.getrlimit(resource.RLIMIT_NOFILE)[0]:,}"


def join(processes: Sequence[Any], seconds: float) -> None:
    """Wait for all, `seconds` in all."""
    patience = Patience(seconds)
    for process in processes:
        while process.exitcode is None and not patience.over:
            patience.wait(process.join)


class WorkerEnvs(VectorEnvs):
    """Slices of environments behind the contract, each made by one of `makers` in its own process."""

    def __init__(
        self,
        makers: Sequence[Callable[[], VectorEnvs]],
        preload: Sequence[str] = (),
        name: str = "environments",
        timeout: float = EnvSettings.worker_timeout,
    ) -> None:
        """`preload`: modules that are imported once for all workers; `name`: what errors call the environments;
        `timeout`: seconds that a step may take. Raises WorkerError."""
        method = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
        context = multiprocessing.get_context(method)
        context.set_forkserver_preload([FORK_SERVER, __name__, *preload])
        self.name, self.timeout = name, timeout
        self.connections: list[Connection] = []
        self.processes: list[Any] = []
        # Also at the end of Python, before it waits for its children: workers do not mind its SIGTERM.
        self.stop = Finalize(self, stop, (self.connections, self.processes), exitpriority=0)
        self.sizes: list[int] = []
        self.shared: Shared | None = None
        self.under_way = False
        environment = dict(os.environ)
        try:
            with without_main(), safe_path(), also_from_daemons():
                for make in makers:
                    self._start(context, make, environment)
        except (OSError, EOFError) as error:
            self.stop()
            raise self._not_started(error, len(makers)) from error
        except BaseException:
            self.stop()
            raise
        built = self._answers(max(BUILD_SECONDS, timeout))
        self.sizes, self.spaces = [size for size, _ in built], built[0][1]
        self.slices, self.num_envs = np.cumsum(self.sizes)[:-1], sum(self.sizes)

    def _start(self, context: Any, make: Callable[[], VectorEnvs], environment: dict[str, str]) -> None:
        ours, theirs = context.Pipe()
        self.connections.append(ours)
        with theirs:
            process = context.Process(target=serve, args=(theirs, make, environment), daemon=True)
            process.start()
        self.processes.append(process)

    def _not_started(self, error: OSError | EOFError, count: int) -> WorkerError:
        """What the system lacks for another process, and the way out."""
        number = getattr(error, "errno", None)
        if number in (errno.EMFILE, errno.ENFILE):
            why, more = f"this process may open {open_files()} files (ulimit -n), they need more", "raise that limit"
        elif number in (errno.EAGAIN, errno.ENOMEM):
            why, more = os.strerror(number), "free some memory, or raise the limit of processes (ulimit -u)"
        else:  # what starts them ended over it, and cannot say of what
            why, more = "no process could be started", "raise the limits of open files (ulimit -n) and processes (-u)"
        return WorkerError(
            f"{self.name}: worker {len(self.processes)} of {count} could not be started: {why}; "
            f"use fewer (env_threads, or --workers of an evaluation), or {more}"
        )

    def _tell(self, messages: Sequence[Any]) -> None:
        for connection, message in zip(self.connections, messages, strict=True):
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # a dead worker is named when its
                connection.send(message)  # answer is missed

    def _answers(self, seconds: float) -> list[Any]:
        """One answer from each worker; whatever goes wrong ends them all. Raises WorkerError, or what a worker sent."""
        answers: dict[int, Any] = {}
        patience, self.under_way = Patience(seconds), False
        try:
            while waiting := [i for i in range(len(self.processes)) if i not in answers]:
                watched = [x for i in waiting for x in (self.connections[i], self.processes[i].sentinel)]
                ready = patience.wait(partial(wait, watched))
                if not ready and patience.over:
                    raise self._hung(waiting, seconds)
                for i in waiting:
                    if self.connections[i] in ready or self.processes[i].sentinel in ready:
                        answers[i] = self._receive(i, sent=self.connections[i] in ready)
        except BaseException:
            self.stop()
            raise
        return [answers[i] for i in range(len(self.processes))]

    def _receive(self, worker: int, sent: bool) -> Any:
        """The answer of a worker that has `sent` one, or has died (perhaps after an answer)."""
        try:
            if not sent and not self.connections[worker].poll():
                raise EOFError("it ended, but a child of its own holds the pipe open")
            answer = self.connections[worker].recv()
        except (EOFError, OSError) as error:  # OSError: died in the middle of an answer
            raise self._died(worker) from error
        if isinstance(answer, RunError):
            raise answer
        return answer

    def _died(self, worker: int) -> WorkerError:
        self.processes[worker].join(timeout=1)
        code = self.processes[worker].exitcode
        how = f"killed by signal {-code}" if code is not None and code < 0 else f"exit code {code}"
        return WorkerError(
            f"{self._named([worker])} died ({how}); if memory ran short, lower num_envs or env_threads, "
            "else look for what the simulator printed"
        )

    def _hung(self, workers: Sequence[int], seconds: float) -> WorkerError:
        return WorkerError(
            f"{self._named(workers)} gave no answer within {seconds:g} s; "
            "mend the environment, or raise worker_timeout if its steps may take so long"
        )

    def _named(self, workers: Sequence[int]) -> str:
        """Which workers, and which environments: before they are built, their number is unknown."""
        ends = np.cumsum([0, *self.sizes])
        doing = [f"environments {ends[i]} to {ends[i + 1] - 1}" if self.sizes else "building" for i in workers]
        named = " and ".join(f"worker {i} ({what})" for i, what in zip(workers, doing, strict=True))
        return f"{self.name}: {named} of {len(self.processes)}"

    def reset(self) -> Observations:
        """Start an episode everywhere -> [B, D]."""
        self._tell(["reset"] * len(self.connections))
        self.obs: Observations = np.concatenate(self._answers(self.timeout))
        return self.obs.copy()

    def send(self, action: npt.NDArray[Any]) -> None:
        """Begin a step of all slices."""
        self.under_way = True
        if self.shared is None and AVAILABLE:
            self._share(action)
        if self.shared is None:
            self._tell([("step", part) for part in np.split(action, self.slices)])
            return
        np.copyto(self.shared.action, action, casting="no")
        self._tell(["step"] * len(self.connections))

    def _share(self, action: npt.NDArray[Any]) -> None:
        """Have steps exchanged in memory from now on, if the system gives some. Pipes carry them otherwise."""
        layout = Layout.of(self.obs, action)
        try:
            file = nameless_file(layout.size)
        except OSError:
            return
        try:
            self.shared = Shared(file, layout)
            ends = np.cumsum([0, *self.sizes]).tolist()
            for worker, connection in enumerate(self.connections):
                with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # as in `_tell`
                    connection.send(("share", layout, slice(ends[worker], ends[worker + 1])))
                    send_file(connection, file)
        finally:
            os.close(file)

    def recv(self) -> EnvStep:
        """Wait for all slices."""
        answers = self._answers(self.timeout)
        return self._joined(answers) if self.shared is None else self.shared.take(self._told(answers))

    def _joined(self, steps: Sequence[EnvStep]) -> EnvStep:
        """The steps of all slices as one."""
        arrays = [f.name for f in fields(EnvStep) if f.name != "info"]
        joined: dict[str, Any] = {name: np.concatenate([getattr(s, name) for s in steps]) for name in arrays}
        return EnvStep(**joined, info=self._told([s.info for s in steps]))

    def _told(self, infos: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """The infos of all slices as one."""
        names = sorted({name for info in infos for name in info})  # some is told only now and then: else it is 0
        zeros = [np.zeros(size) for size in self.sizes]
        return {n: np.concatenate([i.get(n, z) for i, z in zip(infos, zeros, strict=True)]) for n in names}

    def close(self) -> None:
        """Have the workers close their environments, and end them, once. Raises RunError where closing fails, or takes
        more than CLOSE_SECONDS; they are ended (`stop`) whatever happens."""
        if self.stop.still_active() and not self.under_way:
            self._tell(["close"] * len(self.connections))
            self._answers(CLOSE_SECONDS)
        self.stop()
