"""What was played, kept as a Trace in `played/` of a run folder: a file a session, written anew after each episode."""

from __future__ import annotations

from typing import Any

from option_critic.evaluation.trace import Trace
from option_critic.runs.files import writing
from option_critic.runs.locks import figures
from option_critic.runs.paths import RunPath
from option_critic.runs.played import PLAYED, file_of, numbers_in


class Keeper:
    """Writes the sessions of one page. Nothing is written before an episode has ended."""

    def __init__(self, folder: RunPath, meta: dict[str, Any]) -> None:
        """`folder`: of the run; `meta`: what the file says of itself."""
        self.folder, self.meta = folder, meta
        self.file: RunPath | None = None

    def keep(self, trace: Trace) -> None:
        """In the place of what was kept of this session before. Raises WriteError."""
        with figures(self.folder), writing(self.folder / PLAYED):
            if self.file is None:
                last = max(numbers_in(self.folder), default=0)
                self.file = file_of(self.folder, last + 1)
            trace.save(self.file, self.meta)
