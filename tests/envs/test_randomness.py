"""Environments that draw from where they should not: they repeat, and the user's generators stay as they were."""

import importlib
import random
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch

import option_critic as oc
from option_critic.envs.contract import env_seeds
from option_critic.envs.gymnasium import make_gymnasium
from option_critic.envs.randomness import Chance
from option_critic.errors import RunError
from option_critic.evaluation.evaluate import evaluate

SOURCES = ("ActionSpace", "ObservationSpace", "Numpy", "Python", "Torch", "NumpyAtFirst", "PythonAtFirst")


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent))


def user_seeds(seed):
    np.random.seed(seed)
    random.seed(seed)
    torch.manual_seed(seed)
    np.random.normal()  # the second of a pair waits


def user_state():
    legacy = [str(x) for x in np.random.get_state()]
    return (*legacy, random.getstate(), torch.get_rng_state().tolist())


def fresh_spaces(source):
    """As in a new process: those of the class are shared by all that were made before."""
    cls = importlib.import_module("bad_envs").ENVS[f"Draws{source}"]
    for name in ("action_space", "observation_space"):
        space = getattr(cls, name)
        setattr(cls, name, type(space).__new__(type(space)))
        getattr(cls, name).__dict__.update(space.__dict__, _np_random=None)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("groups", [1, 2])
def test_training_and_judging_repeat_and_leave_the_users_generators(source, groups, small):
    results = []
    for user in (1, 2):
        user_seeds(user)
        fresh_spaces(source)
        agent = oc.OptionCritic.from_settings(
            small(f"bad_envs:Draws{source}-v0", total_timesteps=128, checkpoint_every=64, env_groups=groups)
        )
        before = user_state()
        agent.learn()
        (result,) = evaluate(agent, num_episodes=3)
        assert user_state() == before
        weights = torch.cat([p.detach().flatten() for p in agent.state.model.parameters()])
        results.append((weights, result.trace.q))
    assert torch.equal(results[0][0], results[1][0])
    assert np.array_equal(results[0][1], results[1][1])
    assert len(np.unique(result.trace.q)) > 24  # something was drawn


@pytest.mark.parametrize("source", ["Numpy", "ActionSpace"])
def test_a_resumed_run_draws_what_the_whole_one_did(source, small, tmp_path):
    settings = small(f"bad_envs:Draws{source}-v0", total_timesteps=256, checkpoint_every=128)
    oc.OptionCritic.from_settings(settings).learn(run_folder=tmp_path / "whole")

    def crash(agent, metrics):
        if agent.num_timesteps == 192:
            raise OSError

    with pytest.raises(OSError):
        oc.OptionCritic.from_settings(settings).learn(run_folder=tmp_path / "cut", callback=crash)
    user_seeds(5)
    oc.resume(tmp_path / "cut")
    last = "checkpoints/000000000256/model.safetensors"
    assert (tmp_path / "cut" / last).read_bytes() == (tmp_path / "whole" / last).read_bytes()


@pytest.mark.parametrize("name", ["SystemExitInInit", "SystemExitInReset", "SystemExitInStep", "SystemExitInClose"])
def test_the_users_generators_are_given_back_by_one_that_fails(name, small):
    user_seeds(3)
    before = user_state()
    with pytest.raises(RunError):
        make_and_step(f"bad_envs:{name}-v0")
    assert user_state() == before


def make_and_step(env_id):
    envs = make_gymnasium(env_id, [0, 1])
    envs.reset()
    envs.step(np.zeros(2, int))
    envs.close()


def test_what_an_environment_draws_goes_on_where_it_was():
    """Whether the switch is made at each step or around them all."""

    def draws(outer):
        envs = make_gymnasium("bad_envs:DrawsNumpy-v0", env_seeds(0, 0, 2))
        with outer(envs):
            envs.reset()
            rows = [envs.step(np.zeros(2, int)).next_obs for _ in range(4)]
        envs.close()
        return np.stack(rows)

    each, all_ = draws(lambda _: Chance([9])), draws(lambda envs: envs.chance)
    assert np.array_equal(each, all_) and len(np.unique(each[..., 0])) == 8


def test_well_behaved_environments_see_what_they_saw():
    """Their own random numbers come from the seed of the reset alone."""
    envs = make_gymnasium("CartPole-v1", [11, 12])
    env = gym.make("CartPole-v1")
    assert np.array_equal(envs.reset()[1], env.reset(seed=12)[0])
    for _ in range(60):  # episodes end on the way
        step = envs.step(np.ones(2, int))
        obs, _, terminated, truncated, _ = env.step(1)
        assert np.array_equal(step.next_obs[1], obs)
        if terminated or truncated:
            assert np.array_equal(step.act_obs[1], env.reset()[0])
    envs.close()
