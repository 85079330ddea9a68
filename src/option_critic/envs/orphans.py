"""No orphans: a worker ends with the process that started it, whatever that process dies of."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
from typing import Any

PR_SET_PDEATHSIG = 1


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

    with contextlib.suppress(OSError, AttributeError):  # a C library without prctl
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    server: Any = getattr(forkserver, "_forkserver", None)
    alive = getattr(server, "_forkserver_alive_fd", None)
    if alive is not None:
        os.close(alive)
        server._forkserver_alive_fd = None
