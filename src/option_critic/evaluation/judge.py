"""Judge an agent while it trains, on episodes of which nothing is learned."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

from option_critic.envs.contract import Array
from option_critic.envs.metaworld import tasks_of
from option_critic.errors import InputError, RunError
from option_critic.evaluation import metaworld_protocol
from option_critic.evaluation.episodes import OnStep
from option_critic.evaluation.evaluate import (
    Judged,
    check_official,
    goals_of,
    plain_limits,
    plain_summary,
    run_plain,
    run_tasks,
    telling,
)
from option_critic.evaluation.intervals import mean
from option_critic.evaluation.limits import MAX_EPISODE_STEPS
from option_critic.evaluation.trace import Trace

GOALS = "D"
"""The goal set for development: figures on the others are for finished recipes."""
NAMES = {
    "return": "eval/mean_reward",
    "length": "eval/mean_ep_length",
    "final": "eval/success_rate",
    "any": "eval/success_any_rate",
    "held": "eval/success_held_rate",
    "lifted": "eval/success_lifted_rate",
    "steps_to_success": "eval/steps_to_success",
}
"""Figure of `evaluate` -> metric; Stable-Baselines3's names where they mean the same."""
Showing = Callable[[int], AbstractContextManager[OnStep]]
"""Around so many episodes: shows that they are run, and gets what to call after each of their steps."""


class Judge:
    """Runs the same episodes each time, in deterministic mode, as `evaluate` does: with seeds and generators of its
    own, on one thread, with weights and normalisers as they are. So it changes nothing of the training.

    Environments are made anew for each evaluation and closed after it. What is found then depends on the weights
    alone, also where an environment keeps something between episodes: a training that goes on from a checkpoint finds
    the same. And no simulators take memory while it trains: 20 of Meta-World's are 0.6 GB, and a fifth of the time.
    """

    def __init__(self, agent: Judged, on_trace: Callable[[Trace], None] = lambda _: None) -> None:
        """`on_trace` sees the episodes of each evaluation. Raises InputError where `agent` cannot be judged, or not on
        so many episodes as its settings say."""
        self.on_trace = on_trace
        self.agent, self.tasks = agent, tasks_of(agent.settings.env_id)
        self.episodes, self.goals = agent.settings.evaluate_episodes, dict[str, Array]()
        try:
            if agent.source.own_number is not None:
                raise InputError(f"{agent.source.name} is there once, and is trained; pass a function that makes it")
            if not self.tasks:
                plain_limits(agent, self.episodes, MAX_EPISODE_STEPS)
            else:
                check_official()
                self.goals = goals_of(self.tasks, GOALS, self.episodes)
                self.episodes = sum(map(len, self.goals.values()))
        except InputError as error:
            raise InputError(f"it cannot be judged while it trains (evaluate_every): {error}") from error

    def __call__(self, showing: Showing) -> dict[str, float]:
        """The figures of the agent as it is now, by their names as metrics. Raises RunError, and says where."""
        try:
            with showing(self.episodes) as on_step:
                trace = self._run(on_step)
        except (InputError, RunError) as error:
            steps = self.agent.state.env_steps
            raise RunError(f"in the evaluation after {steps:,} steps of training: {error}") from error
        self.on_trace(trace)
        if not self.tasks:
            (trace,) = telling(self.agent, [trace])
            found = plain_summary(trace)
        else:  # of several tasks each has as many episodes
            found = metaworld_protocol.summary(trace) | {"length": mean(trace.length)}
        return {metric: x.value for name, metric in NAMES.items() if (x := found.get(name)) is not None}

    def _run(self, on_step: OnStep) -> Trace:
        if not self.tasks:
            return run_plain(self.agent, self.episodes, True, on_step)
        return run_tasks(self.agent, self.goals, True, 0, on_step)
