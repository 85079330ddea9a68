"""Tuned settings by name. A preset is typed Python: read it, copy it, change a line."""

from __future__ import annotations

from typing import Any

from option_critic.algorithms.settings import DACSettings, LearningSettings, PPOOCSettings, SACOCSettings
from option_critic.envs.expert_steps import EXPERT_STEPS
from option_critic.envs.lookup import named
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


PRESETS: dict[str, Settings] = {
    # all its figures are of expected returns
    "pick-place": picked_up("pick-place-v3", risk_seeking=0.0, final_risk_seeking=None),
    # a nut that is touched mostly tilts, and who expects that stays away from it
    "assembly": picked_up("assembly-v3", total_timesteps=990_000),
    "disassemble": picked_up("disassemble-v3", total_timesteps=990_000),
    "mt10": many_tasks("MT10", num_envs=40, hidden_dim=256, total_timesteps=10_000_000),
    "mt50": many_tasks(
        "MT50",
        num_envs=100,
        hidden_dim=512,
        total_timesteps=14_000_000,
        minibatch_size=1000,
        **dict.fromkeys(("lr_option", "lr_critic"), 7.5e-4),  # with MT10's rates networks of this width take too large
        **dict.fromkeys(("lr_master", "lr_termination"), 1e-3),  # steps, and soon one option does nearly everything
    ),
    # what the well-known tutorial sets, through this library's mathematics; what it leaves open is said beside it
    "tutorial": Settings(
        env_id=PREFIX + "pick-place-v3",  # its v2 class is gone from the package
        total_timesteps=2_500_000,
        env=EnvSettings(num_envs=20, max_episode_steps=500),  # its 5,000 full episodes; ours: 20 at a time
        options=OptionSettings(num_options=3, option_names=("reach", "grasp", "move"), max_option_length=20),
        model=ModelSettings(
            hidden_dim=128,
            policy_layers=1,
            critic_layers=1,
            option_layers=1,
            activation="relu",
            initial_log_std=0.0,  # its standard deviation of 1; ours: only the start, it is learned
        ),
        learning=DACSettings(
            gamma=0.99,
            lr_master=1e-4,
            lr_option=3e-4,
            lr_termination=3e-4,
            lr_critic=3e-4,  # ours: it has no critic
            anneal_lr=False,  # its rates are constant
            entropy_option=0.01,
            rollout_length=501,  # ours: whole episodes, and the row in which EnvPool resets
            minibatch_size=1000,  # ours
        ),
    ),
    "cartpole": Settings(
        env_id="CartPole-v1",
        total_timesteps=199_000,  # 199,680 in whole iterations
        checkpoint_every=100_000,
        env=EnvSettings(num_envs=8),
        options=OptionSettings(num_options=2),
        model=ModelSettings(hidden_dim=64, normalize_observation=False),
        learning=learning(1e-3, rollout_length=128, epochs=10, minibatch_size=256),
    ),
    # A2OC [Harb+18]: one step of gradient on each short rollout, a price for every termination
    "a2oc": Settings(
        env_id="CartPole-v1",
        algorithm="ppo_oc",
        total_timesteps=500_000,
        torch_threads=1,
        env=EnvSettings(num_envs=16),
        options=OptionSettings(num_options=2),
        model=ModelSettings(hidden_dim=64, normalize_observation=False),
        learning=learning(
            7e-4,
            PPOOCSettings,
            lam=1.0,
            rollout_length=5,
            epochs=1,
            minibatch_size=80,
            deliberation_cost=0.02,
            price="termination",
            entropy_option=0.01,
        ),
    ),
    "four-rooms": Settings(
        env_id="FourRooms-v0",
        total_timesteps=299_000,  # 299,008 in whole iterations
        checkpoint_every=100_000,
        torch_threads=1,  # networks this small need no more, and runs do not depend on the number of cores
        env=EnvSettings(num_envs=32),
        options=OptionSettings(num_options=4),
        model=ModelSettings(hidden_dim=64, normalize_observation=False, normalize_reward=False),
        learning=learning(1e-3, rollout_length=128, epochs=4, minibatch_size=512, target_kl=0.0, entropy_option=0.01),
    ),
    "hopper": Settings(
        env_id="Hopper-v5",
        torch_threads=1,
        env=EnvSettings(num_envs=8),
        options=OptionSettings(num_options=2),
        model=ModelSettings(hidden_dim=64),
        learning=learning(3e-4, rollout_length=256, epochs=10, minibatch_size=128),
    ),
    "lunar-lander": Settings(
        env_id="LunarLander-v3",
        torch_threads=1,
        env=EnvSettings(num_envs=16),
        options=OptionSettings(num_options=2),
        model=ModelSettings(hidden_dim=64),
        learning=learning(7e-4, rollout_length=256, epochs=8, minibatch_size=256),
    ),
    "half-cheetah": Settings(
        env_id="HalfCheetah-v5",
        torch_threads=1,
        env=EnvSettings(num_envs=8),
        options=OptionSettings(num_options=2),
        model=ModelSettings(hidden_dim=64),
        learning=learning(3e-4, rollout_length=256, epochs=10, minibatch_size=64, target_kl=0.0),
    ),
    "pendulum": Settings(
        env_id="Pendulum-v1",
        total_timesteps=399_000,
        checkpoint_every=100_000,
        torch_threads=1,
        env=EnvSettings(num_envs=8),
        options=OptionSettings(num_options=2),
        model=ModelSettings(hidden_dim=64),
        learning=learning(1e-3, gamma=0.9, rollout_length=256, epochs=10, minibatch_size=128),
    ),
    "frozen-lake": Settings(
        env_id="FrozenLake-v1",
        total_timesteps=99_000,
        checkpoint_every=50_000,
        torch_threads=1,
        env=EnvSettings(num_envs=8, env_kwargs={"is_slippery": False}),
        options=OptionSettings(num_options=2),
        model=ModelSettings(hidden_dim=64, normalize_observation=False),
        learning=learning(1e-3, rollout_length=128, epochs=4, minibatch_size=256, entropy_option=0.01),
    ),
    "doorkey": Settings(
        env_id="MiniGrid-DoorKey-5x5-v0",
        total_timesteps=300_000,
        checkpoint_every=100_000,
        torch_threads=1,
        env=EnvSettings(num_envs=16),
        options=OptionSettings(num_options=4),
        learning=learning(3e-4, rollout_length=128, epochs=4, minibatch_size=256, entropy_option=0.01),
    ),
    "minigrid-four-rooms": Settings(
        env_id="MiniGrid-FourRooms-v0",
        total_timesteps=1_490_000,
        torch_threads=1,
        env=EnvSettings(num_envs=16),
        options=OptionSettings(num_options=4),
        learning=learning(1e-3, rollout_length=128, epochs=4, minibatch_size=256, entropy_option=0.01),
    ),
    # sparse goals, with hindsight: settings of the RL Zoo where there are such
    "fetch-reach": fetch("FetchReach-v4", total_timesteps=9_900, hidden_dim=64),  # 9,984 in whole iterations
    "fetch-push": fetch("FetchPush-v4", total_timesteps=99_900, options_from="fetch-push"),
    "fetch-pick-place": fetch("FetchPickAndPlace-v4", total_timesteps=99_900, options_from="fetch"),
    # the network of Mnih and others 2013, which takes half the time of that of 2015, and learns Pong as well
    "pong": Settings(
        env_id="ALE/Pong-v5",
        total_timesteps=2_990_000,
        env=EnvSettings(num_envs=16, env_kwargs={"repeat_action_probability": 0.0}),
        options=OptionSettings(num_options=4),
        model=ModelSettings(
            conv_layers=(16, 8, 4, 32, 4, 2, 32, 3, 1), encoder_dim=256, policy_layers=1, critic_layers=1
        ),
        learning=learning(
            5e-4, rollout_length=128, epochs=4, minibatch_size=256, clip=0.1, target_kl=0.0, entropy_option=0.01
        ),
    ),
}


