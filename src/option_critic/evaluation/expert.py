"""Meta-World's scripted expert, its steps labelled by the options' own definitions: what a hand-written switch
scores without having learned anything, to be shown beside every figure of an agent.
"""

from __future__ import annotations

import warnings

import numpy as np
import torch

from option_critic.envs.contract import Array
from option_critic.envs.metaworld import HORIZON, OfficialTask
from option_critic.evaluation.episodes import Rows, to_trace
from option_critic.evaluation.option_figures import AFTER
from option_critic.evaluation.trace import Trace
from option_critic.options.interest import interest_at
from option_critic.options.settings import OptionSettings


def expert_trace(task: str, goals: Array, rules: OptionSettings) -> Trace:
    """One episode for each goal [E, 6], up to its first success and a little more.

    Its option is the most interested one, of several the last. What only an agent has is zero.
    """
    from metaworld.policies import ENV_POLICY_MAP

    env, policy, episodes = OfficialTask(task, HORIZON, goals), ENV_POLICY_MAP[task](), list[Rows]()  # type: ignore[abstract]

    def clipped_action(obs: Array) -> Array:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Constant")  # that actions will be clipped
            return np.clip(policy.get_action(obs), -1, 1)

    try:
        for e in range(len(goals)):
            obs, _ = env.reset(seed=0) if e == 0 else env.reset()
            seen, rewards, infos = [obs], list[float](), list[dict[str, float]]()
            while len(rewards) < HORIZON and sum(i["success"] for i in infos) <= AFTER:
                obs, reward, _, _, info = env.step(clipped_action(obs))
                seen.append(obs)
                rewards.append(reward)
                infos.append(info)
            episodes.append(labelled(np.array(seen[:-1]), rewards, infos, rules))
    finally:
        env.close()
    return to_trace(episodes)


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
