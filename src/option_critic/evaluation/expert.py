"""Meta-World's scripted expert, its steps labelled by the options' own definitions: what a hand-written switch
scores without having learned anything, to be shown beside every figure of an agent.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import torch

from option_critic.envs.contract import Array
from option_critic.envs.metaworld import ACTION_SPACE, HORIZON, PREFIX, OfficialTask, task_of
from option_critic.evaluation.episodes import Rows, to_trace
from option_critic.evaluation.evaluate import check_official
from option_critic.evaluation.option_figures import AFTER
from option_critic.evaluation.trace import Trace
from option_critic.options.interest import interest_at
from option_critic.options.settings import OptionSettings


def expert_trace(task: str, goals: Array, rules: OptionSettings) -> Trace:
    """One episode for each goal [E, 6], up to its first success and a little more.

    Its option is the most interested one, of several the last. What only an agent has is zero.
    """
    env, actions, episodes = OfficialTask(task, HORIZON, goals), scripted_actions(task), list[Rows]()
    try:
        for e in range(len(goals)):
            obs, _ = env.reset(seed=0) if e == 0 else env.reset()
            seen, rewards, infos = [obs], list[float](), list[dict[str, float]]()
            while len(rewards) < HORIZON and sum(i["success"] for i in infos) <= AFTER:
                obs, reward, _, _, info = env.step(actions(obs))
                seen.append(obs)
                rewards.append(reward)
                infos.append(info)
            episodes.append(labelled(np.array(seen[:-1]), rewards, infos, rules))
    finally:
        env.close()
    return to_trace(episodes)


def expert_steps(task: str, goals: Array) -> Array:
    """[E] steps up to and with the expert's first success on each goal [E, 6]; NaN where there is none in an official
    episode."""
    env, actions = OfficialTask(task, HORIZON, goals), scripted_actions(task)
    first = np.full(len(goals), np.nan)
    try:
        for e in range(len(goals)):
            obs, _ = env.reset(seed=0) if e == 0 else env.reset()
            for step in range(HORIZON):
                obs, _, _, _, info = env.step(actions(obs))
                if info["success"] > 0:
                    first[e] = step + 1
                    break
    finally:
        env.close()
    return first


def scripted_actions(task: str) -> Callable[[Array], Array]:
    """What the package's script for a task does: observations [..., 39] -> actions [..., 4], clipped to the space.

    It has no memory and no noise, and takes one observation at a time: 40 us each. The package is imported when it is
    first asked. Raises InputError, with the nearest match, for a task that does not exist, and then where the package
    is not installed.
    """
    task_of(PREFIX + task)

    @cache
    def script() -> Any:
        check_official()
        from metaworld.policies import ENV_POLICY_MAP

        return ENV_POLICY_MAP[task]()  # type: ignore[abstract]

    def actions(obs: Array) -> Array:
        rows = np.array(obs, dtype=np.float64).reshape(-1, obs.shape[-1])  # a copy: some scripts write into it
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Constant")  # that actions will be clipped
            said = [script().get_action(row) for row in rows]
        return np.clip(np.reshape(said, (*obs.shape[:-1], ACTION_SPACE.shape[0])), -1, 1)

    return actions


def labelled(obs: Array, rewards: list[float], infos: list[dict[str, float]], rules: OptionSettings) -> Rows:
    """The steps of an episode as the rows of a trace; observations [T, D]. Its options end by force: by the labels."""
    interest = interest_at(torch.from_numpy(obs).float(), rules).start.numpy()
    k = interest.shape[-1]
    nothing = np.zeros_like(interest)
    option = k - 1 - interest[:, ::-1].argmax(-1)
    changed = np.diff(option, prepend=-1) != 0
    return {
        "option": list(option),
        "reward": list(rewards),
        **{f"info/{name}": [info.get(name, 0.0) for info in infos] for name in {n for info in infos for n in info}},
        "interest": list(interest),
        **{name: list(nothing) for name in ("q", "mu", "distance", "action")},
        "beta": list(changed.astype(float)),
        "decided": [True] * len(option),
        **{name: list(changed) for name in ("ended", "forced")},
    }
