"""What a run's evaluation.json and diagnosis.json say of one of its options."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TypeVar

from option_critic.runs.figures import Diagnosis, Interval, read_diagnosis, read_evaluation
from option_critic.runs.paths import CheckpointError, RunPath
from option_critic.skills.record import Measured

T = TypeVar("T")


def measured_of(run: RunPath, training_steps: int, option: str) -> Measured:
    """Of an option of the agent that had so many steps; empty where nothing was found of that one. A damaged file is
    named in a warning."""
    found = success_of(run, training_steps)
    success, success_from = found if found is not None else (None, "")
    diagnosis = read_if(read_diagnosis, run / "diagnosis.json")
    if diagnosis is None or diagnosis.training_steps != training_steps:
        return Measured(success=success, success_from=success_from)
    where = told_of(diagnosis.goals or "episodes", "deterministic", diagnosis.diagnosis.episodes)
    if success is None:
        success = alone(diagnosis)
        success_from = where if success is not None else ""
    row = next((o for o in diagnosis.diagnosis.options if o.name == option), None)
    if row is None:
        return Measured(success=success, success_from=success_from)
    return Measured(success, success_from, row.duration, row.cut_duration, row.share, where)


def success_of(run: RunPath, training_steps: int) -> tuple[Interval, str] | None:
    """Success at any step, deterministic, by the evaluation with the most episodes; and which that was."""
    record = read_if(read_evaluation, run / "evaluation.json")
    results = record.sound().values() if record is not None else ()
    judged = [
        (len(r.episodes), r.key, success, told_of(r.goals, r.mode, len(r.episodes)))
        for r in results
        if r.training_steps == training_steps
        and r.mode == "deterministic"
        and (success := r.summary.get("any")) is not None
    ]
    return max(judged)[2:] if judged else None


def alone(diagnosis: Diagnosis) -> Interval | None:
    """The same of the agent as it is, in a diagnosis."""
    value = next(iter(diagnosis.ablations.values()), {}).get("any")  # the first takes nothing away
    if value is None or value.low is None or value.high is None:
        return None
    return Interval(value.value, value.low, value.high, value.n)


def told_of(goals: str, mode: str, episodes: int | None) -> str:
    """Which evaluation it was: goals D, deterministic, 100 episodes."""
    sets = [] if goals == "episodes" else [f"goals {goals}"]
    return ", ".join([*sets, mode, *([] if episodes is None else [f"{episodes:,} episodes"])])


def read_if(read: Callable[[RunPath], T], path: RunPath) -> T | None:
    """What a file says; none where there is none, or none that can be read."""
    if path.kind() == "none":
        return None
    try:
        return read(path)
    except CheckpointError as error:
        warnings.warn(f"{error}. Nothing is taken from it.", stacklevel=3)
        return None
