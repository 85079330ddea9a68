"""The options for FetchPush say when to approach and push: with them a script of a few lines solves the task."""

import numpy as np
import pytest

from option_critic.options.ahead import BEHIND, ahead
from option_critic.options.fetch_push import FETCH_PUSH, PUSHING, to_goal

gym = pytest.importorskip("gymnasium")
robotics = pytest.importorskip("gymnasium_robotics")


def row_of(obs):
    return np.concatenate([obs[k] for k in sorted(obs)]).astype(np.float32)


def scripted(row, option):
    """Towards the place behind the object, high as long as the object lies in between; or straight on."""
    direction = ahead(to_goal(row))
    place = row[12:15] - BEHIND * np.append(direction, 0).astype(np.float32)
    if option == 0:
        beside = np.linalg.norm(place[:2]) > 0.02
        return 10 * (place + np.array([0, 0, 0.07 * beside]))
    return np.append(6 * (row[3:5] - row[0:2]), 8 * place[2])


@pytest.fixture(scope="module")
def episodes():
    """(success in the episode, the option of each step, what was paid besides) of three scripted episodes."""
    gym.register_envs(robotics)
    env, found = gym.make("FetchPush-v4"), []
    for seed in range(3):
        obs, _ = env.reset(seed=seed)
        row, options, paid, success = row_of(obs), [], 0.0, False
        first = PUSHING.away(row)
        for _ in range(50):
            options.append(max(k for k, option in enumerate(FETCH_PUSH) if option.interest(row)))
            action = np.append(scripted(row, options[-1]).clip(-1, 1), 0).astype(np.float32)
            obs, _, _, _, info = env.step(action)
            after = row_of(obs)
            paid, row, success = paid + PUSHING.nearer(row, after), after, success or bool(info["is_success"])
        found.append((success, options, paid, 10 * (first - PUSHING.away(row))))
    env.close()
    return found


def test_a_script_on_them_solves_the_task(episodes):
    assert all(success for success, *_ in episodes)


def test_approach_comes_first_and_push_last(episodes):
    for _, options, *_ in episodes:
        assert options[0] == 0 and options[-1] == 1


def test_nothing_is_gained_by_going_away_and_coming_back(episodes):
    for *_, paid, difference in episodes:
        assert paid == pytest.approx(difference, abs=1e-3)
    assert all(option.reward == PUSHING.nearer for option in FETCH_PUSH)


def test_somebody_is_always_interested():
    obs = np.random.default_rng(0).normal(size=(1000, 31)).astype(np.float32) * 0.05
    said = np.stack([option.interest(obs) for option in FETCH_PUSH])
    assert said.any(0).all() and said.any(1).all()
