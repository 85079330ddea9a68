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
