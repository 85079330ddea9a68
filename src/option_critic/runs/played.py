"""Which sessions of `option-critic play` a run folder holds."""

from __future__ import annotations

import re

from option_critic.runs.paths import RunPath

PLAYED = "played"
FILE = re.compile(r"\A(\d{4,9})\.safetensors\Z")


def numbers_in(folder: RunPath) -> list[int]:
    """Their numbers, in order."""
    played = folder / PLAYED
    names = played.names() if played.is_folder() else []
    return sorted(int(found[1]) for name in names if (found := FILE.match(name)))


def file_of(folder: RunPath, number: int) -> RunPath:
    """Where a session is kept."""
    return folder / PLAYED / f"{number:04d}.safetensors"
