"""What a run folder holds, read for the page. What is missing or damaged is named, and the rest is shown.

A stranger may have written it: each file has its record (`runs/figures.py`, `runs/run_config.py`,
`evaluation/trace.py`) and a size, and so has all of it together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from option_critic.errors import InputError
from option_critic.evaluation.trace import Trace, TraceError
from option_critic.report.groups import in_groups
from option_critic.report.run_data import CURVES, JUDGED, OVER_TRAINING, SHARE, Evaluated, RunData, by_interest, several
from option_critic.runs import figures
from option_critic.runs.files import MAX_JSON, FormatError
from option_critic.runs.inventory import runs_below, runs_in
from option_critic.runs.locks import figures as locked
from option_critic.runs.logs import Row, read_thinned
from option_critic.runs.paths import MAX_LOG, CheckpointError, RunPath
from option_critic.runs.played import file_of, numbers_in
from option_critic.runs.run_config import RunConfig, read_config

T = TypeVar("T")
KEPT = ("config.json", "metrics.jsonl", "evaluation.json", "diagnosis.json")
"""Each of them shows that a folder is a run's."""
MAX_RUNS = 100
MAX_EVALUATIONS = 20
"""Of one run; those that the page shows first."""
MAX_PLAYED = 3
"""Sessions of one run that people played; the last ones."""
MAX_ROWS = 5_000
"""Of a log. A chart shows 160 of them."""
MAX_TRACES = 2 << 30
"""Bytes of all traces together."""
EMPTY = RunData(RunPath.of("."), None, "", (), {}, [], [], [], [], [], None, ())


@dataclass
class Room:
    """What may still be read, for all runs together."""

    traces: int = MAX_TRACES


def gather(paths: list[Path]) -> list[RunData]:
    """The runs at `paths`: run folders, or folders of such. Raises CheckpointError where there is none, or nothing that
    can be read in any."""
    folders: dict[Path, RunPath] = {}
    for folder in (folder for path in paths for folder in runs_at(path)):
        folders.setdefault(folder.path.resolve(), folder)  # one run under two names is one run
    room, chosen = Room(), list(folders.values())[:MAX_RUNS]
    runs = [read(folder, room) for folder in chosen]
    if not any(run.tells for run in runs):
        raise CheckpointError(f"{chosen[0]} holds nothing that can be shown: {'; '.join(runs[0].problems)}")
    if len(folders) > MAX_RUNS:
        many = f"only the first {MAX_RUNS} of {len(folders):,} runs are shown"
        runs[0] = replace(runs[0], problems=(*runs[0].problems, many))
    return in_groups(runs)


def runs_at(path: Path) -> list[RunPath]:
    """The run folders at `path`, one without a config.json too if there are metrics or figures in it; where none lies
    there itself, those further below: of a sweep."""

    def is_run(folder: RunPath) -> bool:
        return any((folder / name).kind() != "none" for name in KEPT)

    folder = RunPath.of(path)
    if is_run(folder):
        return [folder]
    inside = [folder / name for name in folder.names() if "\\" not in name]
    if found := [run for run in inside if run.is_folder() and is_run(run)]:
        return found
    if links := [run for run in inside if run.kind() == "link"]:
        raise CheckpointError(f"{path} holds links, no runs; name the runs themselves: {links[0]}")
    return runs_below(path) or runs_in(path)


def read(folder: RunPath, room: Room) -> RunData:
    """One run; nothing that is wrong in it raises. Meanwhile nobody else changes its figures."""
    try:
        with locked(folder):
            return read_locked(folder, room)
    except InputError as error:
        return replace(EMPTY, folder=folder, problems=(str(error),))


