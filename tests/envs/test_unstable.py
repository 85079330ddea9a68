"""Simulations that MuJoCo resets by itself: cut and counted."""

import json
import sys
from functools import partial
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest

from option_critic.cli import main as cli
from option_critic.envs.gymnasium import make_gymnasium
from option_critic.envs.metaworld import OfficialTask
from option_critic.envs.source import guarded
from option_critic.envs.unstable import CutUnstable
from option_critic.envs.workers import WorkerEnvs

HOPPER = "bad_envs:UnstableHopper-v0"


@pytest.fixture(autouse=True)
def folder(monkeypatch, tmp_path):
    """MuJoCo writes its warnings into a file where it stands."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent))


def told(envs, count):
    """Of some steps: which were truncated, and which told as unstable [count, B]."""
    envs.reset()
    steps = [envs.step(np.zeros((envs.num_envs, 3), np.float32)) for _ in range(count)]
    zeros = np.zeros(envs.num_envs)
    envs.close()
    return np.stack([s.truncated for s in steps]), np.stack([s.info.get("unstable", zeros) for s in steps])


def test_an_unstable_step_is_cut_and_told_also_if_it_is_the_first_of_an_episode():
    truncated, unstable = told(make_gymnasium(HOPPER, [1, 2]), 6)
    assert truncated[:, 0].tolist() == truncated[:, 1].tolist() == [False, False, True, True, False, False]
    assert np.array_equal(unstable, truncated)


def test_each_of_two_unstable_steps_in_a_row_counts():
    """Where nobody resets in between: MuJoCo's own count stays at one."""
    import bad_envs

    env = guarded(bad_envs.unstable_hopper(), "it")
    env.reset(seed=0)
    assert [env.step(np.zeros(3))[3] for _ in range(5)] == [False, False, True, True, False]


def test_an_unstable_step_pays_nothing_and_ends_where_it_began():
    """What MuJoCo hands back is its default pose, and a reward for having got there."""
    env = guarded(gym.make("HalfCheetah-v5"), "it")
    env.reset(seed=0)
    before = env.step(np.zeros(6))[0]
    env.unwrapped.data.qpos[0], env.unwrapped.data.qvel[0] = -1e4, 1e11
    obs, reward, terminated, truncated, info = env.step(np.zeros(6))
    assert np.array_equal(obs, before) and (reward, terminated, truncated) == (0.0, False, True)
    assert info == {"unstable": 1.0}
    env.close()


def test_one_worker_tells_what_the_other_does_not():
    makers = [partial(make_gymnasium, env_id, [1, 2]) for env_id in ("Hopper-v5", HOPPER)]
    _, unstable = told(WorkerEnvs(makers), 4)
    assert unstable.tolist() == [[0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 1], [0, 0, 1, 1]]


def test_official_tasks():
    env = OfficialTask("reach-v3")
    env.reset(seed=0)
    seen = []
    for broken in (False, True):
        if broken:
            env.env.data.qvel[0] = 1e12
        obs, reward, _, truncated, info = env.step(np.zeros(4, np.float32))
        assert truncated is broken and info.get("unstable", 0.0) == broken
        seen.append((obs.tolist(), reward))
    assert seen[1] == (seen[0][0], 0.0) and seen[0][1] > 0 and info["success"] == 0.0
    env.reset()
    assert "unstable" not in env.step(np.zeros(4, np.float32))[4]
    env.close()


def test_only_environments_with_the_counters_are_watched():
    assert isinstance(guarded(gym.make("Hopper-v5"), "it"), CutUnstable)
    assert not isinstance(guarded(gym.make("CartPole-v1"), "it"), CutUnstable)


def test_training_counts_them(monkeypatch, tmp_path):
    flags = ["--num-envs", "2", "--rollout-length", "16", "--total-timesteps", "64", "--hidden-dim", "8"]
    monkeypatch.setattr(sys, "argv", ["option-critic", "train", HOPPER, *flags, "--out", "out"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0
    lines = [json.loads(line) for line in (tmp_path / "out/seed-0/metrics.jsonl").read_text().splitlines()]
    assert [m.get("rollout/unstable") for m in lines] == [4.0, None]


def test_what_breaks_in_a_reset_counts_for_no_step():
    import bad_envs

    env = guarded(bad_envs.unstable_hopper(), "it")
    simulator = env.unwrapped
    whole = simulator.reset_model

    def broken():
        simulator.data.warning.number[6] = 1
        return whole()

    simulator.reset_model = broken
    env.reset(seed=0)
    assert not env.step(np.zeros(3))[3]
