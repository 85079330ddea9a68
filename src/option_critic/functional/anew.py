"""Functions that are asked anew, where all around them is repeated from a recording (`algorithms/recording.py`)."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar

from torch import Tensor

from option_critic.functional.arrays import Numbers

Function = Callable[..., Tensor]
LISTENER: ContextVar[Callable[[Function, tuple[Tensor, ...]], Tensor] | None] = ContextVar("listener", default=None)
"""Who is recording, if anybody: is told the function and its arguments, and asks it."""


def ask_anew(function: Callable[..., Numbers], *args: Numbers) -> Numbers:
    """What `function` says of tensors (or arrays). It may look at numbers: a user may have written it. Its answer is a
    constant to gradients."""
    listener = LISTENER.get()
    return function(*args) if listener is None else listener(function, args)  # type: ignore[arg-type, return-value]