RECIPES = {"FetchReach": "fetch-reach", "FetchPickAndPlace": "fetch-pick-place", "Fetch": "fetch-push",
           "ALE/": "pong", "MiniGrid-": "doorkey", "BabyAI-": "doorkey"}  # fmt: skip
"""Beginning of an id -> the preset whose settings others of its family take, tuned for that one alone. The first that
fits counts."""


def settings_for(target: str) -> Settings:
    """Settings for a preset's name, an environment id or `module:function` (tuned ones where there are).

    Where two presets share an environment, its id means the first. Raises ValueError, with the nearest
    match, for anything else.
    """
    if target in PRESETS:
        return PRESETS[target]
    if not tasks_of(target) and all(preset.env_id != target for preset in PRESETS.values()):
        named(target, PRESETS)
    return usual(target)


def usual(env_id: str) -> Settings:
    """The same for what is known to be the name of an environment: nobody looks whether it leads to one."""
    for preset in PRESETS.values():
        if preset.env_id == env_id:
            return preset
    if len(tasks := tasks_of(env_id)) > 1:
        return many_tasks(env_id.removeprefix(PREFIX), 4 * len(tasks), 256, 2_000_000 * len(tasks))
    if tasks:
        return metaworld(tasks[0])
    for start, name in RECIPES.items():
        if env_id.startswith(start):
            return PRESETS[name].override(env_id=env_id)
    return generic(env_id)


def name_for(target: str) -> str:
    """The name under which runs of a target are kept: the preset's, or the environment's."""
    if target in PRESETS:
        return target
    for name, preset in PRESETS.items():
        if preset.env_id == target:
            return name
    return target.removeprefix(PREFIX).replace("/", "-").replace(":", "-")
