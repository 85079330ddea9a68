"""An environment of options, episode after episode, as tools ask for it."""

from __future__ import annotations

from typing import Any

import numpy as np

from option_critic.envs.contract import SUCCESS
from option_critic.errors import InputError
from option_critic.planning.option_env import OptionEnv
from option_critic.serve.answers import WHY, Change, Observation, Options, OptionTold, Ran
from option_critic.serve.describe import ends, measured, origin
from option_critic.serve.quantities import MOST, Quantities, changes, told
from option_critic.value_types import nearest

MAX_STEPS = 10_000
"""Steps of one call."""
USUAL_STEPS = 1000
MAX_SEED = 2**31 - 1


class Episodes:
    """One environment, and where its episode stands. The first episode begins when something is asked of it.

    Raises InputError for calls that make no sense, in words for whoever called.
    """

    def __init__(self, env: OptionEnv) -> None:
        self.env, self.quantities = env, Quantities(env)
        self.goals = None if self.quantities.task is None else self.quantities.task.goals
        self.episode, self.steps, self.over = 0, 0, False
        self.goal: int | None = None
        self.success: bool | None = None
        self._obs: Any = None
        self._origins = [origin(env.runner, k) for k in range(len(env.option_names))]

    def reset(self, goal: int | None, seed: int | None) -> Observation:
        """Begin an episode. `goal`: its number; none: the next one."""
        if goal is not None and self.goals is None:
            raise InputError("this environment has no goals with numbers; call reset without goal, or with a seed")
        if self.goals is not None and goal is not None and not 0 <= goal < len(self.goals):
            raise InputError(f"goal must be 0 to {len(self.goals) - 1}, got {goal}")
        if seed is not None and not 0 <= seed <= MAX_SEED:
            raise InputError(f"seed must be 0 to {MAX_SEED}, got {seed}")
        self.over = True  # until it has begun
        if self.goals is not None and self.quantities.task is not None:
            following = 0 if self.goal is None else self.goal + 1
            self.goal = (following if goal is None else goal) % len(self.goals)
            self.quantities.task.turn = self.goal
        self._obs, _ = self.env.reset(seed=seed)
        self.episode, self.steps, self.success, self.over = self.episode + 1, 0, None, False
        return self.observe()

    def observe(self) -> Observation:
        """What is observed now."""
        self._begin()
        return Observation(**self._state(), quantities=self.quantities.at(self._obs))

    def options(self) -> Options:
        """What there is to run."""
        self._begin()
        runner, interests = self.env.runner, self.env.interests()
        return Options(
            options=[
                OptionTold(
                    name=runner.names[k],
                    phase=option.phase,
                    origin=self._origins[k],
                    measured=measured(option),
                    interest=float(told(interests[k]) or 0.0),
                    may_start=bool(interests[k] > 0) and not self.over,
                    ends=ends(runner, k),
                    max_steps=None if (most := runner.most[k]) is None else most * runner.holds[k],
                )
                for k, option in enumerate(runner.options)
            ]
        )

    def run(self, name: str, max_steps: int) -> Ran:
        """Run an option until it ends, or so many steps."""
        names = self.env.option_names
        if name not in names:
            raise InputError(f"there is no option {name!r:.80}: there are {', '.join(names)}.{nearest(name, names)}")
        if not 1 <= max_steps <= MAX_STEPS:
            raise InputError(f"max_steps must be 1 to {MAX_STEPS:,}, got {max_steps}")
        self._begin()
        if self.over:
            raise InputError("the episode has ended; call reset to begin another")
        before, self.env.max_steps = self.quantities.at(self._obs, None), max_steps
        self.over = True  # where the environment fails
        self._obs, paid, terminated, truncated, info = self.env.step(names.index(name))
        self.over, self.steps = terminated or truncated, self.steps + info["option_steps"]
        if solved := [bool(info[key]) for key in SUCCESS if key in info]:
            self.success = bool(self.success) or any(solved)
        changed = list(changes(before, self.quantities.at(self._obs, None)).items())[:MOST]
        return Ran(
            **self._state(),
            option=name,
            option_steps=info["option_steps"],
            ended=info["end"],
            why=WHY[info["end"]],
            reward=told(np.sum(info["trace"].rewards)) or 0.0,
            discounted_reward=told(paid) or 0.0,
            discount=info["discount"],
            changed={name: Change(before=a, after=b) for name, (a, b) in changed},
        )

    def close(self) -> None:
        """Close the environment."""
        self.env.close()

    def _begin(self) -> None:
        if self.episode == 0:
            self.reset(None, None)

    def _state(self) -> dict[str, Any]:
        names = self.env.option_names
        return {
            "episode": self.episode,
            "goal": self.goal,
            "steps": self.steps,
            "success_so_far": self.success,
            "over": self.over,
            "may_start": [] if self.over else [names[k] for k in np.flatnonzero(self.env.action_masks())],
        }
