"""How much an evaluation may be asked for. Read without PyTorch, so that the command line answers at once."""

from __future__ import annotations

from option_critic.errors import InputError
from option_critic.value_types import check_range, conformed

EPISODES = (1, 100_000)
WORKERS = (0, 1024)
EPISODE_STEPS = (1, 1_000_000_000)
GOAL_SEEDS = (0, 2**32 - 1)
"""What the generator of Meta-World's goals takes."""
MAX_EPISODE_STEPS = 10_000
"""Where nothing else ends an episode of an evaluation, this does."""
MAX_NUMBERS = 500_000_000
"""Of a trace: 4 GB."""


def check_request(episodes: int, workers: int, max_episode_steps: int = MAX_EPISODE_STEPS) -> None:
    """Raise InputError for numbers of episodes, workers or steps that make no sense."""
    asked = {
        "episodes": (episodes, EPISODES),
        "workers": (workers, WORKERS),
        "max_episode_steps": (max_episode_steps, EPISODE_STEPS),
    }
    for name, (value, limits) in asked.items():
        check_range(name, conformed(name, int, value), *limits)


def check_goal_seed(seed: int) -> None:
    """Raise InputError for a seed from which Meta-World draws no goals."""
    check_range("the seed of goals", seed, *GOAL_SEEDS)


def check_trace(episodes: int, steps: int, numbers: int) -> None:
    """Raise InputError where the record of so many episodes of up to `steps` steps, `numbers` each, takes too much
    memory."""
    if episodes * steps * numbers > MAX_NUMBERS:
        most = max(1, MAX_NUMBERS // (steps * numbers))
        raise InputError(
            f"{episodes:,} episodes of up to {steps:,} steps are too much to record at a time: "
            f"lower episodes (to {most:,}) or max_episode_steps"
        )
