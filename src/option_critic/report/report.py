"""The verb `report`: run folders -> pictures, videos where they are wanted, and one page."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from option_critic.errors import InputError
from option_critic.report import page, video
from option_critic.report.four_rooms import room_maps
from option_critic.report.gather import Evaluated, RunData, gather
from option_critic.report.headless import VideoError
from option_critic.report.pictures import picture, save
from option_critic.report.tables import label
from option_critic.runs.files import WriteError
from option_critic.terminal import progress_bar, say


def report(paths: Sequence[Path], out: Path | None, videos: bool) -> None:
    """Write `report.html` for some runs: into the run (or the folder of the runs), or to `out`.

    With `videos`, those episodes that deserve one are filmed and kept in their runs; without, such as are there
    are shown. Raises InputError where there is no run, or where the libraries for the page are not installed.
    """
    runs = gather(list(paths))
    path = out or paths[0] / "report.html"
    if path.is_dir():
        path = path / "report.html"
    problems: dict[Path, list[str]] = {run.folder: [] for run in runs}
    films: dict[tuple[Path, str], dict[int, dict[str, Any]]] = {}
    for run in runs:
        if chosen := worth_filming(run):
            try:
                pictures(run, chosen)
            except WriteError as error:
                problems[run.folder].append(str(error))
            films[run.folder, chosen.key] = film(run, chosen, videos, problems[run.folder])
    rooms = [m | {"run": label(run)} for run in runs if (m := room_maps(run, problems[run.folder]))]
    command = " ".join(["option-critic report", *map(str, paths)])
    page.write(path, page.build(runs, films, rooms, command, problems))
    for run in runs:
        for says in (*run.problems, *problems[run.folder]):
            say(f"{run.folder}: {says}", error=True)
    say(f"{len(runs)} run{'s' * (len(runs) > 1)} -> {path} ({path.stat().st_size / 1e6:.1f} MB)")
    say(f"open it in a browser: {path.absolute().as_uri()}")


def worth_filming(run: RunData) -> Evaluated | None:
    """The evaluation whose episodes are pictured: the one that the page shows first."""
    return next((e for e in page.by_interest(run.evaluated) if e.trace is not None), None)


def pictures(run: RunData, evaluated: Evaluated) -> None:
    """Timelines of the same episodes, as PNG and SVG, in the run's folder `pictures`."""
    assert evaluated.trace is not None
    for why, episode in video.choose(evaluated.trace).items():
        title = f"{run.env_id}, {run.name}, {evaluated.result['goals']} episode {episode} ({why})"
        figure = picture(evaluated.trace, episode, run.option_names, title)
        save(figure, run.folder / "pictures" / f"{evaluated.key}-{episode}.png")


def film(run: RunData, evaluated: Evaluated, wanted: bool, problems: list[str]) -> dict[int, dict[str, Any]]:
    """Episode -> its video. What cannot be filmed is told, once."""
    trace = evaluated.trace
    assert trace is not None
    found: dict[int, dict[str, Any]] = {}
    episodes = video.choose(trace)
    with progress_bar(wanted=wanted) as progress:
        for why, episode in episodes.items():
            path, frames = run.folder / "videos" / f"{evaluated.key}-{episode}.mp4", video.last_frame(trace, episode)
            if wanted and not fresh(path, run, evaluated):
                bar = progress.add_task(f"{run.name}: {why}", total=frames)
                try:
                    video.render(run.env_id, run.option_names, trace, episode, path,
                                 on_frame=partial(progress.advance, bar))  # fmt: skip
                except VideoError as error:
                    problems.append(str(error))
                    break
            if fresh(path, run, evaluated):
                found[episode] = {"path": path, "fps": video.FPS, "frames": frames, "why": why}
    return found


def fresh(path: Path, run: RunData, evaluated: Evaluated) -> bool:
    """Whether a video is there and not older than the trace that it shows."""
    trace = run.folder / "traces" / f"{evaluated.key}.safetensors"
    return path.exists() and path.stat().st_mtime >= trace.stat().st_mtime


def check_libraries() -> None:
    """Raise InputError, before any work, where what the page needs is not installed."""
    for module in ("jinja2", "matplotlib", "plotly"):
        try:
            __import__(module)
        except ImportError as error:
            raise InputError(f'the page needs {error.name}: pip install "option-critic[report]"') from error
