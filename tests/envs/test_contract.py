"""One contract for every adapter."""

import os
from functools import partial

import gymnasium as gym
import numpy as np
import pytest
from gymnasium.vector import AutoresetMode

from option_critic.envs.contract import env_seeds
from option_critic.envs.envpool import thread_ids
from option_critic.envs.envpool_metaworld import MetaWorldEnvs
from option_critic.envs.gymnasium import GymnasiumEnvs, make_gymnasium
from option_critic.envs.make import make_envs
from option_critic.envs.metaworld import make_official
from option_critic.envs.settings import EnvSettings
from option_critic.envs.workers import WorkerEnvs

B, LIMIT = 3, 4
TASK = "pick-place-v3"


def registered(env_id, mode, seeds, limit):
    envs = gym.make_vec(env_id, len(seeds), vectorization_mode="sync", max_episode_steps=limit,
                        vector_kwargs={"autoreset_mode": mode})  # fmt: skip
    return GymnasiumEnvs(envs, seeds, env_id)


ADAPTERS = {
    **{f"Pendulum {m.value}": partial(registered, "Pendulum-v1", m) for m in AutoresetMode},
    "CartPole": lambda seeds, limit: make_envs("CartPole-v1", EnvSettings(max_episode_steps=limit), seeds),
    "probe": lambda seeds, limit: make_envs("Probe/Endless-v0", EnvSettings(max_episode_steps=limit), seeds),
    "four rooms": lambda seeds, limit: make_envs("FourRooms-v0", EnvSettings(max_episode_steps=limit), seeds),
    "workers": lambda seeds, limit: WorkerEnvs(
        [
            partial(make_gymnasium, "Pendulum-v1", part, EnvSettings(max_episode_steps=limit))
            for part in (seeds[:1], seeds[1:])
        ]
    ),
    "official": lambda seeds, limit: make_official(TASK, seeds, limit, workers=2),
    "envpool": lambda seeds, limit: MetaWorldEnvs(TASK, seeds, limit, threads=2),
}


@pytest.fixture(params=ADAPTERS, ids=str)
def make(request):
    opened = []

    def build(seeds, limit=LIMIT):
        opened.append(ADAPTERS[request.param](seeds, limit))
        return opened[-1]

    yield build
    for envs in opened:
        envs.close()


def actions(envs, rng, rows):
    return envs.spaces.to_env(envs.spaces.random_actions(rng, (rows, envs.num_envs)))


def test_shapes_successors_masks_and_limits(make, rng):
    envs = make(env_seeds(0, 0, B))
    obs = envs.reset()
    size = envs.spaces.obs_size
    assert envs.num_envs == B and obs.shape == (B, size) and obs.dtype in (np.float32, np.float64)
    lengths, finished, waiting = np.zeros(B, int), 0, np.zeros(B, bool)
    for action in actions(envs, rng, 3 * LIMIT + 3):
        step = envs.step(action)
        for x in (step.next_obs, step.act_obs):
            assert x.shape == (B, size) and x.dtype == obs.dtype
        assert step.reward.shape == (B,) and step.reward.dtype == np.float64
        for flag in (step.terminated, step.truncated, step.valid, step.is_first):
            assert flag.shape == (B,) and flag.dtype == np.bool_
        lengths += step.valid
        for b in range(B):
            if waiting[b]:  # the row in which a next-step backend resets
                assert not step.valid[b] and not step.done[b] and step.is_first[b]
                waiting[b] = False
            elif step.done[b]:
                assert step.valid[b]
                assert step.terminated[b] or lengths[b] == LIMIT
                lengths[b], finished = 0, finished + 1
                waiting[b] = not step.is_first[b]
            else:
                assert step.valid[b] and not step.is_first[b]
                assert np.array_equal(step.next_obs[b], step.act_obs[b])
        for value in step.info.values():
            assert value.shape == (B,) and value.dtype == np.float64
    assert finished >= 2 * B


def test_the_true_successor_at_a_limit_is_the_state_without_one(make):
    short, long = make(env_seeds(0, 1, B)), make(env_seeds(0, 1, B), 2 * LIMIT)
    assert np.array_equal(short.reset(), long.reset())
    for t, action in enumerate(actions(short, np.random.default_rng(1), LIMIT)):
        cut, on = short.step(action), long.step(action)
        assert np.array_equal(cut.next_obs, on.next_obs)
        assert np.array_equal(cut.reward, on.reward)
        assert (cut.truncated == (t == LIMIT - 1)).all() and not on.done.any()


def history(make, seeds):
    envs = make(seeds)
    rows = [envs.reset()]
    for action in actions(envs, np.random.default_rng(7), 2 * LIMIT + 2):
        rows.append(envs.step(action).act_obs)
    return np.stack(rows)


def test_same_seed_same_run(make):
    assert np.array_equal(history(make, env_seeds(5, 2, B)), history(make, env_seeds(5, 2, B)))


@pytest.mark.parametrize("make", sorted({*ADAPTERS} - {"probe", "four rooms"}), indirect=True)  # nothing or cells drawn
def test_environments_and_runs_share_no_stream(make):
    starts = np.concatenate([make(env_seeds(run, it, B)).reset() for run, it in ((0, 0), (1, 0), (0, 1))])
    assert len(np.unique(starts, axis=0)) == 3 * B


def test_seeds_of_neighbouring_runs_and_iterations_are_disjoint():
    seeds = [s for run in range(6) for it in range(6) for s in env_seeds(run, it, 64)]
    assert len(set(seeds)) == len(seeds) and min(seeds) >= 0 and max(seeds) < 2**31


@pytest.mark.skipif(not hasattr(os, "SCHED_BATCH"), reason="Linux schedules by policy")
def test_simulator_threads_do_not_preempt():
    before = thread_ids()
    envs = MetaWorldEnvs(TASK, [0, 1], 5, threads=2)
    threads = thread_ids() - before
    policies = [os.sched_getscheduler(t) for t in threads]
    envs.close()
    assert len(threads) >= 2 and set(policies) == {os.SCHED_BATCH} and os.sched_getscheduler(0) == os.SCHED_OTHER
