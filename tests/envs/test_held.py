"""Actions that are held for several steps: in training, judging and predicting alike."""

import gymnasium as gym
import numpy as np
import pytest

import option_critic as oc
from option_critic.envs.contract import EnvSettings, env_seeds
from option_critic.envs.make import make_envs
from option_critic.evaluation import evaluate as evaluation
from option_critic.settings import Settings

B, SEEDS = 3, env_seeds(0, 0, 3)


def open_both(env_id, limit, count):
    settings = EnvSettings(max_episode_steps=limit, action_repeat=count)
    return make_envs(env_id, settings, SEEDS), make_envs(env_id, EnvSettings(max_episode_steps=limit), SEEDS)


@pytest.mark.parametrize(
    ("env_id", "limit"),
    [("Pendulum-v1", 7), ("CartPole-v1", 7), ("Meta-World/pick-place-v3", 7)],
)
def test_a_held_step_is_so_many_steps_and_ends_where_an_episode_does(env_id, limit):
    held, single = open_both(env_id, limit, 3)
    assert np.array_equal(held.reset(), single.reset())
    low, high = held.spaces.policy_bounds if not held.spaces.discrete else (0, 1)
    rng, seen = np.random.default_rng(0), []
    for _ in range(8):
        shape = (B,) if held.spaces.discrete else (B, held.spaces.action_size)
        action = held.spaces.to_env(rng.integers(2, size=B) if held.spaces.discrete else rng.uniform(low, high, shape))
        step = held.step(action)
        parts = [single.step(action) for _ in range(step.steps)]
        np.testing.assert_allclose(step.reward, sum(p.reward for p in parts))
        for name in ("next_obs", "act_obs", "is_first", "terminated", "truncated", "valid"):
            assert np.array_equal(getattr(step, name), getattr(parts[-1], name)), name
        if "success" in step.info:
            assert np.array_equal(step.info["success"], np.max([p.info["success"] for p in parts], axis=0))
        assert not any(p.done.any() or not p.valid.all() for p in parts[:-1])
        seen.append(step.steps)
        assert step.steps == 3 or (step.done | ~step.valid).any()
    assert seen[:3] == [3, 3, 1] if env_id != "CartPole-v1" else 3 in seen
    held.close()
    single.close()


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
