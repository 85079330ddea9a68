"""Actions that are held for several steps: in training, judging and predicting alike."""

from dataclasses import replace

import gymnasium as gym
import numpy as np
import pytest

import option_critic as oc
from option_critic.envs.contract import env_seeds
from option_critic.envs.make import make_envs
from option_critic.envs.settings import EnvSettings
from option_critic.evaluation import evaluate as evaluation
from option_critic.settings import Settings

B, SEEDS = 3, env_seeds(0, 0, 3)


def open_both(env_id, limit, count, backend="auto"):
    single = EnvSettings(max_episode_steps=limit, backend=backend)
    return make_envs(env_id, replace(single, action_repeat=count), SEEDS), make_envs(env_id, single, SEEDS)


@pytest.mark.parametrize(
    ("env_id", "limit", "backend"),
    [
        ("Pendulum-v1", 7, "auto"),
        ("Meta-World/pick-place-v3", 7, "envpool"),
        ("Meta-World/pick-place-v3", 7, "official"),
    ],
)
def test_a_held_step_is_so_many_steps_and_ends_where_an_episode_does(env_id, limit, backend):
    """Where all episodes have one length; those that have not: below."""
    held, single = open_both(env_id, limit, 3, backend)
    assert np.array_equal(held.reset(), single.reset())
    low, high = held.spaces.policy_bounds
    rng, seen = np.random.default_rng(0), []
    for _ in range(8):
        action = held.spaces.to_env(rng.uniform(low, high, (B, held.spaces.action_size)))
        step = held.step(action)
        assert len(set(step.steps)) == 1
        parts = [single.step(action) for _ in range(int(step.steps[0]))]
        np.testing.assert_allclose(step.reward, sum(p.reward for p in parts))
        for name in ("next_obs", "act_obs", "is_first", "terminated", "truncated", "valid"):
            assert np.array_equal(getattr(step, name), getattr(parts[-1], name)), name
        if "success" in step.info:
            assert np.array_equal(step.info["success"], np.max([p.info["success"] for p in parts], axis=0))
            last = step.info.get("success_last", step.info["success"])
            assert np.array_equal(last, parts[-1].info["success"])
        assert not any(p.done.any() or not p.valid.all() for p in parts[:-1])
        seen.append(int(step.steps[0]))
        assert seen[-1] == 3 or (step.done | ~step.valid).any()
    assert seen[:3] == [3, 3, 1]
    held.close()
    single.close()


class Lengths(gym.Env):
    """Episodes of 5, 3, 7, 4, ... steps; tells of success on the first step of each hold of four, if at all."""

    observation_space = gym.spaces.Box(-np.inf, np.inf, (2,))
    action_space = gym.spaces.Discrete(100)
    lengths = (5, 3, 7, 4)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.episode, self.t = getattr(self, "episode", -1 if seed is None else seed - 1) + 1, 0
        return np.array([self.episode, 0.0], np.float32), {}

    def step(self, action):
        self.t += 1
        info = {"is_success": True} if self.t % 4 == 1 else {}
        end = self.t == self.lengths[self.episode % len(self.lengths)]
        return np.array([self.episode, self.t], np.float32), float(action), end, False, info


@pytest.mark.parametrize("num_envs", [1, 2, 8])
def test_each_environment_holds_its_own_actions(num_envs):
    gym.register("Lengths-v0", Lengths)
    envs = make_envs("Lengths-v0", EnvSettings(action_repeat=4), list(range(num_envs)))
    envs.reset()
    episode, left = np.arange(num_envs), np.zeros(num_envs, int)
    left[:] = [Lengths.lengths[e % 4] for e in episode]
    for action in range(1, 30):
        step = envs.step(np.full(num_envs, action))
        steps = np.minimum(4, left)  # a whole hold, or the rest of its own episode: whatever the others do
        assert np.array_equal(step.steps, steps) and step.valid.all()
        assert np.array_equal(step.reward, steps * action)
        assert np.array_equal(step.terminated, left <= 4)
        told = step.info["success"] > 0
        assert told.all()  # by the first of the steps; the last one tells it only where it is the first, too
        assert np.array_equal(step.info["success_last"] > 0, steps == 1)
        episode, left = episode + (left <= 4), left - steps
        left = np.where(left == 0, [Lengths.lengths[e % 4] for e in episode], left)
        assert np.array_equal(step.act_obs[:, 0], episode)
    envs.close()
    del gym.registry["Lengths-v0"]


def test_training_counts_the_environments_steps():
    settings = Settings(env_id="Pendulum-v1").override(
        total_timesteps=200, num_envs=2, action_repeat=4, max_episode_steps=20, rollout_length=5, minibatch_size=10,
        hidden_dim=8,
    )  # fmt: skip
    seen = []
    agent = oc.OptionCritic.from_settings(settings).learn(callback=lambda _, m: bool(seen.append(m)) or True)
    assert [m["time/total_timesteps"] for m in seen] == [40, 80, 120, 160, 200] and agent.num_timesteps == 200
    assert {m["rollout/ep_len_mean"] for m in seen} == {20}


@pytest.mark.parametrize("env_id", ["Pendulum-v1", "CartPole-v1"])
def test_judging_and_predicting_hold_actions_alike(env_id):
    count = 3
    agent = oc.OptionCritic(env_id, seed=0, num_options=2, action_repeat=count, initial_beta=0.6)
    (result,) = evaluation.evaluate(agent, num_episodes=1, modes=["deterministic"])
    trace = result.trace
    env = gym.make(env_id)
    obs, _ = env.reset(seed=env_seeds(evaluation.EVALUATION_SEED, 0, 1)[0])
    state, decided = None, []
    for t in range(int(trace.length[0])):
        action, state = agent.predict(obs, state, deterministic=True)
        np.testing.assert_allclose(action, trace.action[0, t].squeeze(), atol=1e-5)
        assert state.option == trace.option[0, t] and bool(state.held.made) == (t % count == 0)
        assert not trace.ended[0, t] or t % count == 0
        obs, reward, *_ = env.step(action)
        assert reward == pytest.approx(trace.reward[0, t], abs=1e-4)
        decided.append(bool(state.held.made))
    assert sum(decided) == -(-int(trace.length[0]) // count)
    assert trace.ended[0, ::count].sum() > 1  # options do end: initial_beta is above 0.5


def test_a_new_episode_is_decided_anew():
    agent = oc.OptionCritic("Pendulum-v1", seed=0, action_repeat=4)
    obs = np.random.default_rng(0).normal(size=(2, 3))
    first, state = agent.predict(obs, deterministic=True)
    second, state = agent.predict(-obs, state, deterministic=True)
    assert np.array_equal(first, second) and not state.held.made.any()
    third, state = agent.predict(-obs, state, episode_start=[True, False], deterministic=True)
    assert state.held.made.tolist() == [True, False]
    assert not np.array_equal(third[0], first[0]) and np.array_equal(third[1], first[1])
