"""The bar of an evaluation: episodes that are done, and steps, so that something moves within a long one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.progress import TextColumn

from option_critic.evaluation.episodes import OnStep
from option_critic.terminal import progress_bar


@contextmanager
def counting(episodes: int) -> Iterator[OnStep]:
    """What to call after each step. Nothing is shown where nobody watches."""
    with progress_bar(TextColumn("{task.fields[steps]:,} steps")) as progress:
        bar, steps = progress.add_task("episodes", total=episodes, steps=0), 0

        def on_step(ended: int, recorded: int) -> None:
            nonlocal steps
            steps += recorded
            progress.update(bar, advance=ended, steps=steps)

        yield on_step
