"""What EnvPool's port of Meta-World does otherwise than the official package, and is mended here."""

import metaworld
import numpy as np
import pytest
from metaworld.policies import ENV_POLICY_MAP
from scipy.spatial.transform import Rotation

from option_critic.envs.envpool_metaworld import DRIFTING, GOAL, TURNED, MetaWorldEnvs, axes_of, turned
from option_critic.envs.make import make_envs
from option_critic.envs.metaworld import PREFIX, QUATERNIONS, make_official
from option_critic.envs.settings import EnvSettings

LEVER = "lever-pull-v3"
ROTATION, BEFORE = slice(7, 11), slice(25, 29)
RADIUS = 0.2
"""Of the lever, in metres."""


def pulled(envs, steps):
    """What a script that pulls the lever of one environment sees."""
    script, seen = ENV_POLICY_MAP[LEVER](), [envs.reset()[0]]
    for _ in range(steps):
        action = np.clip(script.get_action(seen[-1].copy()), -1, 1).astype(np.float32)
        seen.append(envs.step(action[None]).next_obs[0])
    envs.close()
    return np.array(seen[1:])  # the package tells the first before it has put the lever where it goes


def angles(seen):
    """How far the lever is turned, by where its end is."""
    forth, up = seen[:, 5] - seen[0, 5], seen[:, 6] - seen[0, 6]
    return np.arctan2(up, RADIUS - forth)


MAKERS = {"envpool": lambda: MetaWorldEnvs(LEVER, [1], 150, 1), "official": lambda: make_official(LEVER, [1], 150)}


@pytest.mark.filterwarnings("ignore:Constant:UserWarning")
@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_the_levers_rotation_is_one_all_along_its_way(make):
    """At rest as the package's model has it, and turned from there about x by the lever's angle."""
    task = metaworld.MT1(LEVER, seed=0)
    env = task.train_classes[LEVER]()
    env.set_task(task.train_tasks[0])
    rest = Rotation.from_quat(env.reset()[0][ROTATION])
    env.close()
    seen = pulled(make(), 140)
    way = angles(seen)
    assert way.max() > 0.9
    expected = Rotation.from_rotvec(-way[:, None] * [1, 0, 0]) * rest
    apart = (Rotation.from_quat(seen[:, ROTATION]).inv() * expected).magnitude()
    assert apart.max() < 0.01
    before = Rotation.from_quat(seen[1:, BEFORE]) * Rotation.from_quat(seen[:-1, ROTATION]).inv()
    assert before.magnitude().max() < 1e-6


def test_what_is_turned_is_hamiltons_product():
    obs = np.random.default_rng(0).normal(size=(3, 39))
    for start in QUATERNIONS:
        obs[:, start : start + 4] /= np.linalg.norm(obs[:, start : start + 4], axis=-1, keepdims=True)
    before = obs.copy()
    now = turned(obs, axes_of(["push-v3", LEVER, "push-v3"]))
    assert np.array_equal(obs, before) and np.array_equal(now[::2], obs[::2])
    assert np.array_equal(np.flatnonzero((now != obs)[1]), [*range(7, 11), *range(25, 29)])
    for start in (7, 25):
        product = Rotation.from_quat(obs[1, start : start + 4]) * Rotation.from_quat(TURNED[LEVER])
        assert (Rotation.from_quat(now[1, start : start + 4]).inv() * product).magnitude() < 1e-9
    assert axes_of(["push-v3"]) is None and turned(obs, None) is obs


def test_among_several_tasks_only_the_lever_is_turned():
    settings = EnvSettings(num_envs=4, max_episode_steps=6)
    both = make_envs(f"{PREFIX}push-v3+{LEVER}", settings, [1, 2, 3, 4])
    first = both.reset()
    then = both.step(np.zeros((4, 4), np.float32))
    both.close()
    for task, rows, seeds in (("push-v3", slice(0, 2), [1, 2]), (LEVER, slice(2, 4), [3, 4])):
        alone = MetaWorldEnvs(task, seeds, 6, 1)
        assert np.array_equal(first[rows, :39], alone.reset())
        step = alone.step(np.zeros((2, 4), np.float32))
        assert np.array_equal(then.next_obs[rows, :39], step.next_obs) and step.act_obs is step.next_obs
        alone.close()


@pytest.mark.filterwarnings("ignore:Constant:UserWarning")
@pytest.mark.parametrize("task", DRIFTING)
def test_where_the_goal_would_move_away_the_script_succeeds_in_each_episode(task):
    """As often as on the package, in the first, the second and the third; the goals are the package's."""
    count, script = 4, ENV_POLICY_MAP[task]()
    envs = MetaWorldEnvs(task, list(range(count)), 150, 1)
    obs, successes, starts = envs.reset(), np.zeros((3, count), bool), []
    for episode in range(3):
        starts.append(obs)
        for _ in range(150):
            step = envs.step(np.stack([np.clip(script.get_action(o.copy()), -1, 1) for o in obs]).astype(np.float32))
            assert step.valid.all()
            obs, successes[episode] = step.next_obs, successes[episode] | (step.info["success"] > 0)
        assert step.truncated.all()
        step = envs.step(np.zeros((count, 4), np.float32))
        obs = step.act_obs
        assert step.is_first.all() and not step.valid.any()
    envs.close()
    assert (successes.mean(-1) >= 0.75).all()
    official = make_official(task, list(range(16)), 150)
    there = official.reset()[:, GOAL]
    official.close()
    starts = np.concatenate(starts)
    assert (starts[:, GOAL] > there.min(0) - 0.05).all() and (starts[:, GOAL] < there.max(0) + 0.05).all()
    assert len(np.unique(starts[:, 4:7], axis=0)) == 3 * count


def test_a_pool_that_is_reset_in_mid_episode_begins_another():
    envs = MetaWorldEnvs("shelf-place-v3", [5, 6], 9, 1)
    first = envs.reset()
    envs.step(np.zeros((2, 4), np.float32))
    second = envs.reset()
    again = MetaWorldEnvs("shelf-place-v3", [5, 6], 9, 1)
    assert np.array_equal(again.reset(), first) and np.array_equal(again.reset(), second)
    assert not np.allclose(first[:, GOAL], second[:, GOAL]) and np.abs(second[:, 37]).max() < 0.95
    envs.close()
    again.close()
