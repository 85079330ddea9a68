"""One thread for an environment: simulators, and what draws them, mind which thread asks."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, TypeVar

from option_critic.errors import RunError

Result = TypeVar("Result")


class OneThread:
    """Runs what it is given, one call after the other. An environment that hangs does not keep Python from ending."""

    def __init__(self) -> None:
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = queue.SimpleQueue()
        threading.Thread(target=self._work, name="environment", daemon=True).start()

    def _work(self) -> None:
        while True:
            call, future = self._calls.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(call())
            except Exception as error:
                future.set_exception(error)
            except BaseException as error:  # somebody else's SystemExit ends nothing here
                future.set_exception(RunError(f"the environment raised {type(error).__name__}"))

    def submit(self, call: Callable[[], Result]) -> Future[Result]:
        """Let it run when those before it are done."""
        future: Future[Result] = Future()
        self._calls.put((call, future))
        return future

    async def run(self, call: Callable[[], Result]) -> Result:
        """Its result, or what it raises."""
        return await asyncio.wrap_future(self.submit(call))

    def last(self, call: Callable[[], object], seconds: float) -> None:
        """Let it run, and wait so long for it at most, whatever becomes of it."""
        with suppress(Exception):
            self.submit(call).result(seconds)
