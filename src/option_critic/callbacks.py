"""What a user wants to be told while an agent learns, and three that say when to stop and what to keep."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from option_critic.errors import InputError

if TYPE_CHECKING:
    from option_critic.evaluation.trace import Trace

Metrics = dict[str, float]


@dataclass(frozen=True)
class OptionEnd:
    """A run of an option that came to its end, in an evaluation episode while it trains."""

    episode: int
    """its number in the evaluation"""
    option: int
    name: str
    start: int
    """the step of the episode at which it was chosen, from 0 on"""
    steps: int
    """for which it ran"""
    why: Literal["learned", "forced", "episode"]
    """its termination; a limit, a definition or the lack of interest; or the episode's end"""
    reward: float
    """that was paid meanwhile"""


class Callback:
    """Told of a training. Override what you want to hear; any object with one of these methods will do."""

    def on_past(self, agent: Any, past: Sequence[Metrics]) -> None:
        """Once, where a training goes on that was stopped or killed: the metrics of the iterations that it has made."""

    def on_iteration(self, agent: Any, metrics: Metrics) -> bool | None:
        """After each iteration, with its metrics (those of an evaluation, `eval/...`, where there was one). False stops
        the training."""

    def on_boundary(self, agent: Any, checkpoint: Path) -> None:
        """After a scheduled checkpoint was written, in a training with a run folder."""

    def on_option_end(self, agent: Any, end: OptionEnd) -> None:
        """For each end of an option in the episodes of an evaluation (`evaluate_every`), in their order."""


class StopWhenSolved(Callback):
    """Stop once `metric` has been at least `at_least`, so many `times` in a row. Raises InputError, when it is first
    told, for a metric of evaluations where there are none."""

    def __init__(self, at_least: float, metric: str = "eval/success_any_rate", times: int = 1) -> None:
        self.at_least, self.metric, self.times, self.reached = at_least, metric, times, 0

    def on_past(self, agent: Any, past: Sequence[Metrics]) -> None:
        """As if it had been told."""
        for metrics in past:
            self.on_iteration(agent, metrics)

    def on_iteration(self, agent: Any, metrics: Metrics) -> bool:
        """False once it is; then it counts anew, for another training."""
        if (value := told(agent, metrics, self.metric)) is not None:
            self.reached = self.reached + 1 if value >= self.at_least else 0
        solved = self.reached >= self.times
        if solved:
            self.reached = 0
        return not solved


class StopOnPlateau(Callback):
    """Stop once `metric` has not risen by more than `least` over its best, `patience` times in a row. Raises InputError
    as the others."""

    def __init__(self, patience: int, metric: str = "eval/mean_reward", least: float = 0.0) -> None:
        self.patience, self.metric, self.least, self.best, self.since = patience, metric, least, -math.inf, 0

    def on_past(self, agent: Any, past: Sequence[Metrics]) -> None:
        """As if it had been told."""
        for metrics in past:
            self.on_iteration(agent, metrics)

    def on_iteration(self, agent: Any, metrics: Metrics) -> bool:
        """False once it has not; then it looks for a best anew, for another training."""
        if (value := told(agent, metrics, self.metric)) is not None:
            better = value > self.best + self.least
            self.best, self.since = (value, 0) if better else (self.best, self.since + 1)
        stopped = self.since >= self.patience
        if stopped:
            self.best, self.since = -math.inf, 0
        return not stopped


class KeepBest(Callback):
    """Save the agent to `folder` whenever `metric` is higher than ever. (A run folder keeps its `best` by evaluations
    anyway.) Raises InputError as the others."""

    def __init__(self, folder: str | Path, metric: str = "eval/mean_reward") -> None:
        self.folder, self.metric, self.best = folder, metric, -math.inf

    def on_past(self, agent: Any, past: Sequence[Metrics]) -> None:
        """What was saved stays until a metric is higher."""
        for value in (metrics.get(self.metric, -math.inf) for metrics in past):
            self.best = value if value > self.best else self.best  # NaN is not

    def on_iteration(self, agent: Any, metrics: Metrics) -> None:
        """Where it is."""
        value = told(agent, metrics, self.metric)
        if value is not None and value > self.best:
            self.best = value
            agent.save(self.folder)


def told(agent: Any, metrics: Metrics, name: str) -> float | None:
    """A metric, where this iteration has it. Raises InputError for one of evaluations where there are none."""
    if name.startswith("eval/") and not agent.settings.evaluate_every:
        raise InputError(f"{name} is found by evaluations while it trains: set evaluate_every")
    return metrics.get(name)


def ends_of(trace: Trace, names: Sequence[str]) -> Iterator[OptionEnd]:
    """Every end of an option in the episodes of a trace."""
    for e, length in enumerate(trace.length.tolist()):
        ends = np.flatnonzero(trace.ended[e, :length])
        bounds = [0, *ends[ends > 0].tolist(), length]
        for start, stop in pairwise(bounds):
            why = "episode" if stop == length else "forced" if trace.forced[e, stop] else "learned"
            k, paid = int(trace.option[e, start]), float(trace.reward[e, start:stop].sum())
            yield OptionEnd(e, k, names[k], start, stop - start, why, paid)  # type: ignore[arg-type]
