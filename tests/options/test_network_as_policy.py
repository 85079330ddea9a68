"""A network that was trained and exported elsewhere as the policy of an option: the recipe in docs/options.md."""

import re
import sys
from pathlib import Path

import pytest
import torch
from torch import nn

import option_critic as oc

RECIPE = Path(__file__).parents[2] / "docs" / "options.md"
FEW = {"num_envs": 2, "rollout_length": 16, "minibatch_size": 16, "epochs": 1, "hidden_dim": 8, "torch_threads": 1,
       "env_workers": "never"}  # fmt: skip


@pytest.fixture
def network(tmp_path, monkeypatch):
    """It, exported to where the recipe finds it."""
    torch.manual_seed(0)
    made = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 1), nn.Tanh())
    program = torch.export.export(made, (torch.zeros(2, 3),), dynamic_shapes=({0: torch.export.Dim("batch")},))
    torch.export.save(program, tmp_path / "network.pt2")
    section = RECIPE.read_text().partition("### A network as a policy")[2]
    (tmp_path / "my_options.py").write_text(re.search(r"```python\n(.*?)```", section, re.S)[1])
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    yield made
    sys.modules.pop("my_options", None)


def test_an_exported_network_acts_as_an_option(network, tmp_path):
    agent = oc.OptionCritic("Pendulum-v1", options_from="my_options:OPTIONS", **FEW)
    obs = torch.rand(5, 3, generator=torch.Generator().manual_seed(1))
    said = agent.state.model.behaviour(obs).mean[:, 0]
    expected = network(obs)
    assert torch.allclose(2 * said, expected, atol=1e-5)  # of actions in [-2, 2]
    agent.learn(64)
    assert torch.equal(agent.state.model.behaviour(obs).mean[:, 0], said)
    agent.save(tmp_path / "agent")
    again = oc.load(tmp_path / "agent")
    first, _ = agent.predict(obs[0].numpy(), deterministic=True)
    assert first == pytest.approx(again.predict(obs[0].numpy(), deterministic=True)[0])
