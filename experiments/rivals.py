"""Training steps per second beside Stable-Baselines3's PPO, in blocks that take turns, each in a process of its own.

    pip install "option-critic[metaworld,rivals]"
    python experiments/rivals.py --json docs/results/rivals.json

On pick-place two rivals: SB3 as its users run it (the official Meta-World in subprocesses, SB3's default settings), and
SB3 on the same EnvPool environments with the settings of our preset (normalised as ours; it learns from EnvPool's reset
rows too, which costs no time).

On CartPole-v1 and Hopper-v5 SB3 as its users run it (8 environments one after the other, its default settings), and
ours with the same networks and settings, with one option and with four, on EnvPool. With `--pong` (it needs ale-py and
OpenCV) the same on Pong, with the settings of SB3's zoo for Atari and the network of Mnih and others 2015.
"""

# ruff: noqa: D102  (methods of SB3's interface)
from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
from stable_baselines3 import PPO
from stable_baselines3.common.env_util import make_atari_env, make_vec_env
from stable_baselines3.common.vec_env import SubprocVecEnv, VecEnv, VecFrameStack, VecNormalize

from option_critic.algorithms.settings import DACSettings
from option_critic.envs.contract import env_seeds
from option_critic.envs.make import make_envs, spaces_of
from option_critic.envs.metaworld import ACTION_SPACE, OBSERVATION_SPACE
from option_critic.evaluation.bench import Block, bare, rate, training
from option_critic.presets import settings_for
from option_critic.recipes import generic
from option_critic.runs.run_folder import versions
from option_critic.settings import Settings
from option_critic.training.state import TrainState

NUM_ENVS = 8
SB3 = "SB3 PPO, as its users run it"
Makers = dict[str, Callable[[], AbstractContextManager[Block]]]


class EnvPoolForSB3(VecEnv):  # type: ignore[misc]
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
    envs = SubprocVecEnv([official] * NUM_ENVS)
    model = PPO("MlpPolicy", envs, device="cpu")
    try:
        yield lambda: steps_of(model, model.n_steps * NUM_ENVS)
    finally:
        envs.close()


@contextmanager
def sb3_on_the_same(settings: Settings) -> Iterator[Block]:
    """The preset's environments and settings in SB3's PPO."""
    c, width = settings.learning, settings.model.hidden_dim
    assert isinstance(c, DACSettings)
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


def as_sb3(env_id: str) -> Settings:
    """SB3's default networks and settings."""
    rates = dict.fromkeys(("lr_option", "lr_critic", "lr_master", "lr_termination"), 3e-4)
    return generic(env_id).override(
        hidden_dim=64, policy_layers=2, critic_layers=2, option_layers=1, activation="tanh", num_envs=NUM_ENVS,
        normalize_observation=False, normalize_reward=False, rollout_length=2048, minibatch_size=64, epochs=10,
        gamma=0.99, lam=0.95, clip=0.2, target_kl=0.0, anneal_lr=False, value_weight=1.0, entropy_option=0.0,
        max_grad_norm=0.5, backend="envpool", **rates,
    )  # fmt: skip


def pong_as_sb3() -> Settings:
    """The network and settings of SB3's zoo for Atari; a layer more on top of the encoder, as each trunk has one."""
    return settings_for("pong").override(
        num_envs=NUM_ENVS, rollout_length=128, minibatch_size=256, epochs=4, clip=0.1, value_weight=1.0,
        entropy_option=0.01, conv_layers=(32, 8, 4, 64, 4, 2, 64, 3, 1), encoder_dim=512, shared_trunk=True,
    )  # fmt: skip


@contextmanager
def sb3(model: PPO) -> Iterator[Block]:
    """SB3's training of `model`."""
    try:
        yield lambda: steps_of(model, model.n_steps * model.n_envs)
    finally:
        model.env.close()


def sb3_by_default(env_id: str) -> AbstractContextManager[Block]:
    """SB3's defaults, as its first example runs them."""
    return sb3(PPO("MlpPolicy", make_vec_env(env_id, NUM_ENVS), device="cpu"))


