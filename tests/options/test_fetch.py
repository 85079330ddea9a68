"""The options for Fetch say when to reach, grasp and move: with them a script of three lines solves the task."""

import numpy as np
import pytest

from option_critic.options.fetch import FETCH

gym = pytest.importorskip("gymnasium")
robotics = pytest.importorskip("gymnasium_robotics")


@pytest.fixture(scope="module")
def episodes():
    """(success at the end, the option of each step) of three scripted episodes."""
    gym.register_envs(robotics)
    env, found = gym.make("FetchPickAndPlace-v4"), []
    for seed in range(3):
        obs, _ = env.reset(seed=seed)
        options = []
        for _ in range(50):
            row = np.concatenate([obs[k] for k in sorted(obs)]).astype(np.float32)
            options.append(max(k for k, option in enumerate(FETCH) if option.interest(row)))
            away, to_goal = row[12:15], row[3:6] - row[0:3]
            above = away + np.array([0, 0, 0.06 * (np.linalg.norm(away[:2]) > 0.02)])
            way = (12 * above, 12 * away * [0, 0, 1], 10 * to_goal)[options[-1]]
            obs, _, _, _, info = env.step(np.append(way.clip(-1, 1), (1, -1, -1)[options[-1]]).astype(np.float32))
        found.append((info["is_success"], options))
    env.close()
    return found


def test_a_script_on_them_solves_the_task(episodes):
    assert [success for success, _ in episodes] == [1, 1, 1]


def test_they_run_one_after_the_other(episodes):
    for _, options in episodes:
        assert options == sorted(options) and set(options) == {0, 1, 2}


def test_somebody_is_always_interested():
    obs = np.random.default_rng(0).normal(size=(1000, 31)).astype(np.float32) * 0.03
    said = np.stack([option.interest(obs) for option in FETCH])
    assert said.any(0).all() and said.any(1).all()


def test_what_they_see_is_what_its_name_says():
    gym.register_envs(robotics)
    env = gym.make("FetchPickAndPlace-v4")
    obs, _ = env.reset(seed=0)
    for _ in range(4):
        obs, *_ = env.step(np.array([1, -0.5, 0.2, 1], dtype=np.float32))
    gripper = env.unwrapped._utils.get_site_xpos(env.unwrapped.model, env.unwrapped.data, "robot0:grip")
    speed = env.unwrapped._utils.get_site_xvelp(env.unwrapped.model, env.unwrapped.data, "robot0:grip")
    told = {
        "object - gripper": obs["achieved_goal"] - gripper,
        "object - goal": obs["achieved_goal"] - obs["desired_goal"],
        "gripper speed": speed * env.unwrapped.dt,
    }
    env.close()
    row, checked = np.concatenate([obs[k] for k in sorted(obs)]), set()
    for option in FETCH:
        for feature in option.sees:
            if feature.name in told:
                seen = row[list(feature.plus)] - (row[list(feature.minus)] if feature.minus else 0)
                assert seen == pytest.approx(told[feature.name], abs=1e-6), feature.name
                checked.add(feature.name)
    assert checked == set(told) and abs(told["gripper speed"][0]) > 1e-3


def test_only_move_sees_the_goal():
    reads_goal = [any({3, 4, 5} & {*f.plus, *f.minus} for f in option.sees) for option in FETCH]
    assert reads_goal == [False, False, True]
