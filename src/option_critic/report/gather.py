"""What a run folder holds, read for the page. What is missing or damaged is named, and the rest is shown."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from option_critic.evaluation.trace import Trace, TraceError
from option_critic.runs.files import check_format, read_json
from option_critic.runs.inventory import runs_in
from option_critic.runs.paths import CheckpointError, RunPath

Row = dict[str, Any]
KEPT = ("config.json", "metrics.jsonl", "evaluation.json", "diagnosis.json")
"""Each of them shows that a folder is a run's."""
NO_RECIPE = {"seed", "device", "torch_threads", "env_threads", "worker_timeout", "keep_checkpoints"}
"""Settings in which the runs of one recipe may differ."""


@dataclass(frozen=True)
class Evaluated:
    """One evaluation of a run: a goal set (or plain episodes) in one mode."""

    key: str
    """as in evaluation.json: step, goal set, mode"""
    result: Row
    """summary and rows of the episodes"""
    trace: Trace | None
    """none: it is missing, damaged or of another version"""

    @property
    def title(self) -> str:
        """For people."""
        return f"{self.result['goals']}, {self.result['mode']}, after {self.result['training_steps']:,} steps"


@dataclass(frozen=True)
class RunData:
    """All that can be said of one run."""

    folder: Path
    config: Row
    """settings and spaces; empty where config.json is missing"""
    versions: Row
    metrics: list[Row]
    timing: list[Row]
    alarms: list[Row]
    evaluated: list[Evaluated]
    """those of the last training step that was judged"""
    diagnosis: Row | None
    problems: tuple[str, ...]
    """what could not be read, a sentence each"""
    group: str = ""
    """of the seeds of one recipe: no other group on the page has this name"""

    @property
    def place(self) -> Path:
        """Where it lies: the same whatever way its folder was named."""
        named = self.folder.name not in ("", "..")
        return self.folder.parent.resolve() / self.folder.name if named else self.folder.resolve()

    @property
    def name(self) -> str:
        """Of the run within its group."""
        return self.place.name

    @property
    def settings(self) -> Row:
        """As in config.json."""
        return dict(self.config.get("settings", {}))

    @property
    def option_names(self) -> tuple[str, ...]:
        """K names, in the order of the options."""
        options = self.settings.get("options", {})
        names = options.get("option_names") or [f"option-{k}" for k in range(int(options.get("num_options", 0)))]
        return tuple(str(name) for name in names)

    @property
    def env_id(self) -> str:
        """Of the environment; empty where the settings are gone."""
        return str(self.settings.get("env_id", ""))


def gather(paths: list[Path]) -> list[RunData]:
    """The runs at `paths`: run folders, or folders of such. Raises CheckpointError where there is none."""
    folders: dict[Path, Path] = {}
    for folder in (folder for path in paths for folder in runs_at(path)):
        folders.setdefault(folder.resolve(), folder)  # one run under two names is one run
    return in_groups([read(folder) for folder in folders.values()])


def in_groups(runs: Sequence[RunData]) -> list[RunData]:
    """Runs with the names of their groups: those that lie in one folder and differ in nothing but their seeds.

    Where runs in a folder differ in more, each recipe is a group, named after its first run.
    """
    places = []
    for run in runs:
        beside = [other for other in runs if other.place.parent == run.place.parent]
        alike = [other for other in beside if same_recipe(run.settings, other.settings)]
        places.append(run.place.parent if len(alike) == len(beside) else alike[0].place)
    names = apart(places)
    return [replace(run, group=names[place]) for run, place in zip(runs, places, strict=True)]


def same_recipe(a: Row, b: Row) -> bool:
    """Whether two runs have the same settings, as far as both tell them (older ones tell fewer), seeds apart."""
    return all(
        same_recipe(a[name], b[name]) if isinstance(a[name], dict) and isinstance(b[name], dict) else a[name] == b[name]
        for name in a.keys() & b.keys() - NO_RECIPE
    )


def apart(folders: Iterable[Path]) -> dict[Path, str]:
    """Each folder -> the shortest end of its path that tells it from the others."""
    different = dict.fromkeys(folders)

    def end(folder: Path) -> str:
        ends = (folder.parts[-n:] for n in range(1, len(folder.parts) + 1))
        return str(Path(*next(x for x in ends if sum(other.parts[-len(x) :] == x for other in different) == 1)))

    return {folder: end(folder) for folder in different}


def runs_at(path: Path) -> list[Path]:
    """The run folders at `path`, one without a config.json too if there are metrics or figures in it."""

    def is_run(folder: Path) -> bool:
        return any((folder / name).is_file() for name in KEPT)

    return [path] if is_run(path) else sorted(filter(is_run, path.glob("*"))) or [run.path for run in runs_in(path)]


