"""The border to somebody else's environment: what crosses it is ours or theirs, never both."""

from pathlib import Path

import numpy as np
import pytest

from option_critic.envs.gymnasium import make_gymnasium
from option_critic.envs.make import make_envs
from option_critic.envs.settings import EnvSettings


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent.parent))


def rows(shares, repeat):
    """All that seven steps handed over, looked at only afterwards, and the actions that were handed over."""
    envs = make_envs(f"bad_envs:Keeping{shares}-v0", EnvSettings(action_repeat=repeat), [0, 1])
    actions = np.random.default_rng(0).uniform(-1, 1, (7, 2, 2)).astype(np.float32)
    first = envs.reset()
    steps = [envs.step(a) for a in actions]
    envs.close()
    return [first, actions, *(x for s in steps for x in (s.next_obs, s.act_obs, s.reward, s.info["success"]))]


@pytest.mark.parametrize("repeat", [1, 2])
@pytest.mark.parametrize("shares", ["observation", "common", "reward", "info", "action"])
def test_arrays_that_an_environment_goes_on_using_change_nothing(shares, repeat):
    for given, expected in zip(rows(shares, repeat), rows("", repeat), strict=True):
        assert np.array_equal(given, expected)


def test_success_is_read_among_foreign_values():
    envs = make_gymnasium("bad_envs:Foreign-v0", [0, 1])
    envs.reset()
    steps = [envs.step(np.zeros(2, int)) for _ in range(24)]
    envs.close()
    assert [s.info.get("success", np.zeros(2)).tolist() for s in steps] == ([[0, 0]] * 11 + [[0.75, 0.75]]) * 2
    assert [bool(s.done.all()) for s in steps] == ([False] * 11 + [True]) * 2
    assert {name for s in steps for name in s.info} == {"success"}
