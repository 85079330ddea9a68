"""Recipes: settings for a kind of environment, such as one task of Meta-World, as a function of what differs in it."""

from __future__ import annotations

from typing import Any

from option_critic.algorithms.settings import DACSettings, LearningSettings, SACOCSettings
from option_critic.envs.expert_steps import EXPERT_STEPS
from option_critic.envs.metaworld import (
    DIFFERENCES,
    HORIZON,
    PREFIX,
    QUATERNIONS,
    TOOL_DIFFERENCES,
    TOOLS,
    tasks_of,
)
from option_critic.envs.settings import EnvSettings
from option_critic.model.settings import ModelSettings
from option_critic.options.settings import OptionSettings
from option_critic.settings import Settings


def learning(rate: float, kind: type[LearningSettings] = DACSettings, **others: Any) -> LearningSettings:
    """One learning rate for everything that learns, but for what `others` say."""
    return kind(**dict.fromkeys(("lr_option", "lr_critic", "lr_master", "lr_termination"), rate) | others)


def horizon(task: str) -> int:
    """Steps of a training episode on a Meta-World task: a fifth more than the scripted expert needs, in fifties.

    150 at least, which holds 43 of the 50 tasks, and an official episode at most.
    """
    return min(HORIZON, max(150, -(-6 * EXPERT_STEPS[task] // 250) * 50))


def differences(*tasks: str) -> tuple[int, ...]:
    """Which positions the networks see subtracted from each other."""
    return DIFFERENCES + (TOOL_DIFFERENCES if set(tasks) & set(TOOLS) else ())


LONGEST = 250
"""Steps of an episode of several tasks at most: it is equally long in all, and one alone (push-back) needs more."""


def metaworld(task: str) -> Settings:
    """The recipe for one Meta-World task with three options."""
    steps = horizon(task)
    return Settings(
        env_id=PREFIX + task,
        total_timesteps=1_490_000,
        # 32 simulators run faster than 64: more of them stay in the processor's cache
        # each action is held for two steps: half the decisions, and half the rows to learn from
        env=EnvSettings(num_envs=32, max_episode_steps=steps, action_repeat=2),
        options=OptionSettings(num_options=3),
        model=ModelSettings(quaternions=QUATERNIONS, quaternion_sign="either", differences=differences(task)),
        learning=learning(
            1.5e-3,
            lr_master=3e-3,  # with half of it two epochs are too few for named options to hand over
            lr_termination=3e-3,
            gamma=0.98**2,  # per decision, as lam: 0.98 and 0.95 per step
            lam=0.95**2,
            # its decisions and the row in which EnvPool resets: whole episodes, so no batch holds just one phase.
            # Of longer ones an iteration takes more steps, and as many more updates
            rollout_length=steps // 2 + 1,
            epochs=2,
            minibatch_size=400,
            entropy_master=0.001,
            final_log_std=-1.5,
            # from white, which is exact, halfway to pink, which finds the underside of a lever: each task takes its own
            noise_color_first=0.0,
            noise_color=0.5,
            # what noise mostly spoils, such as a nut that tilts, is tried again all the same
            risk_seeking=0.5,
            final_risk_seeking=0.0,
        ),
    )


def many_tasks(name: str, num_envs: int, hidden_dim: int, total_timesteps: int, **others: Any) -> Settings:
    """The recipe for one task, with what several need: more environments and larger networks, episodes that hold all
    of them; and with what `others` say."""
    tasks = tasks_of(PREFIX + name)
    steps = min(LONGEST, max(map(horizon, tasks)))
    return metaworld("reach-v3").override(
        env_id=PREFIX + name,
        max_episode_steps=steps,
        rollout_length=steps // 2 + 1,
        differences=differences(*tasks),
        num_envs=num_envs,
        total_timesteps=total_timesteps,
        hidden_dim=hidden_dim,
        checkpoint_every=1_000_000,  # environments are made anew there, which takes seconds
        **{"minibatch_size": 500} | others,  # fifty rows a task of MT10; with a hundred it learns later
    )


def generic(env_id: str) -> Settings:
    """A start for any other environment; nothing is tuned."""
    return Settings(
        env_id=env_id,
        options=OptionSettings(num_options=2),
        learning=learning(3e-4, rollout_length=256, epochs=10, minibatch_size=256),
    )


def fetch(env_id: str, **others: Any) -> Settings:
    """The recipe for one of the Fetch tasks of Gymnasium-Robotics: paid -1 until the goal is reached."""
    return Settings(
        env_id=env_id,
        algorithm="sac_oc",
        torch_threads=1,
        env=EnvSettings(num_envs=4),
        options=OptionSettings(num_options=2),
        model=ModelSettings(hidden_dim=128, activation="relu", normalize_reward=False),
        # an update costs more than a step: half as many, and targets that follow four times as fast
        learning=learning(
            1e-3, SACOCSettings, gamma=0.95, hindsight=0.8, lr_temperature=1e-3, tau=0.02, updates_per_step=0.5
        ),
    ).override(**others)


def picked_up(task: str, **others: Any) -> Settings:
    """The recipe for a task in which something is picked up, with options for it, whose noise is white."""
    return metaworld(task).override(options_from="reach-grasp-move", noise_color=0.0, **others)
