"""What goes out to a terminal: text that a stranger may have written is shown and never obeyed, and output that fails
ends nothing. All that this package prints goes through here."""

from __future__ import annotations

import io
import os
import re
import select
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Any, Literal, cast

from rich.console import Console, ConsoleOptions, RenderableType
from rich.progress import BarColumn, Progress, ProgressColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.segment import Segment
from rich.text import Text

from option_critic.errors import RunError
from option_critic.legible import visible

COLOURS = re.compile("\x1b\\[[0-9;]*m")
"""With them Gymnasium writes its warnings."""
Name = Literal["stdout", "stderr"]


def say(*lines: object, error: bool = False) -> None:
    """Print lines to standard output, or to standard error. What is in them begins no line of its own."""
    stream = Stream("stderr" if error else "stdout")
    stream.write("".join(visible(line, keep="\t") + "\n" for line in lines))
    stream.flush()


def hand_over(text: str) -> None:
    """Write to standard output what was asked for there: here it is a failure if that cannot be. Raises RunError."""
    gate = below(sys.stdout)
    if isinstance(gate, Unfailing):
        gate.failure = None
    try:
        sys.stdout.write(text)
        sys.stdout.flush()
        if isinstance(gate, Unfailing) and gate.failure is not None:
            raise gate.failure
    except (OSError, ValueError) as error:
        raise RunError(
            f"what was asked for cannot be written to standard output ({getattr(error, 'strerror', None) or error}); "
            "name a file in place of -"
        ) from error


class Stream:
    """sys.stdout or sys.stderr as it is now, where nothing that is written raises. What its encoding lacks is
    replaced. For use within somebody else's program, whose streams stay as they are."""

    def __init__(self, name: Name) -> None:
        self._stream: Any = getattr(sys, name)

    @property
    def encoding(self) -> str:
        """Of what is on the other end."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """Write it, or let it be."""
        if self._stream is not None:
            with suppress(OSError, ValueError):  # ValueError: it is closed
                self._stream.write(text.encode(self.encoding, "backslashreplace").decode(self.encoding))
        return len(text)

    def flush(self) -> None:
        """Send what waits."""
        if self._stream is not None:
            with suppress(OSError, ValueError):
                self._stream.flush()

    def isatty(self) -> bool:
        """Whether a terminal is on the other end."""
        try:
            return self._stream is not None and bool(self._stream.isatty())
        except (OSError, ValueError):
            return False

    def fileno(self) -> int:
        """The system's number of it. Raises OSError where there is none."""
        if self._stream is None:
            raise io.UnsupportedOperation("fileno")
        return int(self._stream.fileno())


class Unfailing(io.RawIOBase):
    """The end of a stream, below its encoding and its buffer: what cannot be written is dropped."""

    def __init__(self, end: Any) -> None:
        self._end = end
        self.failure: OSError | ValueError | None = None
        """The last one."""

    def writable(self) -> bool:
        """It is what it is for."""
        return True

    def isatty(self) -> bool:
        """Whether a terminal is on the other end."""
        return bool(self._end.isatty())

    def fileno(self) -> int:
        """The system's number of it."""
        return int(self._end.fileno())

    def write(self, data: Any) -> int:
        """Write all of it, or let it be."""
        left = memoryview(data).cast("B")
        size = len(left)
        try:
            while left:
                written = self._end.write(left)
                if written is None:  # somebody took the waiting out of a pipe, and it is full
                    select.select([], [self._end], [])
                left = left[written or 0 :]
        except (OSError, ValueError) as failure:
            self.failure = failure
        return size


def below(stream: Any) -> Any:
    """What a stream of text writes to in the end."""
    buffer = getattr(stream, "buffer", None)
    return getattr(buffer, "raw", buffer)


