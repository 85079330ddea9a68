"""The official package and EnvPool: goals, seeds, infos, names."""

import os
import pickle
import signal
import time
from dataclasses import replace
from functools import partial

import metaworld
import numpy as np
import pytest
import torch

import option_critic as oc
from option_critic.envs.envpool import has_all_cores
from option_critic.envs.envpool_metaworld import GOAL, MetaWorldEnvs, envpool_id
from option_critic.envs.make import make_envs, resolve_backend
from option_critic.envs.metaworld import (
    DIFFERENCES,
    QUATERNIONS,
    RESTS_AT,
    TASKS,
    TOOLS,
    OfficialTask,
    make_official,
    make_slice,
    task_of,
)
from option_critic.envs.settings import EnvSettings
from option_critic.envs.workers import WorkerEnvs, WorkerError
from option_critic.errors import InputError
from option_critic.evaluation.goals import draw_mt1_goals, mt1_goals
from option_critic.evaluation.limits import GOAL_SETS
from option_critic.recipes import metaworld as preset

TASK = "pick-place-v3"


def official(task, seed):
    return np.array([pickle.loads(t.data)["rand_vec"] for t in metaworld.MT1(task, seed=seed).train_tasks])


@pytest.mark.parametrize("seed", sorted({s for seeds in GOAL_SETS.values() for s in seeds}))
def test_stored_goals_are_those_of_the_package(seed):
    assert np.array_equal(mt1_goals(TASK, seed), official(TASK, seed))


def test_drawn_goals_are_those_of_the_package_and_leave_the_global_generator_alone():
    before = np.random.get_state()[1].copy()
    assert np.array_equal(draw_mt1_goals("push-v3", 7), official("push-v3", 7))
    assert np.array_equal(np.random.get_state()[1], before)


def test_tasks_are_those_of_the_package():
    assert set(TASKS) == set(metaworld.MT1.ENV_NAMES) and len(TASKS) == 50


def test_goals_are_taken_in_turn_and_seen():
    goals = mt1_goals(TASK, 42)[:3]
    env = OfficialTask(TASK, goals=goals)
    for goal in (*goals, goals[0]):
        obs, _ = env.reset()
        np.testing.assert_allclose(obs[GOAL], goal[3:])
        np.testing.assert_allclose(obs[4:6], goal[:2], atol=1e-3)
    _, _, _, _, info = env.step(np.zeros(4, np.float32))
    assert set(info) == {"success", "near_object", "grasp_success", "obj_to_target", "object_height", "initial_height"}
    env.close()


@pytest.mark.parametrize("task", RESTS_AT)
def test_what_settles_by_itself_is_not_lifted(task):
    env = OfficialTask(task)
    obs, _ = env.reset(seed=0)
    assert abs(obs[6] - RESTS_AT[task]) > 0.01, "an episode begins with it at rest"
    heights = [env.step(np.zeros(4))[4]["object_height"] for _ in range(40)]
    env.close()
    np.testing.assert_allclose(heights, RESTS_AT[task], atol=0.01)


def test_marks_that_are_none_are_left_out():
    env = OfficialTask("door-lock-v3")
    env.reset(seed=0)
    info = env.step(np.zeros(4))[4]
    env.close()
    assert "near_object" not in info and "success" in info


def test_results_do_not_depend_on_the_number_of_workers():
    goals = [g[None] for g in mt1_goals(TASK, 42)[:4]]
    runs = []
    for workers in (1, 3):
        envs = make_official(TASK, [1, 2, 3, 4], goals=goals, workers=workers)
        rows = [envs.reset()] + [envs.step(np.full((4, 4), 0.5, np.float32)).next_obs for _ in range(5)]
        envs.close()
        runs.append(np.stack(rows))
    assert np.array_equal(*runs)


def test_envpool_shows_goals_that_differ_and_names_every_task():
    import envpool

    assert {envpool_id(t) for t in TASKS} <= set(envpool.list_all_envs())
    envs = MetaWorldEnvs(TASK, [1, 2, 3], 10, threads=1)
    goals = envs.reset()[:, GOAL]
    envs.close()
    assert len(np.unique(goals, axis=0)) == 3 and np.abs(goals).min() > 0


def test_unknown_task_names_the_nearest():
    with pytest.raises(ValueError, match="Did you mean Meta-World/pick-place-v3"):
        task_of("Meta-World/pick-plac-v3")
    assert task_of("CartPole-v1") is None


def test_backends_that_cannot_are_refused():
    with pytest.raises(ValueError, match="backend must be auto, gymnasium or envpool for CartPole-v1, got official"):
        resolve_backend("CartPole-v1", EnvSettings(backend="official"))
    with pytest.raises(ValueError, match="backend must be auto, envpool or official"):
        resolve_backend("Meta-World/pick-place-v3", EnvSettings(backend="gymnasium"))


