"""What a person sees of a sweep: a table in a terminal, lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Sequence
from types import TracebackType
from typing import Self

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from option_critic.runs.paths import RunPath
from option_critic.sweeps.index import Standing, standing_of
from option_critic.sweeps.jobs import Outcome
from option_critic.sweeps.plan import PlannedRun
from option_critic.terminal import Terminal, say

MOST_ROWS = 12
"""Of what runs and of what failed: the rest is counted."""
PIPED_SECONDS = 60.0
"""Between two lines where nobody watches."""
RECENT = 20
"""Failures whose reasons are kept in view."""


class SweepDisplay:
    """Use as a context; call `show` now and then, `ended` for each run, `close` at the very end."""

    def __init__(self, out: RunPath, runs: Sequence[PlannedRun], done: int) -> None:
        self.out, self.count, self.done = out, len(runs), done
        self.failed: dict[str, str] = {}
        self.others = {"interrupted": 0, "elsewhere": 0}
        self.totals = {run: run.resolved().total_timesteps for run in runs} if done < len(runs) else {}
        self.before = {run: self.standing(run).steps for run in self.totals}
        self.left = {run: max(0, total - self.before[run]) for run, total in self.totals.items()}
        self.started = self.told = time.monotonic()
        self.named: set[str] = set()
        self.console = Terminal()
        self.watched = self.console.is_terminal
        self.live = Live(console=self.console, refresh_per_second=2, transient=True)

    def __enter__(self) -> Self:
        say(f"{self.count} run{'s' * (self.count > 1)}, {self.done} done before -> {self.out}")
        if self.watched:
            self.live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self.watched:
            self.live.stop()

    def standing(self, run: PlannedRun) -> Standing:
        """Where a run stands."""
        return standing_of(run.folder(self.out))

    def ended(self, run: PlannedRun, outcome: Outcome) -> None:
        """A run ended."""
        reason = f": {outcome.reason}" if outcome.reason else ""
        if outcome.became == "done":
            self.done += 1
        elif outcome.became == "failed":
            self.failed[run.place] = outcome.reason
        else:
            self.others[outcome.became] += 1
        if outcome.became != "elsewhere":
            self.left[run] = 0
        word = "another command is at it" if outcome.became == "elsewhere" else outcome.became
        say(f"{run.place} {word}{reason if outcome.became == 'failed' else in_words(self.standing(run))}")

    def show(self, running: Sequence[PlannedRun]) -> None:
        """How far all is."""
        if not self.watched and not any(run.place not in self.named for run in running) and (
            time.monotonic() < self.told + PIPED_SECONDS
        ):  # fmt: skip
            return
        stand = {run: self.standing(run) for run in running}
        if self.watched:
            self.live.update(Group(Text(self.summary(stand)), self.table(stand)))
            return
        for run in running:
            if run.place not in self.named:
                self.named.add(run.place)
                say(f"{run.place} begins{in_words(stand[run]) if stand[run].steps else ''}")
        if time.monotonic() >= self.told + PIPED_SECONDS:
            self.told = time.monotonic()
            say(self.summary(stand))

    def summary(self, stand: dict[PlannedRun, Standing]) -> str:
        """One line."""
        waiting = self.count - self.done - len(self.failed) - sum(self.others.values()) - len(stand)
        parts = [f"{self.done} of {self.count} done", f"{len(stand)} running", f"{waiting} waiting"]
        parts += [f"{len(self.failed)} failed"] * bool(self.failed)
        seconds = self.seconds_left(stand)
        return ", ".join(parts) + ("" if seconds is None else f", about {duration(seconds)} left")

    def seconds_left(self, stand: dict[PlannedRun, Standing]) -> float | None:
        """By the steps that were trained since this command began; evaluations are not counted."""
        gone = {run: max(0, s.steps - self.before[run]) for run, s in stand.items()}
        ended = sum(self.totals[r] - self.before[r] for r, left in self.left.items() if not left)
        trained, left = sum(gone.values()) + ended, sum(self.left.values()) - sum(gone.values())
        seconds = time.monotonic() - self.started
        return None if trained <= 0 or seconds < 1 else max(0, left) * seconds / trained

    def table(self, stand: dict[PlannedRun, Standing]) -> Table:
        """What runs, and what failed and why; 80 columns."""
        table = Table(width=min(80, self.console.width))
        table.add_column("run", no_wrap=True, overflow="ellipsis", ratio=3)
        table.add_column("", overflow="ellipsis", no_wrap=True, ratio=2)
        table.add_column("steps", justify="right", no_wrap=True)
        table.add_column("success\nor return", justify="right", no_wrap=True)
        for run, s in list(stand.items())[:MOST_ROWS]:
            share = min(1.0, s.steps / self.totals[run])
            state = "judged" if share == 1 else f"running, {share:.0%}"
            table.add_row(run.place, state, f"{s.steps:,}", figure(s))
        for place, why in list(self.failed.items())[-MOST_ROWS:]:
            table.add_row(place, f"failed: {why}", "", "")
        return table

    def close(self) -> None:
        """The last lines."""
        say(f"{self.done} of {self.count} runs done in {duration(time.monotonic() - self.started)}")
        for place, why in list(self.failed.items())[:RECENT]:
            say(f"failed: {place}: {why or 'see its log'} ({self.out}/{place}.log)", error=True)
        if self.others["elsewhere"]:
            say(f"{self.others['elsewhere']} are run by another command")
        if self.done < self.count:
            say("the same command goes on with what is not done")
        say(f"next: option-critic report {self.out}")


def figure(s: Standing) -> str:
    """Success, or where the task has no such thing the return."""
    if s.success is not None:
        return f"{s.success:.0%}"
    return "-" if s.mean_return is None else f"{s.mean_return:,.1f}"


def in_words(s: Standing) -> str:
    """The end of a line about a run."""
    if not s.steps:
        return ""
    what = "any-step success" if s.success is not None else "return"
    return f" at {s.steps:,} steps, {what} {figure(s)} in training"


def duration(seconds: float) -> str:
    """In the largest units that matter."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