def unfailing(stream: Any) -> io.TextIOWrapper:
    """A stream of the process (None: it is closed), where nothing that is written raises, whoever writes, and nothing
    is left that could fail when Python ends."""
    if stream is None:
        gate = Unfailing(io.FileIO(os.devnull))  # where writing fails, as it does where it is closed
        return io.TextIOWrapper(io.BufferedWriter(gate), encoding="utf-8", errors="backslashreplace")
    gate = Unfailing(below(stream))
    buffer: Any = gate if stream.buffer is below(stream) else io.BufferedWriter(gate)  # without one: python -u
    how = {"line_buffering": stream.line_buffering, "write_through": stream.write_through}
    return io.TextIOWrapper(buffer, encoding=stream.encoding, errors="backslashreplace", **how)


def take_closed_descriptors() -> None:
    """Open what is closed of the first three: else the next file of a run, or the next socket, would be given that
    number, and what a library prints would end up in it."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        os.set_inheritable(number, True)
    os.close(number)


@contextmanager
def output_aside() -> Iterator[None]:
    """What is printed meanwhile, by libraries in C too, goes to standard error: standard output is kept for a
    protocol."""
    kept = os.dup(1)
    sys.stdout.flush()
    os.dup2(2, 1)
    try:
        yield
    finally:
        sys.stdout.flush()
        os.dup2(kept, 1)
        os.close(kept)


def endable_input() -> Callable[[], None]:
    """Put a pipe in the place of standard input, and pass on what comes in. What is returned ends it: whoever waits for
    a line then sees the end, where nothing else wakes up who reads a terminal, or another program."""
    source, (reading, writing) = os.dup(0), os.pipe()
    os.dup2(reading, 0)
    os.close(reading)

    def end() -> None:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, writing)  # closes the pipe; its number is not given to another file
        os.close(nowhere)

    def pass_on() -> None:
        with suppress(OSError):
            while data := os.read(source, 1 << 16):
                os.write(writing, data)
        end()

    threading.Thread(target=pass_on, name="standard input", daemon=True).start()
    return end


def open_terminal() -> None:
    """For a command: let no output raise, that of other libraries and of users' environments neither, and no warning
    look like a fault. What stands in the place of the process's own streams (a test's) stays."""
    take_closed_descriptors()
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is getattr(sys, f"__{name}__"):
            setattr(sys, name, unfailing(getattr(sys, name)))
    warnings.showwarning, sys.excepthook = warn, show_traceback


def hush() -> None:
    """Let nothing reach standard output from now on, and no warning: another process says the same."""
    sys.stdout = unfailing(None)
    warnings.simplefilter("ignore")


def warn(message: Warning | str, *_: Any, **__: Any) -> None:
    """A warning in one line, in place of Python's own two."""
    say(f"warning: {' '.join(COLOURS.sub('', str(message)).splitlines())}", error=True)


def show_traceback(_: Any, error: BaseException, __: Any) -> None:
    """What ends Python: there are names and messages of others in that, too."""
    say(*"".join(traceback.format_exception(error)).splitlines(), error=True)


class Terminal(Console):
    """rich's console behind the gate: no markup in texts, and nothing to obey in them."""

    def __init__(self, name: Name = "stdout") -> None:
        super().__init__(file=cast(IO[str], Stream(name)), markup=False, highlight=False, emoji=False)

    def render_str(self, text: str, **how: Any) -> Text:
        """A text as it is laid out."""
        return super().render_str(visible(text, keep="\n\t"), **how)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """All that is printed; rich's own moves of the cursor are left."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(visible(segment.text, keep="\n\t"), segment.style)


def progress_bar(*more: ProgressColumn, wanted: bool = True) -> Progress:
    """A bar on standard error where a person looks at it, and nothing elsewhere."""
    console, what = Terminal("stderr"), TextColumn("{task.description}", markup=False)
    columns = (what, BarColumn(), TaskProgressColumn(), TimeRemainingColumn(), *more)
    return Progress(*columns, console=console, transient=True, disable=not (wanted and console.is_terminal))
