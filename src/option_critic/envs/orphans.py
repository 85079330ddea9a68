"""Processes that we start: a worker ends with the one that started it, and runs no module that it did not name."""

from __future__ import annotations

import contextlib
import ctypes
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from types import ModuleType
from typing import Any

PR_SET_PDEATHSIG = 1


def when_parent_dies(number: int) -> None:
    """Have the kernel send this process a signal when the one that started it is gone. Linux only."""
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):  # a C library without prctl
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0)


def die_with_parent() -> None:
    """Have the kernel kill this worker when its parent is gone, also one that hangs and never reads its pipe.

    The parent is the fork server. It lives until all who hold the write end of its `alive` pipe are gone, and
    every worker inherits one: a worker that hangs would keep its own parent alive. So ours is closed, and only
    after the kernel knows: until then the fork server cannot end, so its end cannot be missed. Linux only;
    elsewhere nothing.
    """
    if sys.platform != "linux":
        return
    from multiprocessing import forkserver  # not made for every platform

    when_parent_dies(signal.SIGKILL)
    server: Any = getattr(forkserver, "_forkserver", None)
    alive = getattr(server, "_forkserver_alive_fd", None)
    if alive is not None:
        os.close(alive)
        server._forkserver_alive_fd = None


def undisturbed() -> None:
    """Let this worker go on when a terminal signals all processes: the one that started it decides. What its
    environments start is signalled as usual (ignoring would be inherited), and may be started at all, though we are
    daemonic, so that nobody waits for us."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: None)
        if hasattr(signal, "siginterrupt"):
            signal.siginterrupt(number, False)  # calls of the system within simulators go on
    multiprocessing.current_process()._config["daemon"] = False  # type: ignore[attr-defined]


STARTING = threading.RLock()
"""What follows changes what all threads see."""


@contextlib.contextmanager
def safe_path() -> Iterator[None]:
    """Let Python processes that are started in this block not look for modules in the working directory first, as they
    do on their own: it may be a stranger's folder. What this process finds they find as well: it sends its path."""
    with STARTING:
        before = os.environ.get("PYTHONSAFEPATH")
        os.environ["PYTHONSAFEPATH"] = "1"
        try:
            yield
        finally:
            del os.environ["PYTHONSAFEPATH"]
            if before is not None:
                os.environ["PYTHONSAFEPATH"] = before


@contextlib.contextmanager
def without_main() -> Iterator[None]:
    """Let processes that are started in this block not run the user's script again. `multiprocessing` has them
    import it under another name; nothing of it is needed here, and a script without a main guard would train anew."""
    with STARTING:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main


@contextlib.contextmanager
def also_from_daemons() -> Iterator[None]:
    """Let a daemonic process, as those of `multiprocessing.Pool` are, start processes in this block: ours end with
    it."""
    config = multiprocessing.current_process()._config  # type: ignore[attr-defined]
    with STARTING:
        before, config["daemon"] = config.get("daemon"), False
        try:
            yield
        finally:
            config["daemon"] = before