def sb3_on_pong() -> AbstractContextManager[Block]:
    """SB3 as its zoo has it learn Atari games."""
    import ale_py

    gym.register_envs(ale_py)
    envs = VecFrameStack(make_atari_env("PongNoFrameskip-v4", NUM_ENVS), 4)
    return sb3(PPO(
        "CnnPolicy", envs, device="cpu", n_steps=128, n_epochs=4, batch_size=256, learning_rate=2.5e-4, clip_range=0.1,
        vf_coef=0.5, ent_coef=0.01,
    ))  # fmt: skip


def pick_place() -> Makers:
    """Ours and both rivals on Meta-World."""
    flat = settings_for("pick-place").override(num_options=1)
    return {
        "bare EnvPool": lambda: bare(flat),
        "option-critic, K = 1": lambda: ours(flat),
        "option-critic, K = 3": lambda: ours(flat.override(num_options=3)),
        "SB3 PPO, same environments and settings": lambda: sb3_on_the_same(flat),
        SB3: sb3_as_users_run_it,
    }


def beside(settings: Settings, rival: Callable[[], AbstractContextManager[Block]]) -> Makers:
    """One option and four of ours, and SB3."""
    return {
        "option-critic, K = 1": lambda: ours(settings.override(num_options=1)),
        "option-critic, K = 4": lambda: ours(settings.override(num_options=4)),
        SB3: rival,
    }


TASKS: dict[str, Callable[[], Makers]] = {
    "pick-place": pick_place,
    "CartPole-v1": lambda: beside(as_sb3("CartPole-v1"), lambda: sb3_by_default("CartPole-v1")),
    "Hopper-v5": lambda: beside(as_sb3("Hopper-v5"), lambda: sb3_by_default("Hopper-v5")),
    "pong": lambda: beside(pong_as_sb3(), sb3_on_pong),
}


def one_block(task: str, name: str, seconds: float) -> float:
    """Steps per second of one training from its beginning; what is made with its first iteration is there before the
    clock runs."""
    with TASKS[task]()[name]() as block:
        block()
        return rate(block, seconds)[0]


def measured(task: str, seconds: float, rounds: int) -> dict[str, list[float]]:
    """Steps per second, block by block, in turns. Each has a process of its own, as its users would run it: ours, with
    images, has the C library keep freed memory, by which whatever else runs in that process would gain."""
    rates: dict[str, list[float]] = {}
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as processes:
        for _ in range(rounds):
            for name in TASKS[task]():
                rates.setdefault(name, []).append(processes.submit(one_block, task, name, seconds).result())
    return rates


def ratios(rates: dict[str, list[float]]) -> dict[str, float]:
    """Each training of ours over SB3's, and over ours with one option: medians over rounds, whose blocks are
    neighbours."""

    def over(name: str, other: str) -> float:
        return float(np.median(np.array(rates[name]) / np.array(rates[other])))

    mine = [name for name in rates if name.startswith("option-critic")]
    return {f"{name} / {other}": over(name, other) for name in mine for other in (SB3, mine[0]) if name != other}


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=["pick-place", "CartPole-v1", "Hopper-v5"])
    parser.add_argument("--pong", action="store_true", help="Pong as well")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    found = {}
    for task in [*args.tasks, *(["pong"] if args.pong else [])]:
        rates = measured(task, args.seconds, args.rounds)
        medians = {name: float(np.median(values)) for name, values in rates.items()}
        found[task] = {"steps_per_second": rates, "medians": medians, "ratios": ratios(rates)}
        print(task)
        for name, value in medians.items():
            print(f"    {name:<42} {value:>8,.0f} steps/s")
        for name, value in ratios(rates).items():
            print(f"    {name:<84} {value:5.2f}")
    if args.json:
        record = {"seconds": args.seconds, "tasks": found, "versions": versions()}
        args.json.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
