"""Steps per second of the environments alone, with inference, and with training."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from option_critic.agent import spaces_of
from option_critic.envs.contract import env_seeds
from option_critic.envs.make import make_envs
from option_critic.settings import Settings
from option_critic.structs import Carry
from option_critic.threads import torch_threads
from option_critic.training.collect import Live, collect
from option_critic.training.state import TrainState
from option_critic.training.train import iterate


@dataclass(frozen=True)
class Speed:
    """Environment steps per second; reset rows do not count as steps."""

    bare: float
    inference: float
    train: float


def measure(settings: Settings, seconds: float) -> Speed:
    """Three blocks of at least `seconds` each on the same environments, resets included."""
    state = TrainState.fresh(settings, spaces_of(settings.env_id))
    envs = make_envs(settings.env_id, settings.env, env_seeds(settings.seed, 0, settings.env.num_envs))
    live = Live(envs.reset(), Carry.start(envs.num_envs, state.model.log_std.device))
    length, rules = settings.learning.rollout_length, settings.options
    rng = np.random.default_rng(0)
    spaces = envs.spaces
    shape = (length, envs.num_envs)
    discrete, size = spaces.discrete, spaces.action_size
    actions = spaces.to_env(rng.integers(size, size=shape) if discrete else rng.uniform(-1, 1, (*shape, size)))
    try:
        bare = rate(lambda: sum(int(envs.step(a).valid.sum()) for a in actions), seconds)

        def infer() -> int:
            nonlocal live
            with torch_threads(1):
                rollout, live = collect(envs, state.model, live, length, rules, state.generators)
            return rollout.num_valid

        def learn() -> int:
            nonlocal live
            before = state.env_steps
            _, live = iterate(state, settings, envs, live)
            return state.env_steps - before

        return Speed(bare, rate(infer, seconds), rate(learn, seconds))
    finally:
        envs.close()


def rate(block: Callable[[], int], seconds: float) -> float:
    """Steps per second of repeating `block`, which returns its steps."""
    steps, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        steps += block()
    return steps / (time.perf_counter() - started)
