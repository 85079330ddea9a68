"""Worker processes for Gymnasium's environments: chosen where they pay, and without an effect on what is learned."""

import random
import sys

import cloudpickle
import gymnasium as gym
import numpy as np
import pytest
import torch

import option_critic as oc
from option_critic.envs import processes
from option_critic.envs.make import make_envs, who_steps
from option_critic.envs.processes import decide, weigh
from option_critic.envs.settings import EnvSettings
from option_critic.envs.source import Source
from option_critic.errors import RunError

SMALL = {"num_envs": 3, "rollout_length": 32, "hidden_dim": 8, "torch_threads": 1, "backend": "gymnasium"}


def weights(env_id, workers):
    agent = oc.OptionCritic(env_id, seed=3, env_workers=workers, env_threads=2, max_episode_steps=30, **SMALL)
    agent.learn(200)
    agent.close()
    return agent.state.model.state_dict()


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Pendulum-v1"])
def test_weights_are_the_same_to_the_bit(env_id):
    alone, shared = weights(env_id, "never"), weights(env_id, "always")
    assert all(torch.equal(alone[name], shared[name]) for name in alone)


@pytest.mark.parametrize(
    ("step", "message", "workers", "words"),
    [
        (1e-5, None, 0, "a step of 8 takes 0.08 ms"),
        (2e-3, 1e-4, 4, "a step of 8 takes 16 ms here, 4.1 ms in 4 processes"),
        (2e-4, 1e-2, 0, "1.6 ms here, 10 ms in 4 processes"),
    ],
)
def test_auto_weighs_steps_against_messages(step, message, workers, words):
    decision = weigh(step, 4, 8, lambda: message)
    assert decision.workers == workers and words in decision.reason


class Gambler(gym.Env):
    """Draws from Python's own generator."""

    observation_space = gym.spaces.Box(-1, 1, (1,))
    action_space = gym.spaces.Discrete(2)
    made = 0

    def __init__(self):
        Gambler.made += 1

    def reset(self, *, seed=None, options=None):
        return np.zeros(1, np.float32), {}

    def step(self, action):
        if self.failing:
            raise ValueError("no dice")
        return np.full(1, random.random(), np.float32), 0.0, False, False, {}

    failing = False


class Cheat(Gambler):
    failing = True


cloudpickle.register_pickle_by_value(sys.modules[__name__])  # as if all this were a script

gym.register("Gambler-v0", Gambler)
gym.register("Cheat-v0", Cheat)


def test_who_draws_from_global_generators_stays_here_or_is_warned_of(monkeypatch):
    monkeypatch.setattr(processes, "usable_cores", lambda: 2)
    before = random.getstate()
    assert "Gambler-v0 draws from global random generators" in who_steps(Source("Gambler-v0"), EnvSettings())
    assert random.getstate() == before
    made = Gambler.made
    assert decide(Source("Gambler-v0"), EnvSettings()).workers == 0 and Gambler.made == made  # once
    with pytest.warns(UserWarning, match="its episodes depend on the number of workers"):
        assert "in 2 worker processes" in who_steps(Source("Gambler-v0"), EnvSettings(env_workers="always"))
    assert who_steps(Source("Meta-World/reach-v3"), EnvSettings(backend="envpool")) == ""


def test_what_an_environment_raises_in_a_worker_is_named_as_here():
    """One of a script, which workers do not import."""
    said = []
    for workers in ("never", "always"):
        envs = make_envs("Cheat-v0", EnvSettings(env_workers=workers, env_threads=2), [1, 2])
        envs.reset()
        with pytest.raises(RunError) as error:
            envs.step(np.zeros(2, int))
        said.append((type(error.value), str(error.value)))
        if workers == "never":
            envs.close()
    assert said[0] == said[1] and said[0][1] == "Cheat-v0 failed in step: ValueError: no dice"


@pytest.mark.parametrize("place", ["own_maker", "own_package.maker", "own_folder.maker"])
def test_workers_find_a_module_of_the_users(tmp_path, monkeypatch, place):
    """One that was imported from the working directory, which they do not look into: by itself, in a package, or in a
    folder without an __init__.py."""
    file = tmp_path / f"{place.replace('.', '/')}.py"
    file.parent.mkdir(exist_ok=True)
    file.write_text("import gymnasium as gym\n\n\ndef make() -> gym.Env:\n    return gym.make('CartPole-v1')\n")
    if "package" in place:
        (file.parent / "__init__.py").touch()
    monkeypatch.chdir(tmp_path)
    agent = oc.OptionCritic(f"{place}:make", env_workers="always", env_threads=2, **SMALL)
    assert str(tmp_path) not in sys.path
    agent.learn(96)
    agent.close()
    assert agent.num_timesteps == 96
    for name in {place, place.partition(".")[0]}:
        monkeypatch.delitem(sys.modules, name)