def read_locked(folder: RunPath, room: Room) -> RunData:
    """The same, of a run that is held."""
    problems: list[str] = []
    config, wrong = read_config(folder)
    if wrong:
        problems.append("config.json is missing" if is_missing(folder / "config.json") and not config else wrong)
    record = told(
        figures.read_evaluation, folder / "evaluation.json", problems,
        "it was not evaluated: option-critic evaluate RUN",
    )  # fmt: skip
    diagnosis = told(
        figures.read_diagnosis, folder / "diagnosis.json", problems, "it was not diagnosed: option-critic diagnose RUN",
        "; run `option-critic diagnose` again",
    )  # fmt: skip
    names = config.shown.option_names if config else record.option_names if record else ()
    evaluated = [] if record is None else evaluations(folder, record, config, names, room, problems)
    names = names or next((unnamed(e.trace) for e in evaluated if e.trace is not None), ())
    wanted = {*(name for some in CURVES.values() for name in some), *OVER_TRAINING.values(), *map(SHARE.format, names)}
    return RunData(
        folder=folder,
        config=config,
        env_id=(config.shown.env_id if config else "") or next((r.env_id for r in (record, diagnosis) if r), ""),
        options=names,
        versions=told(figures.read_versions, folder / "versions.json", problems) or {},
        metrics=lines(folder / "metrics.jsonl", wanted, problems, "there are no curves of the training"),
        by_task=last_of_tasks(folder / "metrics.jsonl", config, names),
        judged=evaluations_in(folder / "metrics.jsonl", config),
        timing=lines(folder / "timing.jsonl", ["time/time_elapsed"], problems, "there are no curves of the training"),
        alarms=lines(folder / "alarms.jsonl", ["says"], problems, limit=MAX_JSON),
        evaluated=fitting(evaluated, len(names), problems),
        played=played(folder, config, len(names), room, problems),
        diagnosis=diagnosis,
        problems=tuple(problems),
    )


def is_missing(path: RunPath) -> bool:
    """Whether nothing is there."""
    return path.kind() == "none"


def unnamed(trace: Trace) -> tuple[str, ...]:
    """Names for the options of a trace, where no file tells them."""
    return tuple(f"option-{k}" for k in range(trace.q.shape[-1]))


def told(
    read_file: Callable[[RunPath], T], path: RunPath, problems: list[str], missing: str = "", again: str = ""
) -> T | None:
    """What a file says; none, with a sentence in `problems`, where it cannot be read."""
    if is_missing(path):
        problems.append(f"{path.name} is missing" + (f" ({missing})" if missing else ""))
        return None
    try:
        return read_file(path)
    except FormatError as error:
        problems.append(str(error))
    except CheckpointError as error:
        problems.append(f"{error}{again}")
    return None


def lines(
    path: RunPath, names: Iterable[str], problems: list[str], missing: str = "", limit: int = MAX_LOG
) -> list[Row]:
    """What the rows of a log say under `names`; a line that was cut in mid-writing is left out.

    `missing`: what there is not without it; empty where a run need not have it.
    """
    if is_missing(path):
        if missing:
            problems.append(f"{path.name} is missing: {missing}")
        return []
    try:
        found, damaged, whole = read_thinned(path, names, MAX_ROWS, limit)
    except CheckpointError as error:
        problems.append(str(error))
        return []
    if damaged:
        problems.append(f"{path.name} has {damaged} damaged line{'s' * (damaged > 1)}, left out")
    if not whole:
        problems.append(f"{path.name} is longer than any of a run; its end is left out")
    return found


def last_of_tasks(metrics: RunPath, config: RunConfig | None, names: Iterable[str]) -> Row:
    """What the last row of a log says of each of several tasks; what is wrong with the log was told before."""
    tasks = several(config.shown.env_id) if config else ()
    if not tasks or is_missing(metrics):
        return {}
    wanted = ["success_any_rate", *(f"share/{name}" for name in names)]
    try:
        return read_thinned(metrics, [f"task/{t}/{name}" for t in tasks for name in wanted], 1)[0][-1]
    except (CheckpointError, IndexError):
        return {}


