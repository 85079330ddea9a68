"""Ten environments of ten kinds: each trains by every algorithm, is saved, loaded, and resumed to the same weights.

`tests/faults/test_kinds.py` does the same to processes that are killed.
"""

import shutil
from pathlib import Path

import gymnasium as gym
import numpy as np
import pytest
import torch
from ten_kinds import KINDS, SIZES, STEPS

import option_critic as oc


def same(one, other):
    mine, theirs = one.state.model.state_dict(), other.state.model.state_dict()
    return mine.keys() == theirs.keys() and all(torch.equal(x, theirs[name]) for name, x in mine.items())


@pytest.fixture(autouse=True)
def kinds_at_hand(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parent))


@pytest.mark.filterwarnings("ignore:the checkpoint after")
@pytest.mark.parametrize("algorithm", SIZES)
@pytest.mark.parametrize("kind", KINDS)
def test_trains_comes_back_and_goes_on(kind, algorithm, tmp_path):
    env, settings = KINDS[kind]
    if kind == "continuous by arguments":
        pytest.importorskip("Box2D")
    agent = oc.OptionCritic(env, algorithm=algorithm, num_options=2, **SIZES[algorithm] | settings)
    agent.learn(STEPS, run_folder=tmp_path / "run")
    last = sorted((tmp_path / "run" / "checkpoints").iterdir())[-1]
    whole = oc.load(tmp_path / "run")
    assert same(whole, agent) and agent.num_timesteps >= STEPS
    space = gym.make(env, **settings.get("env_kwargs", {})) if isinstance(env, str) else None
    agent.save(tmp_path / "agent")
    loaded = oc.load(tmp_path / "agent", env=env)
    assert same(loaded, agent)
    if space is not None and "MiniGrid" not in env:
        obs, _ = space.reset(seed=0)
        action, _ = loaded.predict(obs, deterministic=True)
        assert space.action_space.contains(action if np.ndim(action) else np.int64(action))
    shutil.rmtree(last)
    assert same(oc.resume(tmp_path / "run", env=env), whole)
