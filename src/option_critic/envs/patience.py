"""Deadlines that do not count the time in which this process was stopped: by Ctrl-Z, or with its container."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

SLICE = 0.5
"""Seconds that are waited for at a time."""


class Patience:
    """So many seconds to wait. A slice of them counts no more than it was meant to take, however long it took: the
    clock goes on while we are stopped, and those we wait for are mostly stopped with us."""

    def __init__(self, seconds: float) -> None:
        self.seconds = self.left = seconds

    @property
    def over(self) -> bool:
        """Whether nothing is left."""
        return self.left <= 0

    def wait(self, waiting: Callable[[float], Any]) -> Any:
        """What `waiting(seconds)` returns for the next slice; the time that it took is gone."""
        part, began = min(self.left, SLICE, self.seconds / 10), time.monotonic()
        part = max(0.0, part)
        result = waiting(part)
        self.left -= min(time.monotonic() - began, part)
        return result
