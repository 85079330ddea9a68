"""The saved agent in tests/fixtures/format-1 loads for ever.

It was written by the first version that knew format 1 (Pendulum-v1, two options, a hidden layer of 4, 160 steps).
It is never written anew: a format that cannot read it is another format.
"""

import hashlib
from pathlib import Path

import numpy as np
import pytest

import option_critic as oc

AGENT = Path(__file__).parents[1] / "fixtures" / "format-1"


def test_the_files_are_the_old_ones():
    manifest = hashlib.sha256((AGENT / "manifest.json").read_bytes()).hexdigest()
    assert manifest == "39b88ffd76d3ccfdec3e8ed208e243f07d1822c3ae48f777003e70d111a8885f"


def test_a_saved_agent_of_format_1_says_what_it_said():
    agent = oc.load(AGENT)
    assert agent.settings.env_id == "Pendulum-v1" and agent.option_names == ("swing", "hold")
    assert agent.num_timesteps == 160 and list(agent.state.episodes.lengths) == [16] * 10
    assert agent.state.model.q_head.weight[1, 2].item() == pytest.approx(-0.1871771365404129, abs=1e-9)
    action, state = agent.predict(np.array([1.0, 0.5, -2.0]), deterministic=True)
    assert state.option_name == "hold" and action == pytest.approx([-0.023808013647794724], abs=1e-6)
    action, state = agent.predict(np.array([-1.0, 0.1, 3.0]), state, deterministic=True)
    assert state.option_name == "hold" and action == pytest.approx([0.053429510444402695], abs=1e-6)


def test_it_goes_on_learning():
    agent = oc.load(AGENT)
    assert len(agent.state.optimizer.state) == 15
    assert agent.learn(80).num_timesteps == 240
