"""EnvPool for Gymnasium's ids: the same dynamics, and a choice that does not move under a run."""

import json
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
from envpool_agreement import MOST_OBS, MOST_REWARD, step_by_step

import option_critic as oc
from option_critic.envs import agreement
from option_critic.envs.agreement import MEASURED
from option_critic.envs.envpool import Atari, make_atari, make_gymnasium_id
from option_critic.envs.make import make_envs, resolve_backend, spaces_of
from option_critic.envs.settings import EnvSettings
from option_critic.errors import InputError, NonFiniteError
from option_critic.loading import at_boundary
from option_critic.runs.paths import RunPath

BEFORE = Path(__file__).parent.parent / "fixtures" / "format-1"
SMALL = {"num_envs": 2, "rollout_length": 8, "hidden_dim": 8, "torch_threads": 1, "max_episode_steps": 4}


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Acrobot-v1", "HalfCheetah-v5"])
def test_a_step_from_the_same_state_leads_to_the_same(env_id):
    rows, obs, reward, ends = step_by_step(env_id, 60)
    known = MEASURED[env_id]
    assert rows > 300 and (obs, reward, ends) <= (known.obs, max(known.reward, 1e-12), 0)
    assert known.obs <= MOST_OBS and known.reward <= MOST_REWARD and not known.differs


def test_the_comparison_finds_what_differs():
    assert step_by_step("Pendulum-v1", 300)[1] > MOST_OBS


@pytest.mark.parametrize("env_id", ["CartPole-v1", "Swimmer-v5", "Reacher-v5"])
def test_spaces_are_those_of_gymnasium(env_id):
    envs = make_gymnasium_id(env_id, [1, 2], 5, 1)
    obs = envs.reset()
    assert envs.spaces == spaces_of(env_id) and obs.dtype == gym.make(env_id).observation_space.dtype
    envs.close()


def test_rows_of_episodes_that_end_at_different_times():
    """A pole that is pushed one way falls; a limit cuts the others: told apart, and followed by a reset each."""
    envs = make_envs("CartPole-v1", EnvSettings(backend="envpool", max_episode_steps=12), [1, 2, 3])
    obs, steps, ends = envs.reset(), np.zeros(3, int), np.zeros(3, int)
    for _ in range(60):
        step = envs.step(np.array([1, 1, int(obs[2, 2] > 0)]))
        steps += 1
        assert step.valid.all() and np.array_equal(step.is_first, step.done)
        assert np.array_equal(step.truncated, steps == 12) and not (step.terminated & step.truncated).any()
        assert np.abs(step.act_obs[step.done]).max(initial=0) <= 0.05
        assert np.array_equal(step.act_obs[~step.done], step.next_obs[~step.done])
        assert (np.abs(step.next_obs[step.terminated][:, 2]) > 0.2).all()
        ends, obs, steps = ends + step.terminated, step.act_obs, np.where(step.done, 0, steps)
    envs.close()
    assert ends.tolist()[:2] > [4, 4] and ends[2] == 0


def choice(env_id, **settings):
    return resolve_backend(env_id, EnvSettings(**settings))


def test_auto_takes_envpool_only_where_it_was_measured_to_agree(monkeypatch):
    gym.register("OwnPole-v0", "gymnasium.envs.classic_control.cartpole:CartPoleEnv")
    assert choice("CartPole-v1") == "envpool" and choice("CartPole-v1", backend="gymnasium") == "gymnasium"
    for env_id in ("OwnPole-v0", "FrozenLake-v1"):
        assert choice(env_id) == "gymnasium"
        with pytest.raises(InputError, match="was not measured against"):
            choice(env_id, backend="envpool")
    assert choice("Pendulum-v1") == "gymnasium" and choice("Pendulum-v1", backend="envpool") == "envpool"
    assert choice("LunarLanderContinuous-v3") == "envpool"
    assert choice("CartPole-v1", action_repeat=2) == "gymnasium"
    with pytest.raises(InputError, match="cannot hold actions"):
        choice("CartPole-v1", action_repeat=2, backend="envpool")
    monkeypatch.setattr(agreement, "version", lambda package: {"mujoco": "3.3.0", "envpool": "1.2.5"}[package])
    assert choice("Hopper-v5") == "gymnasium" and choice("HalfCheetah-v5") == "envpool"
    monkeypatch.setattr(agreement, "version", lambda _: "9.9")
    assert choice("HalfCheetah-v5") == choice("CartPole-v1") == "gymnasium"


