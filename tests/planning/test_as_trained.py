"""Options run elsewhere as they were trained, or were given: limits, arguments, tasks, bounds, functions that cannot be
copied."""

import threading

import gymnasium as gym
import numpy as np
import pytest
import torch

import option_critic as oc
from levels import Level
from option_critic import Option
from option_critic.envs.metaworld import ACTION_SPACE, OBSERVATION_SPACE
from option_critic.errors import InputError, RunError
from option_critic.planning.option_env import found
from option_critic.serve.targets import Where, served
from option_critic.skills.export import skill_of


def make(size: int = 1) -> gym.Env:
    return Level(size)


def other() -> gym.Env:
    return Level(77)


SMALL = {"num_envs": 2, "hidden_dim": 8, "torch_threads": 1}
HERE = f"{__name__}:make"


def test_an_episode_is_cut_where_training_cut_it():
    agent = oc.OptionCritic(HERE, num_options=2, max_episode_steps=20, initial_beta=0.001, **SMALL)
    env = oc.OptionEnv(HERE, agent, deterministic=True)
    env.reset()
    *_, terminated, truncated, info = env.step(0)
    assert truncated and not terminated and info["option_steps"] == 20
    limited = gym.wrappers.TimeLimit(make(), 30)
    assert found(limited, None, agent.settings)[1].max_episode_steps is None  # the user's own object
    env = oc.OptionEnv(lambda: gym.wrappers.TimeLimit(make(), 30), agent, deterministic=True)
    env.reset()
    assert env.step(0)[-1]["option_steps"] == 30  # its own limit comes first, as in judging


def test_arguments_are_those_of_training_where_it_is_the_same_environment(tmp_path):
    agent = oc.OptionCritic(HERE, num_options=2, env_kwargs={"size": 9}, max_episode_steps=7, **SMALL)
    agent.save(tmp_path / "agent")
    assert oc.OptionEnv(HERE, agent).reset()[0] == 9
    assert oc.OptionEnv(HERE, agent, env_kwargs={"size": 3}).reset()[0] == 3
    for where, size in ((Where(None), 9), (Where(HERE), 9), (Where(f"{__name__}:other"), 77),
                        (Where(HERE, {"size": 5}), 5)):  # fmt: skip
        env, _ = served([str(tmp_path / "agent")], where, None, None)
        assert env.reset()[0] == size
        env.close()


class Around(gym.Env):
    """Stands for a wrapper of the user's around hand-insert, whose object rests higher than pick-place's."""

    observation_space, action_space = OBSERVATION_SPACE, ACTION_SPACE

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        obs = np.zeros(39)
        obs[:3], obs[4:7], obs[36:39] = (0, 0.5, 0.3), (0, 0.6, 0.067), (0, 0.7, 0.2)
        return obs, {}

    def step(self, action):
        return self.reset()[0], 0.0, False, True, {}


@pytest.mark.parametrize("reward", ["dense", "success"])
def test_definitions_stay_those_of_their_task_in_an_environment_of_the_users(reward):
    agent = oc.OptionCritic("Meta-World/hand-insert-v3", options_from="reach-grasp-move", reward=reward, **SMALL)
    skills = [skill_of(agent, name) for name in agent.option_names]
    for options in (skills, agent):
        env = oc.OptionEnv(Around(), options)
        env.reset()
        assert env.interests().tolist() == [1.0, 0.0, 0.0]
    moved = agent.settings.override(env_id="Meta-World/reach-v3+push-v3", reward="dense", num_envs=4)
    assert moved.options.options_from == "reach-grasp-move"
    assert agent.settings.override(env_id="own:make", reward="dense").options.options_from.endswith("@hand-insert-v3")


def number(value):
    return lambda obs: torch.full(obs.shape[:-1], value)


class Keeper:
    """A function that cannot be copied, as a session of a runtime cannot."""

    def __init__(self, value):
        self.value, self.lock = value, threading.Lock()

    def __call__(self, obs):
        return torch.full(obs.shape[:-1], self.value)


UNCOPIED = (
    Option(name="one", interest=Keeper(1.0), fixed={0: Keeper(0.5)}),
    Option(name="two", end=Keeper(0.25)),
)
ASTRAY = (Option(name="bad", policy=number(7.0), interest=number(1.0)), Option(name="own", interest=number(0.0)))
STRONG = (Option(name="p", policy=lambda obs: torch.full((*obs.shape[:-1], 1), 50.0), correction=True),)


def with_options(env_id, name, **more):
    return oc.OptionCritic(env_id, options_from=f"{__name__}:{name}", **SMALL | more)


def test_functions_that_cannot_be_copied_will_do():
    agent = with_options("Pendulum-v1", "UNCOPIED", rollout_length=8, minibatch_size=8)
    action, _ = agent.predict(np.zeros(3, np.float32), deterministic=True)
    agent.learn(32)
    agent.close()
    env = oc.OptionEnv("Pendulum-v1", agent)
    env.reset(seed=0)
    env.step(0)
    assert action.shape == (1,)


def test_a_given_choice_that_there_is_none_of_is_told_in_an_agent_too():
    agent = with_options("CartPole-v1", "ASTRAY")
    for act in (lambda: agent.predict(np.zeros(4, np.float32)), lambda: ran(agent)):
        with pytest.raises(RunError, match=r"the policy of option bad answers a choice that there is none of.*0 to 1"):
            act()


def ran(agent):
    env = oc.OptionEnv("CartPole-v1", agent)
    env.reset(seed=0)
    env.step(0)


def test_what_is_given_is_clipped_before_it_is_corrected():
    """Pendulum takes 2 at most: a correction of a tenth of that is seen at once, not when 48 were unlearned."""
    agent = with_options("Pendulum-v1", "STRONG")
    with torch.no_grad():
        agent.state.model.pi_head.weight.zero_()
        agent.state.model.pi_head.bias.fill_(-0.1)
    action, _ = agent.predict(np.zeros(3, np.float32), deterministic=True)
    assert action == pytest.approx(1.8)
    base = agent.state.model.given.bases(torch.zeros(2, 3))
    assert base.flatten().tolist() == [1.0, 1.0]


class Pictures(gym.Env):
    """Bytes, of which a flat encoder makes numbers."""

    observation_space = gym.spaces.Box(0, 255, (36, 36), np.uint8)
    action_space = gym.spaces.Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return np.full((36, 36), 7, np.uint8), {}

    def step(self, action):
        return self.reset()[0], 0.0, False, True, {}


def test_skills_that_read_pictures_as_numbers_run_by_themselves():
    agent = oc.OptionCritic(Pictures, encoder="flat", num_options=2, **SMALL)
    env = oc.OptionEnv(Pictures, [skill_of(agent, name) for name in agent.option_names])
    env.reset(seed=0)
    assert env.step(1)[-1]["option_steps"] == 1


def test_options_of_a_module_that_was_loaded_anew_can_be_exported_by_an_agent_that_was_too(tmp_path, monkeypatch):
    import importlib

    (tmp_path / "anew.py").write_text(
        "from option_critic import Option\n"
        "OPTIONS = (Option(name='a', interest=lambda o: o[..., 0] * 0 + 1.0), Option(name='b'))\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    agent = oc.OptionCritic("Pendulum-v1", options_from="anew:OPTIONS", **SMALL)
    importlib.reload(importlib.import_module("anew"))
    with pytest.raises(InputError, match="no longer the one that its module defines, which was loaded anew: make the"):
        skill_of(agent, "a")
    agent.save(tmp_path / "agent")
    assert skill_of(oc.load(tmp_path / "agent"), "a").record.definition.reference == "anew:OPTIONS"
