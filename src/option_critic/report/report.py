"""The verb `report`: run folders -> pictures, videos where they are wanted, and one page."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from option_critic.envs.lookup import given, means
from option_critic.envs.source import Source
from option_critic.errors import InputError
from option_critic.legible import legible
from option_critic.report import page, video
from option_critic.report.four_rooms import room_maps
from option_critic.report.gather import gather
from option_critic.report.headless import VideoError
from option_critic.report.pictures import picture, rendered
from option_critic.report.run_data import Evaluated, RunData, by_interest
from option_critic.report.tables import label
from option_critic.report.tasks import task_picture
from option_critic.runs.files import WriteError, writing
from option_critic.runs.locks import figures
from option_critic.runs.paths import CheckpointError, RunPath
from option_critic.terminal import progress_bar, say


def report(paths: Sequence[Path], out: Path | None, videos: bool, env: str | None = None) -> None:
    """Write `report.html` for some runs: into the run (or the folder of the runs), or to `out`.

    With `videos`, those episodes that deserve one are filmed and kept in their runs; without, such as are there
    are shown. `env`: the user's own environment, where the runs' names alone do not lead there. Raises InputError
    where there is no run, or where the libraries for the page are not installed.
    """
    runs = gather(list(paths))
    own = None if env is None else given(env)
    path = place(paths[0], out)
    problems: dict[RunPath, list[str]] = {run.folder: [] for run in runs}
    films: dict[tuple[RunPath, str], dict[int, dict[str, Any]]] = {}
    room = [page.ROOM_FOR_VIDEOS]
    for run in runs:
        if chosen := worth_filming(run):
            try:
                pictures(run, chosen)
            except (WriteError, InputError) as error:
                problems[run.folder].append(str(error))
            films[run.folder, chosen.key] = film(
                run, chosen, filmed(run, own) if videos else None, room, problems[run.folder]
            )
    rooms = [m | {"run": label(run)} for run in runs if (m := room_maps(run, problems[run.folder]))]
    command = " ".join(["option-critic report", *map(str, paths)])
    size = page.write(path, page.build(runs, films, rooms, command, problems))
    for run in runs:
        for says in (*run.problems, *problems[run.folder]):
            say(f"{run.folder}: {says}", error=True)
    say(f"{len(runs)} run{'s' * (len(runs) > 1)} -> {path} ({size / 1e6:.1f} MB)")
    say(f"open it in a browser: {path.path.absolute().as_uri()}")


def place(first: Path, out: Path | None) -> RunPath:
    """Where the page goes: to the user's own place, or into the first folder, which may be a stranger's."""
    if out is None:
        return RunPath.of(first) / "report.html"
    return RunPath.of(out) / "report.html" if out.is_dir() else RunPath.of_file(out)


def worth_filming(run: RunData) -> Evaluated | None:
    """The evaluation whose episodes are pictured: the one that the page shows first."""
    return next((e for e in by_interest(run.evaluated) if e.trace is not None), None)


def pictures(run: RunData, evaluated: Evaluated) -> None:
    """Timelines of the same episodes, as PNG and SVG, in the run's folder `pictures`."""
    assert evaluated.trace is not None
    found = dict[str, bytes]()
    for why, episode in video.choose(evaluated.trace).items():
        title = f"{legible(run.env_id)}, {legible(run.name)}, {evaluated.result.goals} episode {episode} ({why})"
        for suffix, content in rendered(picture(evaluated.trace, episode, run.option_names, title)).items():
            found[f"{evaluated.key}-{episode}.{suffix}"] = content
    if (of_tasks := task_picture(run, evaluated)) is not None:
        found |= {f"{evaluated.key}-tasks.{suffix}": content for suffix, content in rendered(of_tasks).items()}
    folder = run.folder / "pictures"
    with figures(run.folder), writing(folder):
        for name, content in found.items():
            (folder / name).write(content)


def filmed(run: RunData, own: Source | None) -> Source:
    """The environment of a run: what the user named, if it can be that, else what its name leads to."""
    return own if own is not None and means(run.env_id, own.name) else Source(run.env_id)


def film(
    run: RunData, evaluated: Evaluated, source: Source | None, room: list[int], problems: list[str]
) -> dict[int, dict[str, Any]]:
    """Episode -> its video, while there is `room` (in characters of the page); what is left out stays in the folder.

    `source`: where to film it; none: not wanted. What cannot be filmed or read is told.
    """
    trace = evaluated.trace
    assert trace is not None
    found: dict[int, dict[str, Any]] = {}
    episodes = video.choose(trace)
    with progress_bar(wanted=source is not None) as progress:
        for why, episode in episodes.items():
            path, frames = run.folder / "videos" / f"{evaluated.key}-{episode}.mp4", video.last_frame(trace, episode)
            if source is not None and not fresh(path, run, evaluated):
                bar = progress.add_task(f"{run.name}: {why}", total=frames)
                try:
                    content, _ = video.render(source, run.option_names, trace, episode, env_kwargs=run.env_kwargs,
                                              on_frame=partial(progress.advance, bar))  # fmt: skip
                    with figures(run.folder), writing(path):
                        path.write(content)
                except (VideoError, WriteError, InputError) as error:
                    problems.append(str(error))
                    break
            try:
                if fresh(path, run, evaluated) and (content := embedded(path, run, room)):
                    found[episode] = {"content": content, "fps": video.FPS, "frames": frames, "why": why}
            except InputError as error:
                problems.append(str(error))
    return found


def embedded(path: RunPath, run: RunData, room: list[int]) -> bytes:
    """A video for the page; nothing where it is too large for the room that is left. Raises InputError for what is
    none."""
    with figures(run.folder):
        content = path.read(video.MAX_BYTES)
    if content[4:8] != b"ftyp":
        raise CheckpointError(f"{path} is no video; delete it, and film it again with --videos")
    takes = len(content) * 4 // 3
    if takes > room[0]:
        return b""
    room[0] -= takes
    return content


def fresh(path: RunPath, run: RunData, evaluated: Evaluated) -> bool:
    """Whether a video is there and not older than the trace that it shows."""
    film, trace = path.status(), (run.folder / "traces" / f"{evaluated.key}.safetensors").status()
    return film is not None and (trace is None or film.st_mtime >= trace.st_mtime)


def check_libraries() -> None:
    """Raise InputError, before any work, where what the page needs is not installed."""
    for module in ("jinja2", "matplotlib", "plotly"):
        try:
            __import__(module)
        except ImportError as error:
            raise InputError(f'the page needs {error.name}: pip install "option-critic[report]"') from error
