"""An environment whose actions are options: what planners and other learners choose among."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import gymnasium as gym
import numpy as np

from option_critic.agent import OptionCritic
from option_critic.envs import metaworld
from option_critic.envs.contract import SUCCESS
from option_critic.envs.lookup import given
from option_critic.envs.make import refuse_arguments
from option_critic.envs.settings import EnvSettings
from option_critic.envs.source import Source, bare_one, check_told, limited_to, time_limit
from option_critic.errors import InputError
from option_critic.functional.arrays import NDArray
from option_critic.model.layers import stream_seed
from option_critic.planning.running import AgentOptions, GivenOptions, Runner
from option_critic.presets import PRESETS
from option_critic.settings import Settings
from option_critic.spaces import Spaces
from option_critic.value_types import check_range, conformed, plain, shown

MAX_STEPS = 1_000_000_000
"""As good as no limit."""


@dataclass(frozen=True, eq=False)
class OptionTrace:
    """What happened while an option ran for k steps of the environment."""

    obs: NDArray
    """[k + 1, D] as options read them: before the first step, and after each"""
    actions: NDArray
    """[k, ...] as the environment took them"""
    rewards: NDArray
    """[k] as it paid them, in float64"""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, OptionTrace) and all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in ("obs", "actions", "rewards")
        )


class OptionEnv(gym.Env[Any, Any]):
    """A semi-Markov decision process: each action is an option, which runs until it ends [Sutton+99].

    Observations are those of `env`, actions the numbers of the options (`option_names`). `step(k)` runs option k for
    one step at least, also where it is not interested, and pays sum_{i < n} gamma^i r_i for the n steps that it took.
    It ends

    - with its `end`, or learned termination: at once where that is certain, else by a draw from this environment's own
      generator; and where its interest is 0 (an agent's options: where the agent would end them);
    - after its `max_length` decisions, or `max_steps` steps of the environment;
    - with the episode.

    Ends and lengths are looked at where the option decides: at each step, or where its actions are held
    (`action_repeat` of a skill or an agent) once in so many; `max_steps` also in between.

    `info` holds, beside what `env` told of the last step (`success` and `is_success`: the most of all steps):

    - `option`: its name; `option_steps`: n; `end`: why it ended (`planning.running.End`);
    - `discount`: gamma^n. **A learner must multiply the value of the next observation with this**, not with a constant
      of its own: r + discount * max_k Q(s', k) is the target of Q-learning here. `docs/planners.md` says how;
    - `trace`: an `OptionTrace`, all steps of the environment.

    Args:
        env: whatever `OptionCritic` takes, but for vector environments; Meta-World is the official package. A
            `gymnasium.Env` is used as it is, and closed with this one.
        options: K of them, each an `Option` with a given `policy` or a skill; or a trained `OptionCritic`, for its
            options as they are now. Rewards of their own, and what would be learned, do not matter here.
        gamma: the discount of one step of `env`.
        max_steps: steps of `env` after which every option is ended; none: no limit.
        env_kwargs: arguments that `env` is made with, as of `OptionCritic`.
        deterministic: ends where their probability exceeds 0.5, and an agent's most likely actions; else they are
            drawn.

    Raises:
        ValueError: an unknown environment, options that cannot run there (a policy that is not given, observations or
            actions of another size), a number out of range; in `step`, an action that is no option.
        RuntimeError: a policy answers NaN, or a choice that there is none of.
    """

    def __init__(
        self,
        env: Any,
        options: Sequence[Any] | OptionCritic,
        *,
        gamma: float = 0.99,
        max_steps: int | None = None,
        env_kwargs: dict[str, Any] | None = None,
        deterministic: bool = False,
    ) -> None:
        self.gamma = conformed("gamma", float, gamma)
        self.max_steps = conformed("max_steps", int | None, max_steps)
        check_range("gamma", self.gamma, 0, 1)
        check_range("max_steps", self.max_steps, 1, MAX_STEPS)
        source, settings = found(env, env_kwargs, options.settings if isinstance(options, OptionCritic) else None)
        self.env = made(source, settings)
        try:
            self.spaces = Spaces.of(self.env.observation_space, self.env.action_space, source.name)
            kind: Any = AgentOptions if isinstance(options, OptionCritic) else GivenOptions
            self.runner: Runner = kind(options, self.spaces, source.name, deterministic)
        except BaseException:
            if source.env is None:
                self.env.close()
            raise
        self.observation_space = self.env.observation_space
        self.action_space = gym.spaces.Discrete(len(self.runner.names))
        self.metadata, self.render_mode = self.env.metadata, self.env.render_mode
        self._row: NDArray | None = None
        self._ended = True

    @property
    def option_names(self) -> tuple[str, ...]:
        """K names: the meaning of the actions."""
        return self.runner.names

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Start an episode of the environment, which gets the same seed and options. Draws of this one are
        independent of its."""
        super().reset(seed=None if seed is None else stream_seed(seed, "ends of options"))
        obs, info = self.env.reset(seed=seed, options=options)
        self._row, self._ended = self._read(obs), False
        return obs, info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Run an option until it ends: (observation then, discounted sum of rewards, terminated, truncated, info)."""
        k, row = self._number(action), self._arrived()
        if self._ended:
            raise InputError("the episode has ended; call reset first")
        rows, actions, rewards, told, age = [row], list[Any](), list[float](), dict[str, Any](), 1
        end, doing = self.runner.decide(row, k, 0, self.np_random)
        while end is None:
            actions.append(np.array(doing))
            again = doing.copy() if isinstance(doing, np.ndarray) else doing  # it may change what it is given
            obs, reward, terminated, truncated, info = self.env.step(again)
            row = self._read(obs)
            rows.append(row)
            rewards.append(float(reward))
            told |= {name: max(told.get(name, info[name]), info[name]) for name in SUCCESS if name in info}
            if terminated or truncated:
                end = "terminated" if terminated else "truncated"
            elif len(rewards) % self.runner.holds[k] == 0:
                end, doing = self.runner.decide(row, k, age, self.np_random)
                age += 1
            if end is None and len(rewards) == self.max_steps:
                end = "max_steps"
        self._row, self._ended = row, bool(terminated or truncated)
        return obs, self._sum(rewards), bool(terminated), bool(truncated), {
            **info,
            **told,
            "option": self.option_names[k],
            "option_steps": len(rewards),
            "discount": self.gamma ** len(rewards),
            "end": end,
            "trace": OptionTrace(self._numbers(rows), np.stack(actions), np.array(rewards)),
        }  # fmt: skip

    def action_masks(self) -> NDArray:
        """Which options are interested in the last observation: bool [K], as MaskablePPO of sb3-contrib asks. All,
        where none is."""
        return self.interests() > 0

    def interests(self) -> NDArray:
        """How much each option wants to start at the last observation: [K] in [0, 1]; 1 for all, where none does."""
        return self.runner.interest(self._arrived())

    def render(self) -> Any:
        """The environment, as it is now."""
        return self.env.render()

    def close(self) -> None:
        """Close the environment."""
        self.env.close()

    def _sum(self, rewards: list[float]) -> float:
        """sum_i gamma^i r_i"""
        return float(sum(self.gamma**i * reward for i, reward in enumerate(rewards)))

    def _read(self, obs: Any) -> NDArray:
        """An observation as a row [1, W], a copy."""
        return self.spaces.flatten(obs, batched=False)[None]

    def _numbers(self, rows: list[NDArray]) -> NDArray:
        """Rows [1, W] as options read them: [N, D]."""
        return np.array(self.runner.numbers(np.concatenate(rows)))

    def _arrived(self) -> NDArray:
        """The row of the last observation. Raises InputError where there is none to go on from."""
        if self._row is None:
            raise InputError("no episode has begun; call reset first")
        return self._row

    def _number(self, action: Any) -> int:
        """The option that an action means. Raises InputError where it means none."""
        k = plain(int, action[0] if getattr(action, "shape", None) == (1,) else action)
        if type(k) is not int or not 0 <= k < len(self.option_names):
            meanings = ", ".join(f"{i} {name}" for i, name in enumerate(self.option_names))
            raise InputError(f"an action must be the number of an option ({meanings}), got {shown(action)}")
        return k


def found(env: Any, env_kwargs: dict[str, Any] | None, trained: Settings | None) -> tuple[Source, EnvSettings]:
    """Where the environment comes from, and what is put around it: as the agent was `trained`, or as its preset says.
    Raises InputError for what leads nowhere."""
    preset = PRESETS.get(env) if isinstance(env, str) else None
    source = given(env if preset is None else preset.env_id, PRESETS)
    check_told(source, {} if env_kwargs is None else {"env_kwargs": env_kwargs})
    said = preset or trained
    usual = EnvSettings() if said is None else (trained or said).env
    own = said.env.env_kwargs if said is not None and said.env_id == source.name else {}
    kwargs = own if env_kwargs is None else env_kwargs
    limit = usual.max_episode_steps if source.own_number is None else None
    return source, EnvSettings(env_kwargs=kwargs, preprocessing=usual.preprocessing, max_episode_steps=limit)


def made(source: Source, settings: EnvSettings) -> gym.Env[Any, Any]:
    """One environment, as its maker gives it; Meta-World's with a goal drawn at each reset. Raises InputError."""
    if source.env is not None:
        return source.env
    metaworld.refuse_several(source.name, "OptionEnv")
    task = metaworld.task_of(source.name)
    if task is None:
        env = bare_one(source, replace(settings, max_episode_steps=None))
        return env if time_limit(env) else limited_to(env, settings.max_episode_steps)  # as where it is judged
    refuse_arguments(source.name, settings)
    if not metaworld.available():
        raise InputError('Meta-World is not installed; pip install "option-critic[metaworld]"')
    return metaworld.OfficialTask(task)
