"""What is usual for some families of environments, by wrappers of Gymnasium's own, and who registers them.

A family is known by its ids. What is put around an environment in training is put around it in judging.
"""

from __future__ import annotations

import importlib
import io
from contextlib import redirect_stderr
from typing import Any

import gymnasium as gym
from gymnasium.spaces import Dict
from gymnasium.wrappers import AtariPreprocessing, FilterObservation, FrameStackObservation

from option_critic.envs.settings import Preprocessing
from option_critic.errors import InputError

FAMILIES: dict[str, tuple[str, Preprocessing, str]] = {
    "ALE/": ("ale_py", "atari", "atari"),
    "MiniGrid-": ("minigrid", "minigrid", "minigrid"),
    "BabyAI-": ("minigrid", "minigrid", "minigrid"),
    "Fetch": ("gymnasium_robotics", "none", "robotics"),
}
"""Beginning of an id -> the package that registers it, what is usual for it, the extra that installs it."""
SCREEN, FRAMES, SKIP, NOOPS = 84, 4, 4, 30
"""[Mnih+15]: pixels a side, frames that are stacked, frames that an action lasts, actions at the start that do nothing
(at most so many)."""


def register(env_id: str) -> None:
    """Import the package that registers an id of a known family, where there is one. Raises InputError."""
    for start, (package, _, extra) in FAMILIES.items():
        if not env_id.startswith(start):
            continue
        try:
            with redirect_stderr(io.StringIO()):  # notices of other environments of theirs
                module = importlib.import_module(package)
        except ImportError as error:
            raise InputError(f'{env_id} needs the package {package}; pip install "option-critic[{extra}]"') from error
        if env_id not in gym.registry and hasattr(module, "register_envs"):
            gym.register_envs(module)


def chosen(env_id: str, asked: Preprocessing) -> Preprocessing:
    """What `auto` means for an environment."""
    if asked != "auto":
        return asked
    return next((usual for start, (_, usual, _) in FAMILIES.items() if env_id.startswith(start)), "none")


def arguments(how: Preprocessing) -> dict[str, Any]:
    """What an environment has to be made with: frames are skipped by the wrapper, which takes the larger of two."""
    return {"frameskip": 1} if how == "atari" else {}


def preprocess(env: gym.Env[Any, Any], how: Preprocessing, name: str) -> gym.Env[Any, Any]:
    """An environment with the usual wrappers around it. Raises InputError where they do not fit."""
    if how == "atari":
        try:
            screen = AtariPreprocessing(env, noop_max=NOOPS, frame_skip=SKIP, screen_size=SCREEN)
        except ImportError as error:  # OpenCV, which scales the picture
            raise InputError(f'{error}; pip install "option-critic[atari]"') from error
        except (AssertionError, AttributeError, TypeError) as error:
            raise InputError(f"{name} is no Atari game, so preprocessing=atari does not fit: {error}") from error
        return FrameStackObservation(screen, FRAMES)
    if how == "minigrid":
        space = env.observation_space
        if not isinstance(space, Dict) or not {"image", "direction"} <= space.spaces.keys():
            raise InputError(f"{name} shows no image and direction, so preprocessing=minigrid does not fit")
        return FilterObservation(env, ["direction", "image"])  # the mission is text
    return env
