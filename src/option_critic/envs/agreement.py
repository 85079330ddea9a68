"""For which Gymnasium ids EnvPool's environments may stand for Gymnasium's own in training: what was measured of each
(`experiments/envpool_agreement.py`, docs/envpool.md)."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from dataclasses import dataclass, field
from typing import Any

import gymnasium as gym

from option_critic.envs.preprocessing import chosen
from option_critic.envs.settings import EnvSettings

ENVPOOL = "1.2.5"
"""The version that was measured. `auto` trusts no other."""
ATARI = "ALE/"
"""How ids of Atari's games begin in Gymnasium."""
OF_GAMES = {"repeat_action_probability", "full_action_space"}
"""Arguments that mean the same to both."""
UNUSED, BOTH, NEWER = (), ("3.3.0", "3.6.0"), ("3.6.0",)
"""Versions of MuJoCo. EnvPool 1.2.5 has 3.6.0 inside; its Runge-Kutta steps in contact differ from those of 3.3.0."""


@dataclass(frozen=True)
class Agreement:
    """What was measured of one id."""

    obs: float | None = None
    """Largest difference of an entry of an observation after a step from the same state, relative to max(1, |entry|);
    none where no state can be set: there figures of episodes have the same distributions."""
    reward: float | None = None
    """The same of rewards."""
    mujoco: tuple[str, ...] = UNUSED
    """Versions of MuJoCo, installed beside Gymnasium, with which this holds; empty: it uses none."""
    differs: str = ""
    """Why `auto` does not choose it: what differs."""
    kwargs: dict[str, Any] = field(default_factory=dict)
    """What Gymnasium registers the id with."""


MEASURED = {
    "CartPole-v0": Agreement(2e-7, 0.0),
    "CartPole-v1": Agreement(2e-7, 0.0),
    "MountainCar-v0": Agreement(2e-7, 0.0),
    "MountainCarContinuous-v0": Agreement(2e-7, 1e-7),
    "Acrobot-v1": Agreement(1e-6, 0.0),
    "Pendulum-v1": Agreement(0.1, 0.02, differs="at its highest speed the pendulum turns on by more"),
    "InvertedPendulum-v5": Agreement(1e-12, 1e-12, BOTH),
    "InvertedDoublePendulum-v5": Agreement(1e-12, 1e-7, BOTH),
    "Reacher-v5": Agreement(1e-12, 2e-7, BOTH),
    "Pusher-v5": Agreement(4e-4, 1e-4, NEWER),
    "Swimmer-v5": Agreement(1e-12, 1e-7, BOTH),
    "Hopper-v5": Agreement(1e-12, 1e-7, NEWER),
    "HalfCheetah-v5": Agreement(1e-11, 2e-7, BOTH),
    "Walker2d-v5": Agreement(1e-12, 1e-7, BOTH),
    "Ant-v5": Agreement(1e-11, 4e-7, NEWER),
    "Humanoid-v5": Agreement(4e-4, 1e-5, NEWER),
    "HumanoidStandup-v5": Agreement(0.2, 4e-4, NEWER, differs="what it shows of forces differs by up to a tenth"),
    "LunarLander-v3": Agreement(),
    "LunarLanderContinuous-v3": Agreement(kwargs={"continuous": True}),
    "BipedalWalker-v3": Agreement(),
    "BipedalWalkerHardcore-v3": Agreement(kwargs={"hardcore": True}, differs="who walks meets other obstacles"),
}
"""id -> what was measured. `backend="envpool"` takes all of them, `auto` those of which nothing differs."""


def refusal(env_id: str, settings: EnvSettings) -> str:
    """Why EnvPool cannot train `env_id` as the settings say; empty if it can (and is installed)."""
    if env_id.startswith(ATARI):
        return refusal_of_game(env_id, settings)
    known = MEASURED.get(env_id)
    spec = gym.registry.get(env_id)
    if known is None or spec is None:
        return f"EnvPool's {env_id} was not measured against Gymnasium's, or there is none"
    own = isinstance(spec.entry_point, str) and spec.entry_point.startswith("gymnasium.envs.")
    if not own or spec.kwargs != known.kwargs or spec.additional_wrappers:
        return f"the {env_id} that is registered here is not Gymnasium's own"
    if settings.env_kwargs or settings.preprocessing not in ("auto", "none"):
        return "its environments are made as they are: env_kwargs and preprocessing do not reach them"
    return refusal_to_hold(settings)


def refusal_of_game(env_id: str, settings: EnvSettings) -> str:
    """The same for a game of Atari's: its pictures are those of Gymnasium's wrappers, to the byte."""
    if chosen(env_id, settings.preprocessing) != "atari":
        return "its Atari is prepared as preprocessing=atari says, and not otherwise"
    others = sorted(settings.env_kwargs.keys() - OF_GAMES)
    if others:
        return f"its Atari takes no argument {others[0]!r}, but {' and '.join(sorted(OF_GAMES))}"
    if importlib.util.find_spec("envpool") is not None:
        import envpool  # here late: it takes half a second

        if env_id.removeprefix(ATARI) not in envpool.list_all_envs():
            return f"it has no {env_id.removeprefix(ATARI)}"
    return refusal_to_hold(settings)


def refusal_to_hold(settings: EnvSettings) -> str:
    """Why it cannot hold actions; empty if it need not."""
    if settings.action_repeat == 1:
        return ""
    return f"its environments cannot hold actions (action_repeat is {settings.action_repeat})"


def doubt(env_id: str) -> str:
    """Why `auto` leaves `env_id`, for which nothing is refused, to Gymnasium; empty if it need not."""
    known = MEASURED.get(env_id, Agreement())
    if known.differs:
        return known.differs
    here = version("envpool")
    if here != ENVPOOL:
        return f"EnvPool {ENVPOOL} was measured, not {here}"
    mujoco = version("mujoco")
    if known.mujoco and mujoco not in known.mujoco:
        return f"it agrees where MuJoCo {' or '.join(known.mujoco)} is installed, not {mujoco}"
    return ""


def version(package: str) -> str:
    """What is installed of a package; empty if nothing."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return ""
