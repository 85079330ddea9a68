"""What ran with which settings, and what came of it: sweep.json in the folder of a sweep, and where its runs stand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import msgspec

from option_critic.envs.metaworld import tasks_of
from option_critic.presets import settings_for
from option_critic.runs.figures import read_evaluation
from option_critic.runs.files import FORMAT_VERSION, check_format, read_json, write_json, writing
from option_critic.runs.inventory import position
from option_critic.runs.locks import figures
from option_critic.runs.logs import STEPS, last_row
from option_critic.runs.paths import CheckpointError, RunPath
from option_critic.sweeps.plan import PlannedRun

INDEX = "sweep.json"
SUCCESS, RETURN = "rollout/success_any_rate", "rollout/ep_rew_mean"


@dataclass(frozen=True)
class Standing:
    """How far a run is."""

    steps: int = 0
    success: float | None = None
    """any-step success of recent training episodes, where the task has such a thing"""
    mean_return: float | None = None
    """of the same"""


def standing_of(folder: RunPath) -> Standing:
    """Where a run stands, by the last line of its metrics, whoever trains it."""
    try:
        row = last_row(folder / "metrics.jsonl")
    except CheckpointError:
        row = None
    return Standing() if row is None else Standing(int(row[STEPS]), row.get(SUCCESS), row.get(RETURN))


def is_done(run: PlannedRun, out: RunPath) -> bool:
    """Whether a run is trained to its end and judged as its plan says."""
    folder = run.folder(out)
    where = position(folder)
    if where is None or where[0] < where[1]:
        return False
    there = results_of(folder)
    return all(f"{where[0]:012d}-{name}-{mode}" in there for name, mode in judgements(run))


def judgements(run: PlannedRun) -> list[tuple[str, str]]:
    """(goal set, mode) of each result that its evaluation gives."""
    if run.evaluation is None:
        return []
    plain = not tasks_of(settings_for(run.target).env_id)
    sets = ["episodes"] if plain else run.evaluation.sets
    return [(name, mode) for name in sets for mode in run.evaluation.modes]


def results_of(folder: RunPath) -> dict[str, dict[str, Any]]:
    """Key in evaluation.json -> figure -> its value and interval; nothing where it cannot be read."""
    try:
        found = read_evaluation(folder / "evaluation.json").sound()
    except CheckpointError:
        return {}
    return {
        key: {name: None if x is None else msgspec.to_builtins(x) for name, x in result.summary.items()}
        for key, result in found.items()
    }


def entry(run: PlannedRun, out: RunPath, status: str, reason: str = "") -> dict[str, Any]:
    """What the index says of a run."""
    folder, plain = run.folder(out), msgspec.to_builtins(dict(run.settings), enc_hook=str)
    where = position(folder)
    return {
        "name": run.name, "target": run.target, "seed": run.seed, "settings": plain,
        "evaluation": None if run.evaluation is None else msgspec.to_builtins(run.evaluation),
        "status": status, "reason": reason, "steps": where[0] if where else 0, "results": results_of(folder),
    }  # fmt: skip


def read_index(out: RunPath) -> dict[str, Any]:
    """What sweep.json holds: place of a run -> its entry, under `runs`. Raises CheckpointError if it is damaged."""
    file = out / INDEX
    if file.kind() == "none":
        return {"format_version": FORMAT_VERSION, "runs": {}}
    record = read_json(file)
    check_format(file, record)
    if not isinstance(record.get("runs"), dict):
        raise CheckpointError(f"{file} is damaged: it holds no runs. Move it away and give the command again.")
    return record


def keep(out: RunPath, entries: Callable[[Mapping[str, Any]], Mapping[str, Mapping[str, Any]]]) -> None:
    """Add entries to the index, or replace them, by what it holds at that moment, whoever else adds some. Raises
    WriteError."""
    with writing(out / INDEX), figures(out):
        record = read_index(out)
        record["runs"] |= entries(record["runs"])
        write_json(out / INDEX, record)


def begin(out: RunPath, runs: Iterable[PlannedRun]) -> None:
    """Name all runs in the index; of those that it knows it keeps what became of them."""
    with writing(out):
        out.make()
    keep(out, lambda there: {run.place: entry(run, out, status_of(run, out, there)) for run in runs})


def status_of(run: PlannedRun, out: RunPath, there: Mapping[str, Any]) -> str:
    """done, waiting, or what became of it in a command before."""
    if is_done(run, out):
        return "done"
    before = there.get(run.place)
    known = before.get("status") if isinstance(before, dict) else None
    return known if known in ("failed", "interrupted") else "waiting"