def read(folder: Path) -> RunData:
    """One run; nothing that is wrong in it raises."""
    problems: list[str] = []
    config = whole(folder / "config.json", problems)
    evaluation = whole(folder / "evaluation.json", problems, missing="it was not evaluated: option-critic evaluate RUN")
    diagnosis = whole(folder / "diagnosis.json", problems, missing="it was not diagnosed: option-critic diagnose RUN")
    if diagnosis and not is_diagnosis(diagnosis):
        problems.append("diagnosis.json is damaged or of another version; run `option-critic diagnose` again")
        diagnosis = {}
    return RunData(
        folder=folder,
        config=config,
        versions=whole(folder / "versions.json", problems),
        metrics=lines(folder / "metrics.jsonl", problems),
        timing=lines(folder / "timing.jsonl", problems),
        alarms=lines(folder / "alarms.jsonl", []),
        evaluated=evaluations(folder, evaluation, held(config), problems),
        diagnosis=diagnosis or None,
        problems=tuple(problems),
    )


def whole(path: Path, problems: list[str], missing: str = "") -> Row:
    """A JSON object; empty, with a sentence in `problems`, where there is none that can be read."""
    if not path.exists():
        problems.append(f"{path.name} is missing" + (f" ({missing})" if missing else ""))
        return {}
    try:
        data = read_json(RunPath.of_file(path))
        if "format_version" in data:
            check_format(RunPath.of_file(path), data)
    except CheckpointError as error:
        problems.append(str(error))
        return {}
    return data


def lines(path: Path, problems: list[str]) -> list[Row]:
    """The rows of a log; a line that was cut in mid-writing is left out."""
    try:
        text = path.read_text(errors="replace")
    except OSError:
        problems.append(f"{path.name} is missing: there are no curves of the training")
        return []
    found, cut = [], 0
    for line in text.splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        if isinstance(row, dict) and isinstance(row.get("time/total_timesteps"), int | float):
            found.append(row)
        else:
            cut += 1
    if cut:
        problems.append(f"{path.name} has {cut} damaged line{'s' * (cut > 1)}, left out")
    return found


def held(config: Row) -> int | None:
    """For how many steps the run's actions are held; none where its settings do not say."""
    settings = config.get("settings")
    env = settings.get("env") if isinstance(settings, dict) else None
    count = env.get("action_repeat", 1) if isinstance(env, dict) else None
    return count if isinstance(count, int) and count > 0 else None


def evaluations(folder: Path, record: Row, action_repeat: int | None, problems: list[str]) -> list[Evaluated]:
    """The evaluations after the most training steps, each with its trace if that can be read."""
    results = record.get("results")
    if not isinstance(results, dict):
        return []
    good = {key: r for key, r in results.items() if is_result(r)}
    if len(good) < len(results):
        problems.append("evaluation.json is damaged: some of its results cannot be read")
    last = max((r["training_steps"] for r in good.values()), default=0)
    found, lost = [], dict[str, list[str]]()
    for key, result in good.items():
        if result["training_steps"] < last:
            continue
        try:
            trace, _ = Trace.load(RunPath.of(folder) / "traces" / f"{key}.safetensors", action_repeat)
        except TraceError as error:
            lost.setdefault(error.why, []).append(key)
            trace = None
        if trace is not None and len(trace.length) != len(result["episodes"]):
            problems.append(f"the trace of {key} does not fit its results; run `option-critic evaluate` again")
            trace = None
        found.append(Evaluated(key, result, trace))
    problems += [f"no timelines of {', '.join(keys)}: {why}" for why, keys in lost.items()]
    return found


def is_result(result: Any) -> bool:
    """Whether this is what `evaluate` writes."""
    return (
        isinstance(result, dict)
        and isinstance(result.get("training_steps"), int)
        and isinstance(result.get("summary"), dict)
        and isinstance(result.get("episodes"), list)
        and {"goals", "mode"} <= result.keys()
    )


def is_diagnosis(record: Row) -> bool:
    """Whether this is what `diagnose` writes."""
    found, taken = record.get("diagnosis"), record.get("ablations")
    names = {"name", "share", "phases", "meant_for", "duration", "cut_duration"}
    return (
        isinstance(found, dict)
        and isinstance(found.get("options"), list)
        and all(isinstance(o, dict) and names <= o.keys() for o in found["options"])
        and isinstance(taken, dict)
        and all(isinstance(figures, dict) for figures in taken.values())
    )
