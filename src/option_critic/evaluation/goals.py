"""The goals that Meta-World's MT1 benchmark draws from a seed."""

from __future__ import annotations

import functools
import json
from importlib import resources

import numpy as np

from option_critic.envs.contract import Array
from option_critic.envs.metaworld import raw_environment

GOALS_PER_SEED = 50
"""Goals that MT1 draws from one seed."""


@functools.cache
def mt1_goals(task: str, seed: int) -> Array:
    """The 50 random vectors of `metaworld.MT1(task, seed)`: [50, 6] for pick-place.

    Those of the evaluation protocol are kept in `goal_sets/<task>.json`, so that another version of the
    package cannot move them unseen; others are drawn as the package draws them.
    """
    stored = resources.files("option_critic.evaluation") / "goal_sets" / f"{task}.json"
    if stored.is_file():
        sets = json.loads(stored.read_text())["mt1"]
        if str(seed) in sets:
            return np.array(sets[str(seed)])
    return draw_mt1_goals(task, seed)


def draw_mt1_goals(task: str, seed: int) -> Array:
    """Draw MT1's goals for a seed in the order of the official package (about half a second)."""
    before = np.random.get_state()
    np.random.seed(seed)
    try:
        env = raw_environment(task)
        env._freeze_rand_vec, env._set_task_called = False, True
        vectors = []
        for _ in range(GOALS_PER_SEED):
            env.reset()
            vectors.append(env._last_rand_vec.copy())
        env.close()
    finally:
        np.random.set_state(before)
    return np.array(vectors)
