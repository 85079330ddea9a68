"""Approach and operate, and approach and push, say when: along the official scripts each is alive when it should be."""

import numpy as np
import pytest

from option_critic.options.approach_operate import BY_TASK, CONTACTS, NEARER, away
from option_critic.options.approach_push import APPROACH_PUSH
from option_critic.options.definitions import at_task, find

metaworld = pytest.importorskip("metaworld")

MOVES = ("button-press-v3", "door-open-v3", "drawer-open-v3", "faucet-open-v3", "lever-pull-v3", "plate-slide-v3")


def scripted(task):
    """Observations [T, D] of the official script up to its first success, and when the part begins to move."""
    from option_critic.envs.metaworld import OfficialTask
    from option_critic.evaluation.expert import scripted_actions
    from option_critic.evaluation.goals import mt1_goals

    env, act, start = OfficialTask(task, 500, mt1_goals(task, 7)[:1]), scripted_actions(task), None
    obs, _ = env.reset(seed=0)
    rows, success = [obs], False
    while not success:
        obs, _, _, _, info = env.step(act(obs))
        rows.append(obs)
        success = info["success"] > 0
        if start is None and len(rows) > 4 and np.linalg.norm(obs[4:7] - rows[3][4:7]) > 0.01:
            start = len(rows) - 1
    env.close()
    return np.array(rows, dtype=np.float32), start


@pytest.mark.parametrize("task", MOVES)
def test_operate_runs_from_when_the_part_moves_to_the_success(task):
    rows, start = scripted(task)
    approach, operate = find(at_task("approach-operate", task))
    assert approach.interest(rows)[0] and not operate.interest(rows)[0]
    assert operate.interest(rows)[start:].all()


def test_somebody_is_always_interested():
    obs = np.random.default_rng(0).normal(size=(1000, 39)).astype(np.float32) * 0.05
    for options in (*BY_TASK.values(), APPROACH_PUSH):
        said = np.stack([option.interest(obs) for option in options])
        assert said.any(0).all() and said.any(1).all()


def test_who_goes_away_pays_back_what_it_got():
    contact = CONTACTS["lever-pull-v3"]
    rows = np.random.default_rng(1).normal(size=(20, 39)).astype(np.float32)
    rows[-1] = rows[0]
    for option in find("approach-operate@lever-pull-v3"):
        assert option.reward(rows[:-1], rows[1:]).sum() == pytest.approx(0, abs=1e-3)
        first = NEARER * (away(rows[:1], contact) - away(rows[1:2], contact))
        assert option.reward(rows[:1], rows[1:2]) == pytest.approx(first)


def test_push_runs_behind_the_puck_and_at_the_goal():
    approach, push = APPROACH_PUSH
    obs = np.zeros((4, 39), dtype=np.float32)
    obs[:, 4:7], obs[:, 36:39] = (0, 0.6, 0.02), (0.1, 0.6, 0.02)  # the goal is to the right of the puck
    obs[:, 0:3] = ((-0.055, 0.6, 0.065), (0.055, 0.6, 0.065), (0, 0.6, 0.2), (0.3, 0.6, 0.2))
    obs[3, 36:39] = (0.02, 0.6, 0.02)  # it is there
    assert push.interest(obs).tolist() == [True, False, False, True]
    assert approach.interest(obs).tolist() == [False, True, True, False]


def test_who_comes_behind_the_puck_is_paid():
    obs = np.zeros((1, 39), dtype=np.float32)
    obs[:, 4:7], obs[:, 36:39] = (0, 0.6, 0.02), (0.1, 0.6, 0.02)
    far, near = obs.copy(), obs.copy()
    far[:, 0:3], near[:, 0:3] = (-0.255, 0.6, 0.065), (-0.055, 0.6, 0.065)
    for option in APPROACH_PUSH:
        assert option.reward(far, near) == pytest.approx(20 * 0.2, abs=0.05)
        assert option.reward(near, far) == pytest.approx(-20 * 0.2, abs=0.05)
