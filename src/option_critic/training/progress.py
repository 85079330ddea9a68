"""What a person sees of a training: a live panel in a terminal, a few plain lines in a pipe."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from rich.console import Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text

from option_critic.legible import visible
from option_critic.terminal import Terminal, say


def in_words(evaluation: Mapping[str, float], success_only: bool = False) -> str:
    """Success, where the task has such a thing, and return of an evaluation, by their names as metrics.

    `success_only`: its training is paid otherwise, so it is said which return this is.
    """
    success = evaluation.get("eval/success_any_rate")
    parts = [] if success is None else [f"any-step success {success:.0%}"]
    which = "official return" if success_only else "return"
    return ", ".join([*parts, f"{which} {evaluation['eval/mean_reward']:,.1f}"])


PIPED_LINES = 10
"""Lines that a training prints where nobody watches."""


class TrainingDisplay:
    """Use as a context; call `show` once an iteration."""

    def __init__(
        self, title: str, total: int, names: Sequence[str], enabled: bool = True, success_only: bool = False
    ) -> None:
        """`success_only`: returns of training are those of the success-only reward, and are called so."""
        self.title, self.total, self.names, self.enabled = title, total, names, enabled
        self.success_only = success_only
        self.console = Terminal()
        self.watched = enabled and self.console.is_terminal  # once: a terminal that closes is none any more
        self.bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            console=self.console,
            expand=True,
        )
        self.task = self.bar.add_task(title, total=total)
        self.live = Live(self.bar, console=self.console, refresh_per_second=4)
        self.printed, self.judged = 0, ""

    def __enter__(self) -> Self:
        if self.watched:
            self.live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self.watched:
            self.live.stop()

    def tell(self, line: str) -> None:
        """Print a line, before anything is shown; nothing if it is empty."""
        if self.enabled and line:
            say(line)

    def show(self, metrics: dict[str, float]) -> None:
        """Show the metrics of an iteration."""
        steps = int(metrics["time/total_timesteps"])
        if "eval/mean_reward" in metrics:
            self.judged = f"judged after {steps:,} steps: {in_words(metrics, self.success_only)}"
        if self.watched:
            self.bar.update(self.task, completed=min(steps, self.total))
            lines = (self.numbers(metrics), *filter(None, [self.judged]), visible(self.options(metrics)))
            self.live.update(Group(self.bar, *map(Text, lines)))
        elif self.enabled and steps * PIPED_LINES // self.total > self.printed:
            self.printed = steps * PIPED_LINES // self.total
            say(f"{self.title}  {steps:>9,} steps  {self.numbers(metrics)}")
            if self.judged:
                say(f"{self.title}  {self.judged}")
                self.judged = ""  # each is told once

    @contextmanager
    def judging(self, episodes: int) -> Iterator[Callable[[int, int], None]]:
        """While so many episodes of an evaluation run: what to call after each step of theirs, with the number of
        those that ended there, and of steps."""
        done = 0

        def on_step(ended: int, _: int) -> None:
            nonlocal done
            done += ended
            self.bar.update(self.task, description=f"{self.title}, judging: {done} of {episodes} episodes")

        on_step(0, 0)
        try:
            yield on_step
        finally:
            self.bar.update(self.task, description=self.title)

    def numbers(self, metrics: dict[str, float]) -> str:
        """Rate, return and success in one line of 80 columns."""
        returns, success = ("success-only return", "any-step") if self.success_only else ("return", "any-step success")
        parts = [f"{metrics['time/fps']:,.0f}/s"]
        if "rollout/ep_rew_mean" in metrics:
            parts.append(f"{returns} {metrics['rollout/ep_rew_mean']:,.1f}")
        if "rollout/success_any_rate" in metrics:
            parts.append(f"{success} {metrics['rollout/success_any_rate']:.0%}")
        return "  ".join(parts)

    def options(self, metrics: dict[str, float]) -> str:
        """Shares of the options and their mean duration in one line."""
        if len(self.names) == 1:
            return "one option (flat)"
        shares = "  ".join(f"{name} {metrics[f'option/share/{name}']:.0%}" for name in self.names)
        return f"{shares}  mean duration {metrics['option/duration']:.1f} steps"
