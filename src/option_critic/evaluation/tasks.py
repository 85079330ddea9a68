"""Several tasks at once, judged one after the other: figures of each, and their means."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from option_critic.envs.contract import Array
from option_critic.evaluation import metaworld_protocol
from option_critic.evaluation.intervals import Estimate, mean
from option_critic.evaluation.labels import SHARES
from option_critic.evaluation.option_figures import window
from option_critic.evaluation.trace import Trace

Summary = dict[str, Estimate | None]
TASK = "task"
"""What a trace of several tasks tells of each step beside the rest: the number of its task."""


@dataclass(frozen=True)
class TaskFigures:
    """What was found of one of several tasks."""

    summary: Summary
    shares: dict[str, float]
    """option -> share of the steps in which it ran, up to the first success and ten more"""

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"summary": {n: x.to_dict() if x else None for n, x in self.summary.items()}, "shares": self.shares}


def joined(traces: Sequence[Trace]) -> Trace:
    """The traces of several tasks, in their order, as one that tells the task of each step. What is shorter (episodes,
    goals) ends with zeros."""
    steps, goal = max(t.option.shape[1] for t in traces), max(t.goal.shape[1] for t in traces)

    def longer(x: Array, size: int) -> Array:
        return np.pad(x, [(0, 0), (0, size - x.shape[1]), *[(0, 0)] * (x.ndim - 2)])

    def column(name: str) -> Any:
        parts = [getattr(t, name) for t in traces]
        if name == "length":
            return np.concatenate(parts)
        return np.concatenate([longer(x, goal if name == "goal" else steps) for x in parts])

    told = [t.info | {TASK: np.full(t.option.shape, float(i))} for i, t in enumerate(traces)]
    names = dict.fromkeys(name for info in told for name in info)
    nothing = [np.zeros(t.option.shape) for t in traces]
    info = {n: np.concatenate([longer(i.get(n, zero), steps) for i, zero in zip(told, nothing, strict=True)])
            for n in names}  # fmt: skip
    return Trace(**{f.name: column(f.name) for f in fields(Trace) if f.name != "info"}, info=info)


def apart(trace: Trace, tasks: Sequence[str]) -> dict[str, Trace]:
    """Task -> its episodes, of those that there are."""
    number = trace.info[TASK][:, 0]
    return {task: trace.take(np.flatnonzero(number == i)) for i, task in enumerate(tasks) if (number == i).any()}


def by_task(trace: Trace, tasks: Sequence[str], names: Sequence[str]) -> dict[str, TaskFigures]:
    """Task -> its figures, with 95 % intervals over its episodes. `names`: of the options."""
    return {
        task: TaskFigures(metaworld_protocol.summary(own), shares(own, names))
        for task, own in apart(trace, tasks).items()
    }


def shares(trace: Trace, names: Sequence[str]) -> dict[str, float]:
    """Option -> share of the steps in which it ran, up to the first success and ten more."""
    option = trace.option[window(trace)]
    counts = np.bincount(option, minlength=len(names)) / max(1, len(option))
    return dict(zip(names, counts.tolist(), strict=True))


def means(found: Mapping[str, TaskFigures]) -> Summary:
    """The means over the tasks, each of which counts alike, with 95 % intervals over them."""
    each = [task.summary for task in found.values()]
    told = {name: mean([x.value for s in each if (x := s.get(name)) is not None]) for name in each[0]}
    return {name: x and within(x) if name in SHARES else x for name, x in told.items()}


def within(share: Estimate) -> Estimate:
    """A share with its interval cut at 0 and 1."""
    return Estimate(share.value, max(0.0, share.low), min(1.0, share.high), share.n)


def rows(trace: Trace, goals: Mapping[str, Array]) -> list[dict[str, object]]:
    """One record per episode, for evaluation.json, each with its task. `goals`: task -> [E, G]."""
    return [
        {TASK: task} | row
        for task, own in apart(trace, list(goals)).items()
        for row in metaworld_protocol.rows(own, metaworld_protocol.GoalSet(task, goals[task]))
    ]