def test_training_falls_back_to_the_official_package_and_says_so(monkeypatch):
    monkeypatch.setattr("option_critic.envs.envpool.available", lambda: False)
    with pytest.warns(UserWarning, match="EnvPool is not installed"):
        envs = make_envs("Meta-World/reach-v3", EnvSettings(max_episode_steps=5), [1, 2])
    obs = envs.reset()
    envs.close()
    assert obs.shape == (2, 39)


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setattr("option_critic.envs.envpool.available", lambda: False)
    with pytest.raises(InputError, match="EnvPool is not installed; pip install"):
        resolve_backend("Meta-World/pick-place-v3", EnvSettings(backend="envpool"))
    monkeypatch.setattr("option_critic.envs.metaworld.available", lambda: False)
    with pytest.raises(InputError, match="Meta-World is not installed; pip install"):
        resolve_backend("Meta-World/pick-place-v3", EnvSettings())


def test_workers_leave_signals_to_their_parent():
    envs = make_official(TASK, [1, 2], 5, workers=2)
    envs.reset()
    for process in envs.processes:
        os.kill(process.pid, signal.SIGINT)
        os.kill(process.pid, signal.SIGTERM)
    time.sleep(0.2)
    assert envs.step(np.zeros((2, 4), np.float32)).valid.all()
    envs.processes[0].kill()
    envs.processes[0].join()
    with pytest.raises(WorkerError, match=r"^Meta-World/pick-place-v3: worker 0 \(environments 0 to 0\) of 2 died"):
        envs.step(np.zeros((2, 4), np.float32))
    envs.close()


def test_a_worker_that_fails_is_reported():
    with pytest.raises(WorkerError, match="no-such-task"):
        WorkerEnvs([partial(make_slice, "no-such-task", [1], 5, None)])


def test_simulator_threads_get_cores_of_their_own_only_where_all_cores_are_ours(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3}, raising=False)
    assert has_all_cores(4) and not has_all_cores(2)  # two trainings side by side share the machine
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 2}, raising=False)
    assert not has_all_cores(4)


def test_quaternions_stand_where_the_preset_says():
    """Unit quaternions of the first object, now and one step ago; this task has no second object."""
    now, second, before, second_before = QUATERNIONS
    env = OfficialTask(TASK)
    first, _ = env.reset(seed=0)
    obs, *_ = env.step(np.array([0.3, -0.2, -1.0, 0.5]))
    env.close()
    assert np.linalg.norm(obs[now : now + 4]) == pytest.approx(1)
    assert np.array_equal(obs[before : before + 4], first[now : now + 4])
    assert not obs[second : second + 4].any() and not obs[second_before : second_before + 4].any()


@pytest.mark.parametrize("task", ["sweep-v3", "peg-unplug-side-v3", "hammer-v3", "basketball-v3", "pick-place-v3"])
def test_rotations_look_the_same_in_both_simulators_and_do_not_jump(task):
    """Some tasks tell (w, x, y, z): at rest the last component is 0, give or take, and says nothing of the sign."""
    pytest.importorskip("envpool")
    agent = oc.OptionCritic(f"Meta-World/{task}")
    view = agent.state.model.view
    env = OfficialTask(task)
    rests = [env.reset(seed=0)[0], *(env.step(np.zeros(4))[0] for _ in range(15))]
    env.close()
    envs = make_envs(agent.source, replace(agent.settings.env, num_envs=2), [0, 1])
    rests.extend(envs.reset())
    for _ in range(15):
        rests.extend(envs.step(np.zeros((2, 4), np.float32)).next_obs)
    envs.close()
    seen = view.prepare(torch.from_numpy(np.array(rests, np.float32)))[:, 7:11]
    assert seen.norm(dim=-1).min() > 0.99
    assert (seen @ seen.T).min() > 0  # never the other sign


def test_the_tools_are_the_tasks_with_a_second_object():
    for task in ("hammer-v3", "stick-pull-v3", "stick-push-v3", "push-v3"):
        env = OfficialTask(task)
        obs, _ = env.reset(seed=0)
        env.close()
        assert obs[11:14].any() == (task in TOOLS)
        pairs = np.array(preset(task).model.differences).reshape(-1, 2)
        assert len(pairs) == (12 if task in TOOLS else 6)
        assert ((4, 11) in map(tuple, pairs)) == (task in TOOLS)


def test_differences_lead_to_object_and_goal():
    hand, held = np.array(DIFFERENCES[:6]).reshape(3, 2), np.array(DIFFERENCES[6:]).reshape(3, 2)
    env = OfficialTask(TASK)
    obs, _ = env.reset(seed=0)
    puck, goal = np.split(env.env._last_rand_vec, 2)
    env.close()
    assert obs[hand[:, 1]][:2] == pytest.approx(puck[:2], abs=0.01)
    assert np.array_equal(obs[held[:, 0]], obs[hand[:, 1]]) and obs[held[:, 1]] == pytest.approx(goal)
    assert obs[hand[:, 0]] == pytest.approx([0.0, 0.6, 0.19], abs=0.02)  # where the hand starts


def test_that_goal_still_moves():
    envpool = pytest.importorskip("envpool")
    envs = envpool.make("MetaWorld/ShelfPlace-v3", "gymnasium", num_envs=1, max_episode_steps=1,
                        partially_observable=False)  # fmt: skip
    forth = [envs.reset()[0][0, 37]]
    for _ in range(4):  # a step, and one in which it is reset
        forth.append(envs.step(np.zeros((1, 4), dtype=np.float32))[0][0, 37])
    assert max(forth) > 1.5, "EnvPool has mended it: take shelf-place and hammer out of DRIFTING"