def evaluations_in(metrics: RunPath, config: RunConfig | None) -> list[Row]:
    """The rows of a log that hold an evaluation while it trained; what is wrong with the log was told before."""
    if is_missing(metrics) or (config is not None and not config.written.get("evaluate_every")):
        return []
    try:
        return read_thinned(metrics, JUDGED.values(), MAX_ROWS, needed=JUDGED["return"])[0]
    except CheckpointError:
        return []


def evaluations(
    folder: RunPath,
    record: figures.Evaluation,
    config: RunConfig | None,
    names: tuple[str, ...],
    room: Room,
    problems: list[str],
) -> list[Evaluated]:
    """The evaluations after the most training steps, each with its trace if that can be read."""
    good = record.sound()
    if len(good) < len(record.results):
        problems.append("evaluation.json is damaged: some of its results cannot be read")
    last = max((r.training_steps for r in good.values()), default=0)
    found = by_interest([Evaluated(r, None) for r in good.values() if r.training_steps == last])
    if len(found) > MAX_EVALUATIONS:
        problems.append(f"only {MAX_EVALUATIONS} of {len(found)} evaluations are shown")
    lost = dict[str, list[str]]()
    traces = dict[str, Trace]()
    for e in found[:MAX_EVALUATIONS]:
        path = folder / "traces" / f"{e.key}.safetensors"
        try:
            room.traces -= found_size(path)
            if room.traces < 0:
                raise TraceError(path, f"is left out: all traces together are larger than {MAX_TRACES >> 30} GB")
            traces[e.key], _ = Trace.load(path, config.shown.env.action_repeat if config else None)
        except TraceError as error:
            lost.setdefault(error.why, []).append(e.key)
    problems += [f"no timelines of {', '.join(keys)}: {why}" for why, keys in lost.items()]
    shown = {e.key for e in found[:MAX_EVALUATIONS]}
    return [Evaluated(good[key], traces.get(key)) for key in good if key in shown]


def played(
    folder: RunPath, config: RunConfig | None, num_options: int, room: Room, problems: list[str]
) -> list[Evaluated]:
    """The last sessions that people played (`option-critic play`), for their timelines: no figure counts them."""
    found = []
    for number in numbers_in(folder)[-MAX_PLAYED:]:
        path = file_of(folder, number)
        try:
            room.traces -= found_size(path)
            if room.traces < 0:
                raise TraceError(path, f"is left out: all traces together are larger than {MAX_TRACES >> 30} GB")
            trace, _ = Trace.load(path, config.shown.env.action_repeat if config else None)
        except TraceError as error:
            problems.append(str(error))
            continue
        if trace.q.shape[-1] == num_options:
            found.append(Evaluated(of_session(number, trace), trace))
    return found


def of_session(number: int, trace: Trace) -> figures.Result:
    """What a page needs to know of a session, as if it was an evaluation."""
    rows = tuple(
        figures.EpisodeRow(length=int(n), return_=float(r.sum()))
        for n, r in zip(trace.length, trace.reward, strict=True)
    )
    return figures.Result(0, f"played-{number}", "deterministic", {}, rows)


def found_size(path: RunPath) -> int:
    """Bytes of a file; 0 where there is none."""
    status = path.status()
    return 0 if status is None else status.st_size


def fitting(evaluated: list[Evaluated], num_options: int, problems: list[str]) -> list[Evaluated]:
    """The evaluations, those without their traces whose traces are of other episodes or of other options."""
    found = []
    for e in evaluated:
        if e.trace is not None and not fits(e.trace, e.result, num_options):
            problems.append(f"the trace of {e.key} does not fit its results; run `option-critic evaluate` again")
            e = replace(e, trace=None)
        found.append(e)
    return found


def fits(trace: Trace, result: figures.Result, num_options: int) -> bool:
    """Whether a trace is of the episodes of a result, each as long, and of so many options."""
    lengths = [row.length for row in result.episodes]
    return bool(trace.length.tolist() == lengths) and trace.q.shape[-1] == num_options
