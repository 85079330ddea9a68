"""Tuned settings by name. A preset is typed Python: read it, copy it, change a line."""

from __future__ import annotations

from option_critic.algorithms.settings import DACSettings, PPOOCSettings
from option_critic.envs.lookup import named
from option_critic.envs.metaworld import PREFIX, tasks_of
from option_critic.envs.settings import EnvSettings
from option_critic.model.settings import ModelSettings
from option_critic.options.settings import OptionSettings
from option_critic.recipes import fetch, generic, learning, many_tasks, metaworld, picked_up
from option_critic.settings import Settings

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


FAMILIES = {"FetchReach": "fetch-reach", "FetchPickAndPlace": "fetch-pick-place", "Fetch": "fetch-push",
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
    for start, name in FAMILIES.items():
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
