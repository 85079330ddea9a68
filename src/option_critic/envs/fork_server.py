"""For the process that starts the workers, which imports this first (`workers.py`): it ends where it cannot start one,
for want of file handles, memory or processes, and whoever asked is told so. So it prints no traceback of its own.
"""

from __future__ import annotations

import sys
from types import TracebackType


def silent_if_told(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """In the place of `sys.excepthook`."""
    if not issubclass(kind, OSError | EOFError):
        sys.__excepthook__(kind, error, trace)


def install() -> None:
    """Only in that process: it runs no script of the user's."""
    sys.excepthook = silent_if_told


install()
