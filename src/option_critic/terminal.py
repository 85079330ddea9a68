"""What goes out to a terminal: text that a stranger may have written is shown and never obeyed, and output that fails
ends nothing. All that this package prints goes through here."""

from __future__ import annotations

import errno
import io
import os
import sys
import warnings
from collections.abc import Iterable
from contextlib import suppress
from typing import IO, Any, Literal, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.segment import Segment
from rich.text import Text

from option_critic.errors import RunError
from option_critic.legible import visible

Name = Literal["stdout", "stderr"]


def say(text: object = "", error: bool = False, end: str = "\n") -> None:
    """Print to standard output, or to standard error."""
    print(visible(text), end=end, file=Stream("stderr" if error else "stdout"), flush=True)


def hand_over(text: str) -> None:
    """Write to standard output what was asked for there: not being able to is a failure. Raises RunError."""
    real = getattr(sys.stdout, "_of", None) or sys.stdout
    try:
        real.write(text)
        real.flush()
    except (OSError, ValueError, AttributeError) as error:
        abandon(real, error)
        raise RunError(f"standard output cannot be written ({getattr(error, 'strerror', None) or error})") from error


class Stream:
    """sys.stdout or sys.stderr, where nothing that is written raises: not on a full disk, nor once nobody reads it.

    What its encoding lacks is replaced. `of`: a stream to wrap, in the place of the one that has the name now.
    """

    def __init__(self, name: Name, of: Any = None) -> None:
        self._name, self._of = name, of

    @property
    def _stream(self) -> Any:
        return self._of or getattr(sys, self._name)

    def write(self, text: str) -> int:
        """Write it, or let it be."""
        stream = self._stream
        if isinstance(stream, Stream):
            return stream.write(text)
        try:
            encoding = getattr(stream, "encoding", None) or "utf-8"
            stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
        except (OSError, ValueError, AttributeError) as failure:  # ValueError: closed; AttributeError: there is none
            abandon(stream, failure)
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        """The same, of several."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Send what waits."""
        try:
            self._stream.flush()
        except (OSError, ValueError, AttributeError) as failure:
            abandon(self._stream, failure)

    def isatty(self) -> bool:
        """Whether a terminal is on the other end."""
        try:
            return bool(self._stream.isatty())
        except (OSError, ValueError, AttributeError):
            return False

    def fileno(self) -> int:
        """The system's number of it. Raises OSError where there is none."""
        if self._stream is None:
            raise io.UnsupportedOperation("fileno")
        return int(self._stream.fileno())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def abandon(stream: Any, failure: Exception) -> None:
    """Where nobody reads it any more, let go nowhere what is still written to it, whoever writes. A disk that is full
    may have room later."""
    if getattr(failure, "errno", None) == errno.ENOSPC:
        return
    with suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def open_terminal() -> None:
    """For a command: let no output raise, not that of other libraries and of users' environments either, and no
    warning look like a fault."""
    for number in range(3):  # what is closed would be given to the next file that is opened, and printed into
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
    nowhere = open(os.devnull, "w")  # noqa: SIM115  (to the end of the process)
    sys.stdout, sys.stderr = Stream("stdout", sys.stdout or nowhere), Stream("stderr", sys.stderr or nowhere)
    warnings.showwarning = lambda message, *_: say(f"warning: {message}", error=True)


def close_terminal() -> None:
    """At the end of a command: what cannot be written is dropped, so that Python's end says nothing of it."""
    for stream in (sys.stdout, sys.stderr):
        real = getattr(stream, "_of", stream)
        try:
            real.flush()
        except (OSError, ValueError, AttributeError):
            abandon(real, BrokenPipeError())
    sys.stdout, sys.stderr = (getattr(stream, "_of", stream) for stream in (sys.stdout, sys.stderr))


class Terminal(Console):
    """rich's console behind the gate: no markup in texts, and nothing to obey in them."""

    def __init__(self, name: Name = "stdout") -> None:
        super().__init__(file=cast(IO[str], Stream(name)), markup=False, highlight=False, emoji=False)

    def render_str(self, text: str, **how: Any) -> Text:
        """A text as it is laid out."""
        return super().render_str(visible(text), **how)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """All that is printed; rich's own moves of the cursor are left."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text), segment.style)


def progress_bar(*more: ProgressColumn, wanted: bool = True) -> Progress:
    """A bar on standard error where a person looks at it, and nothing elsewhere."""
    console, what = Terminal("stderr"), TextColumn("{task.description}", markup=False)
    columns = (what, BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), *more)
    return Progress(*columns, console=console, transient=True, disable=not (wanted and console.is_terminal))