def test_an_id_that_somebody_else_registered_anew_is_not_envpools(monkeypatch):
    spec = gym.registry["CartPole-v1"]
    for change in ({"entry_point": "bad_envs:Good"}, {"kwargs": {"sutton_barto_reward": True}}):
        monkeypatch.setitem(gym.registry, "CartPole-v1", gym.envs.registration.EnvSpec(**{
            "id": "CartPole-v1", "entry_point": spec.entry_point, "max_episode_steps": 500, **change}))  # fmt: skip
        assert choice("CartPole-v1") == "gymnasium"
        with pytest.raises(InputError, match="is not Gymnasium's own"):
            choice("CartPole-v1", backend="envpool")


def test_what_auto_meant_is_kept_with_the_run(tmp_path, monkeypatch):
    agent = oc.OptionCritic("CartPole-v1", checkpoint_every=16, **SMALL)
    assert agent.settings.env.backend == "auto"
    agent.learn(32, run_folder=tmp_path / "run")
    written = json.loads((tmp_path / "run" / "config.json").read_text())
    assert agent.settings.env.backend == written["settings"]["env"]["backend"] == "envpool"
    monkeypatch.setattr("option_critic.envs.envpool.available", lambda: False)
    assert oc.OptionCritic("CartPole-v1", **SMALL).learn(16).settings.env.backend == "gymnasium"
    with pytest.raises(InputError, match="EnvPool is not installed"):
        oc.load(tmp_path / "run").learn(16)


def test_auto_of_before_means_gymnasium(tmp_path):
    """A saved agent, and a run folder that has no checkpoint yet."""
    assert json.loads((BEFORE / "config.json").read_text())["settings"]["env"]["backend"] == "auto"
    agent = oc.load(BEFORE)
    assert agent.settings.env.backend == "gymnasium"
    assert oc.load(BEFORE, backend="auto").settings.env.backend == "auto"
    written = {
        "format_version": 1,
        "settings": agent.settings.override(backend="auto").to_dict(),
        "spaces": agent.spaces.to_dict(),
    }
    (tmp_path / "config.json").write_text(json.dumps(written))
    assert at_boundary(RunPath.of(tmp_path)).settings.env.backend == "gymnasium"


def test_what_is_no_number_is_told():
    envs = make_gymnasium_id("CartPole-v1", [1, 2], 5, 1)
    envs.reset()
    rows = np.full((2, 4), np.nan), np.zeros(2), np.zeros(2, bool), np.zeros(2, bool), {}
    envs.envs = type("Pool", (), {"recv": lambda _: rows})()
    with pytest.raises(NonFiniteError, match="CartPole-v1 returned observations that are NaN"):
        envs.recv()


def test_atari_sees_the_pictures_of_gymnasiums_wrappers():
    ale = pytest.importorskip("ale_py")
    gym.register_envs(ale)
    envs = make_atari("ALE/Pong-v5", [1, 2], 1, Atari(noop_max=1, repeat_action_probability=0.0))
    env = gym.make("ALE/Pong-v5", frameskip=1, repeat_action_probability=0.0)
    env = gym.wrappers.AtariPreprocessing(env, noop_max=1)
    env = gym.wrappers.FrameStackObservation(env, 4)
    ours, hers = envs.reset(), env.reset(seed=0)[0]
    for action in np.random.default_rng(0).integers(6, size=30):
        assert ours.dtype == np.uint8 and np.array_equal(ours[0].reshape(4, 84, 84), hers)
        step = envs.step(np.array([action, action]))
        hers, reward, *_ = env.step(action)
        ours = step.act_obs
        assert step.reward[0] == reward
    envs.close()
    env.close()
