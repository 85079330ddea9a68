"""How much an evaluation may be asked for. Read without PyTorch, so that the command line answers at once."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from option_critic.errors import InputError
from option_critic.value_types import check_range, check_ranges, conform

RANGES = {"episodes": (1, 100_000), "workers": (0, 1024), "max_episode_steps": (1, 1_000_000_000)}
GOAL_SETS = {"A": (42,), "B": (10001, 10002, 10003, 10004), "C": (10001, 10002, 10003, 10004), "D": (20001, 20002)}
"""Set of Meta-World's goals -> the seeds that they are drawn from."""
GOAL_SEEDS = (0, 2**32 - 1)
"""What the generator of Meta-World's goals takes."""
MAX_EPISODE_STEPS = 10_000
"""Where nothing ends an episode of an evaluation before, this does. Meta-World's have 500 steps."""
MAX_NUMBERS = 500_000_000
"""Of a trace: 4 GB."""


@dataclass(frozen=True)
class Effort:
    """How much one evaluation may cost. Raises InputError for what makes no sense."""

    episodes: int
    workers: int = 0
    """Simulator processes; 0: one per core."""
    max_episode_steps: int = MAX_EPISODE_STEPS

    def __post_init__(self) -> None:
        conform(self)
        check_ranges(self, RANGES)


def check_goal_seed(seed: int) -> None:
    """Raise InputError for a seed from which Meta-World draws no goals."""
    check_range("the seed of goals", seed, *GOAL_SEEDS)


def check_goals(name: str, tasks: Iterable[str] = ()) -> None:
    """Raise InputError unless `name` is set A, B, C or D, or `seed-N`, and each of the tasks has such goals."""
    if re.fullmatch(r"seed-[0-9]{1,20}", name):
        check_goal_seed(int(name.removeprefix("seed-")))
    elif name not in GOAL_SETS:
        choices = f"{', '.join(GOAL_SETS)}, or --goals-seed N (0 to {GOAL_SEEDS[1]:,})"
        raise InputError(f"there is no goal set {name!r:.80}; choose among {choices}")
    elif name == "C" and (others := [task for task in tasks if not task.startswith("pick-place")]):
        raise InputError(f"goal set C is defined for pick-place only, not for {others[0]}")


def check_trace(episodes: int, steps: int, numbers: int) -> None:
    """Raise InputError where the record of so many episodes of up to `steps` steps, `numbers` each, takes too much
    memory."""
    if episodes * steps * numbers > MAX_NUMBERS:
        raise InputError(
            f"{episodes:,} episodes of up to {steps:,} steps are too much to record at a time; lower episodes or "
            f"max_episode_steps: multiplied they may come to {MAX_NUMBERS // numbers:,} with this agent"
        )
