"""What was played, kept as a Trace in `played/` of a run folder: a file a session, written anew after each episode."""

from __future__ import annotations

import re
from typing import Any

from option_critic.evaluation.trace import Trace
from option_critic.runs.files import writing
from option_critic.runs.locks import figures
from option_critic.runs.paths import RunPath

FOLDER = "played"
FILE = re.compile(r"\A(\d{4,9})\.safetensors\Z")


class Keeper:
    """Writes the sessions of one page. Nothing is written before an episode has ended."""

    def __init__(self, folder: RunPath, meta: dict[str, Any]) -> None:
        """`folder`: of the run; `meta`: what the file says of itself."""
        self.folder, self.meta = folder, meta
        self.file: RunPath | None = None

    def keep(self, trace: Trace) -> None:
        """In the place of what was kept of this session before. Raises WriteError."""
        with figures(self.folder), writing(self.folder / FOLDER):
            if self.file is None:
                last = max(numbers_in(self.folder), default=0)
                self.file = self.folder / FOLDER / f"{last + 1:04d}.safetensors"
            trace.save(self.file, self.meta)


def numbers_in(folder: RunPath) -> list[int]:
    """Of the sessions that are kept in a run folder."""
    played = folder / FOLDER
    names = played.names() if played.is_folder() else []
    return sorted(int(found[1]) for name in names if (found := FILE.match(name)))
