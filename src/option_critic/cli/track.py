"""A training of the command line, told to a tracker, with its page at the end."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from option_critic.errors import InputError, RunError
from option_critic.runs.paths import RunPath
from option_critic.settings import Settings
from option_critic.terminal import say
from option_critic.trackers import Kind, Tracked, begun


@contextmanager
def tracking(kind: Kind | None, settings: Settings | dict[str, Any], folder: RunPath) -> Iterator[list[Tracked]]:
    """The callbacks that tell a tracker, if there is one: of a run called as its folder, in a project called as the
    folder that this is in. Raises RunError."""
    if kind is None:
        yield []
        return
    place = folder.path.absolute()
    tracked = Tracked(
        begun(
            kind,
            place.parent.name or "option-critic",
            place.name,
            settings if isinstance(settings, dict) else settings.to_dict(),
        )
    )
    finished = False
    try:
        yield [tracked]
        finished = True
    finally:
        tracked.close(page_of(folder) if finished else None)


def page_of(folder: RunPath) -> Path | None:
    """The page of a run, written anew; none, and why, where it cannot be."""
    from option_critic.report.report import check_libraries, report

    try:
        check_libraries()
        report([folder.path], None, False)
    except (InputError, RunError) as error:
        say(f"no page for the tracker: {error}", error=True)
        return None
    return (folder / "report.html").path
