"""The protocol for "solves pick-place": goal sets, and what counts as success on an episode.

    A   MT1 seed 42, 50 goals: the official set
    B   MT1 seeds 10001 to 10004, 200 goals
    C   the part of B whose goals lie higher than 9 cm: there, nothing can be pushed under the goal
    D   MT1 seeds 20001 and 20002, 100 goals: for development

A, B and C are for finished recipes: tune on D, or the figures on A to C are worth nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from option_critic.envs.contract import Array, Mask
from option_critic.evaluation.goals import mt1_goals
from option_critic.evaluation.intervals import Estimate, mean, proportion
from option_critic.evaluation.limits import GOAL_SETS, check_goals
from option_critic.evaluation.trace import Trace

SEVERAL = "seed-10001"
"""Of each of several tasks that are judged together: goals of MT1. Those of MT10 and MT50 are spread alike, but not the
same: there one generator serves all tasks, in turn."""
LIFT = 0.02
"""An object counts as lifted once it is so far (m) above its start."""
HIGH_GOAL = 0.09
"""Goals above this height (m) cannot be reached by pushing on the table."""
GOAL_Z = 5
"""Where a random vector of pick-place holds the goal's height."""
SHORT = 200
"""Horizon of the second pair of success figures, for comparison with other work."""


@dataclass(frozen=True)
class GoalSet:
    """Goals under one name."""

    name: str
    vectors: Array
    """[E, 6] random vectors"""


def goal_set(task: str, name: str) -> GoalSet:
    """Set A, B, C or D, or `seed-N` for the goals of MT1 seed N. Raises InputError for what a task has none of."""
    check_goals(name, [task])
    if name not in GOAL_SETS:
        return GoalSet(name, mt1_goals(task, int(name.removeprefix("seed-"))))
    vectors = np.concatenate([mt1_goals(task, seed) for seed in GOAL_SETS[name]])
    if name == "C":
        vectors = vectors[vectors[:, GOAL_Z] > HIGH_GOAL]
    return GoalSet(name, vectors)


def usual_goals(tasks: Sequence[str]) -> str:
    """The goal set on which one task, or several at once, are judged where nobody says which."""
    return SEVERAL if len(tasks) > 1 else "D"


def success_by_episode(trace: Trace) -> dict[str, Mask]:
    """Name -> [E]: the ways in which an episode can count as solved."""
    success = (trace.info["success"] > 0) & trace.mask
    steps = np.arange(success.shape[1])[None]
    last = trace.length[:, None] - 1
    recent = (steps > last - 50) & trace.mask
    lifted = trace.info["object_height"] > trace.info["initial_height"][:, :1] + LIFT
    after_lift = np.logical_or.accumulate(lifted & trace.mask, axis=1)
    final, final_short = (np.take_along_axis(success, np.minimum(last, at), 1)[:, 0] for at in (last, SHORT - 1))
    return {
        "any": success.any(1),
        "final": final,
        "held": (success & recent).sum(1) >= 0.9 * recent.sum(1),
        "lifted": (success & after_lift).any(1),
        f"any_{SHORT}": success[:, :SHORT].any(1),
        f"final_{SHORT}": final_short,
    }


def steps_to_success(trace: Trace) -> Array:
    """[E] steps up to and with the first success; NaN without one."""
    success = (trace.info["success"] > 0) & trace.mask
    return np.where(success.any(1), success.argmax(1) + 1.0, np.nan)


def summary(trace: Trace) -> dict[str, Estimate | None]:
    """All figures of the protocol, with 95 % intervals."""
    first = steps_to_success(trace)
    figures = {name: proportion(flags) for name, flags in success_by_episode(trace).items()}
    return figures | {
        "steps_to_success": mean(first[np.isfinite(first)]),
        "return": mean(trace.reward.sum(1)),
    }


def rows(trace: Trace, goals: GoalSet) -> list[dict[str, object]]:
    """One record per episode, for evaluation.json."""
    flags, first = success_by_episode(trace), steps_to_success(trace)
    return [
        {
            "goal": goals.vectors[e].tolist(),
            "return": float(trace.reward[e].sum()),
            "length": int(trace.length[e]),
            "steps_to_success": None if np.isnan(first[e]) else int(first[e]),
            **{name: bool(x[e]) for name, x in flags.items()},
        }
        for e in range(len(trace.length))
    ]
