"""Training steps per second beside Stable-Baselines3's PPO, in alternating blocks of one run.

    pip install "option-critic[metaworld,rivals]"
    python experiments/rivals.py --json docs/results/rivals.json

Two rivals: SB3 as its users run it (the official Meta-World in subprocesses, SB3's default settings), and
SB3 on the same EnvPool environments with the settings of our preset (normalised as ours; it learns from
EnvPool's reset rows too, which costs no time).
"""

# ruff: noqa: D102  (methods of SB3's interface)
from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import torch
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import SubprocVecEnv, VecEnv, VecNormalize

from option_critic.envs.contract import env_seeds
from option_critic.envs.make import make_envs, spaces_of
from option_critic.envs.metaworld import ACTION_SPACE, OBSERVATION_SPACE
from option_critic.evaluation.bench import Block, bare, rate, training
from option_critic.presets import settings_for
from option_critic.runs.run_folder import versions
from option_critic.settings import Settings
from option_critic.training.state import TrainState

NUM_SUBPROCESSES = 8


class EnvPoolForSB3(VecEnv):
    """Our EnvPool adapter as SB3's vector environment."""

    def __init__(self, settings: Settings) -> None:
        num_envs = settings.env.num_envs
        self.envs = make_envs(settings.env_id, settings.env, env_seeds(0, 0, num_envs))
        super().__init__(num_envs, OBSERVATION_SPACE, ACTION_SPACE)

    def reset(self) -> Any:
        return self.envs.reset()

    def step_async(self, actions: Any) -> None:
        self.envs.send(actions)

    def step_wait(self) -> Any:
        step = self.envs.recv()
        infos: list[dict[str, Any]] = [{} for _ in range(self.num_envs)]
        return step.act_obs, step.reward.astype(np.float32), step.done, infos

    def close(self) -> None:
        self.envs.close()

    def get_attr(self, attr_name: str, indices: Any = None) -> list[Any]:
        return [None] * self.num_envs

    def set_attr(self, attr_name: str, value: Any, indices: Any = None) -> None:
        raise NotImplementedError

    def env_method(self, method_name: str, *args: Any, indices: Any = None, **kwargs: Any) -> list[Any]:
        raise NotImplementedError

    def env_is_wrapped(self, wrapper_class: Any, indices: Any = None) -> list[bool]:
        return [False] * self.num_envs


def official() -> gym.Env[Any, Any]:
    """Pick-place as the package registers it."""
    import metaworld  # noqa: F401  # registers the ids

    return gym.make("Meta-World/MT1", env_name="pick-place-v3")


def steps_of(model: PPO, steps: int) -> int:
    """One rollout and one update; `steps` environment steps."""
    model.learn(model.n_steps * model.n_envs, reset_num_timesteps=False)
    return steps


@contextmanager
def sb3_as_users_run_it() -> Iterator[Block]:
    """The official environment in subprocesses, SB3's defaults."""
    envs = SubprocVecEnv([official] * NUM_SUBPROCESSES)
    model = PPO("MlpPolicy", envs, device="cpu")
    try:
        yield lambda: steps_of(model, model.n_steps * NUM_SUBPROCESSES)
    finally:
        envs.close()


@contextmanager
def sb3_on_the_same(settings: Settings) -> Iterator[Block]:
    """The preset's environments and settings in SB3's PPO."""
    c, width = settings.learning, settings.model.hidden_dim
    envs = VecNormalize(EnvPoolForSB3(settings), gamma=c.gamma)
    model = PPO(
        "MlpPolicy", envs, device="cpu", learning_rate=c.lr_option, n_steps=c.rollout_length,
        batch_size=c.minibatch_size, n_epochs=c.epochs, gamma=c.gamma, gae_lambda=c.lam, clip_range=c.clip,
        target_kl=c.target_kl or None, policy_kwargs={"net_arch": [width, width]},
    )  # fmt: skip
    env = settings.env
    steps = (c.rollout_length - 1) * env.num_envs * env.action_repeat  # the row in which EnvPool resets is no step
    try:
        yield lambda: steps_of(model, steps)
    finally:
        envs.close()


def ours(settings: Settings) -> AbstractContextManager[Block]:
    """Our training, logs and checkpoints included."""
    return training(settings, TrainState.fresh(settings, spaces_of(settings.env_id)), np.zeros(3))


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    threads = torch.get_num_threads()
    flat = settings_for("pick-place").override(num_options=1)
    rates: dict[str, list[float]] = {}
    with ExitStack() as stack:
        makers = {
            "bare EnvPool": bare(flat),
            "option-critic, K = 1": ours(flat),
            "option-critic, K = 3": ours(flat.override(num_options=3)),
            "SB3 PPO, same environments and settings": sb3_on_the_same(flat),
            "SB3 PPO, as its users run it": sb3_as_users_run_it(),
        }
        blocks = {name: stack.enter_context(maker) for name, maker in makers.items()}
        for block in blocks.values():
            block()  # what is made with the first one is there before the clock runs
        for _ in range(args.rounds):
            for name, block in blocks.items():
                torch.set_num_threads(threads)
                rates.setdefault(name, []).append(rate(block, args.seconds)[0])
    medians = {name: float(np.median(values)) for name, values in rates.items()}
    mine = medians["option-critic, K = 1"]
    for name, value in medians.items():
        print(f"{name:<42} {value:>8,.0f} steps/s   ours (K = 1) is {mine / value:5.2f} times that")
    if args.json:
        record = {"seconds": args.seconds, "steps_per_second": rates, "medians": medians, "versions": versions()}
        args.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
