"""Signals while a training runs: it stops and saves, or saves and goes on."""

from __future__ import annotations

import signal
import warnings
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING

from option_critic.errors import RunError
from option_critic.runs.files import WriteError
from option_critic.terminal import say

if TYPE_CHECKING:
    from option_critic.agent import OptionCritic
    from option_critic.runs.paths import RunPath


class Interrupt:
    """While training: SIGINT, SIGTERM and SIGHUP (its terminal closes) stop it wherever it is, SIGUSR1 asks for a
    checkpoint."""

    def __init__(self) -> None:
        self.received: int | None = None
        self.asked = False

    def __enter__(self) -> Interrupt:
        handlers: dict[int, Callable[[int, FrameType | None], None]] = {
            signal.SIGINT: self.stop,
            signal.SIGTERM: self.stop,
        }
        if hasattr(signal, "SIGUSR1"):
            handlers[signal.SIGUSR1] = self.ask
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # as under nohup
            handlers[signal.SIGHUP] = self.hang_up
        self.before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self.before.items():
            if signal.getsignal(number) != signal.SIG_IGN:  # a hang-up has an echo
                signal.signal(number, handler)

    def stop(self, number: int, _: FrameType | None) -> None:
        """Stop at once; a second signal also ends the saving."""
        self.received = self.received or number
        raise KeyboardInterrupt

    def hang_up(self, number: int, frame: FrameType | None) -> None:
        """The same, but once only: the shell and the system each send one, and the other must not end the saving."""
        signal.signal(number, signal.SIG_IGN)
        if self.received is None:
            self.stop(number, frame)

    def ask(self, *_: object) -> None:
        """Note that a checkpoint is wanted."""
        self.asked = True

    def on_iteration(self, agent: OptionCritic, folder: RunPath) -> bool:
        """Save if that was asked for. False if a signal was swallowed on its way (in a destructor, say)."""
        if self.asked:
            self.asked = False
            saved = folder / "checkpoints" / "saved"
            try:
                agent.save(saved)
                say(f"saved {saved}", error=True)
            except WriteError as error:  # a full disk ends no training
                warnings.warn(f"{error}", stacklevel=2)
        return self.received is None


def on_its_way(error: BaseException) -> RunError | None:
    """What had failed already when a signal came, and would go unsaid: torchrun ends the others where one is gone."""
    cause = error.__context__
    return cause if isinstance(cause, RunError) else None


def ended(interrupt: Interrupt, work: Callable[[], None]) -> int:
    """Work until done or stopped; the exit code."""
    try:
        work()
    except KeyboardInterrupt as error:
        if (cause := on_its_way(error)) is not None:
            raise cause from None
        if interrupt.received is None:
            raise RunError("the environment (or a callback) raised KeyboardInterrupt; no signal was sent") from error
    return 0 if interrupt.received is None else 128 + interrupt.received
