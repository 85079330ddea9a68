"""Agents with weights that say something, for skills to be cut out of. Their definitions are here, too."""

import json
import math
import sys

import gymnasium as gym
import pytest
import torch
from gymnasium import register, registry
from gymnasium.spaces import Box, Dict, MultiDiscrete

import option_critic as oc
from option_critic.cli import main as cli
from option_critic.options.feature import Feature
from option_critic.options.option import Option, where
from option_critic.runs.files import fingerprint
from option_critic.runs.paths import RunPath
from option_critic.skills.export import skill_of
from option_critic.skills.folder import FILES

NAMES = [*FILES, "manifest.json"]
"""Of the files of a skill."""


def env(observation_space, action_space):
    """A class of environments that never end."""

    class Made(gym.Env):
        def __init__(self):
            self.observation_space, self.action_space = observation_space, action_space

        def reset(self, *, seed=None, options=None):
            super().reset(seed=seed)
            return self.seen(), {}

        def step(self, action):
            return self.seen(), 0.0, False, False, {}

        def seen(self):
            self.observation_space.seed(int(self.np_random.integers(1 << 30)))
            return self.observation_space.sample()

    return Made


SIDE = Box(-3, 3, (9,), "float64")
ENVS = {
    "Arm": (SIDE, Box(torch.tensor([-1.0, 0.0]).numpy(), torch.tensor([1.0, 4.0]).numpy())),
    "Choice": (SIDE, MultiDiscrete([3, 2], start=[1, 5])),
    "Dict": (Dict(a=Box(-1, 1, (2, 2)), b=Box(-1, 1, (5,))), Box(-2, 2, (2,))),
}
for name, spaces in ENVS.items():
    if f"Skills/{name}-v0" not in registry:
        register(f"Skills/{name}-v0", env(*spaces))

NEAR, GOAL = Feature("hand - object", (0, 1), (2, 3)), Feature("goal", (8,))


def high(obs):
    return (obs[..., 0] > -0.5) * 0.75


def low(obs):
    return where(obs[..., 0] > 0, 0.0, math.nan)


def torch_only(obs):
    return torch.sigmoid(obs[..., 1])


def sway(obs):
    return where(obs[..., :2] > 0, 0.75, -0.25) + 0 * obs[..., :2]


SAID = (
    Option(name="up", interest=high, end=lambda obs: obs[..., 2] > 1, fixed={0: low}, arrays=True, phase="carry"),
    Option(name="down", interest=torch_only, end=torch_only, fixed={1: torch_only, 0: 0.5}, min_length=2),
)
VIEWS = (
    Option(name="near", sees=(NEAR,), interest=high, arrays=True),
    Option(name="both", sees=(GOAL, NEAR), max_length=9),
    Option(name="all"),
)
GIVEN = (
    Option(name="frozen", policy=sway, end=high, ends="given", arrays=True),
    Option(name="corrected", policy=sway, correction=True, fixed={0: low}, arrays=True),
    Option(name="new"),
)
POLE = (Option(name="left", policy=lambda obs: (obs[..., 2] > 0) * 1, correction=True), Option(name="new"))

AGENTS = {
    "plain": ("Pendulum-v1", {}),
    "discrete": ("CartPole-v1", {"activation": "relu"}),
    "discrete corrected": ("CartPole-v1", {"options_from": "makers:POLE"}),
    "held": ("Pendulum-v1", {"action_repeat": 3, "activation": "elu", "beta_floor": 0.1, "beta_ceil": 0.8}),
    "not normalised": ("Pendulum-v1", {"normalize_observation": False, "shared_trunk": True}),
    "defined": ("Skills/Arm-v0", {"options_from": "makers:SAID"}),
    "interests unseen": ("Skills/Arm-v0", {"options_from": "makers:SAID", "observe_interest": ""}),
    "views": ("Skills/Arm-v0", {"options_from": "makers:VIEWS", "quaternions": (4,), "policy_layers": 1}),
    "quaternions": ("Skills/Arm-v0", {"quaternions": (0, 5), "differences": (0, 4, 1, 5), "clip_observation": 0.5}),
    "given": ("Skills/Arm-v0", {"options_from": "makers:GIVEN"}),
    "soft": ("Skills/Arm-v0", {"algorithm": "sac_oc", "options_from": "makers:SAID"}),
    "soft given": ("Skills/Arm-v0", {"algorithm": "sac_oc", "options_from": "makers:GIVEN", "differences": (0, 4)}),
    "soft choices": ("CartPole-v1", {"algorithm": "sac_oc", "hidden_dim": 6}),
    "factors": ("Skills/Choice-v0", {}),
    "dict": ("Skills/Dict-v0", {"option_layers": 3}),
}


def agent(name, **others):
    """One of AGENTS, as if it had learned."""
    env_id, settings = AGENTS[name]
    few = {"num_envs": 1, "hidden_dim": 8, "torch_threads": 1, "env_workers": "never"}
    made = oc.OptionCritic(env_id, **(few | settings | others))
    return learned(made)


def learned(made, seed=0):
    """The agent with drawn weights and statistics."""
    generator, model = torch.Generator().manual_seed(seed), made.state.model
    with torch.no_grad():
        for p in model.parameters():
            p.normal_(std=0.4, generator=generator)
    model.update_view(observations(made, 50, seed + 1))
    return made


def observations(made, count=20, seed=2):
    """Raw ones [N, D]."""
    drawn = torch.randn(count, made.spaces.obs_size, generator=torch.Generator().manual_seed(seed))
    return drawn * 2


def full_skill(folder):
    """Write a skill with all there is to `folder`: a definition, interests that are seen, and a skill below."""
    sys.modules[__name__].ON_SKILLS = (
        skill_of(agent("defined"), 0).option(correction=True, ends="learned"),
        Option(name="b"),
    )
    few = {"num_envs": 1, "hidden_dim": 4, "observe_interest": "makers:SAID"}
    skill_of(oc.OptionCritic("Skills/Arm-v0", options_from="makers:ON_SKILLS", **few), 0).save(folder)
    return folder


def command(monkeypatch, capsys, *words):
    """All that `option-critic skills` prints; it ends with an exit code and no traceback."""
    monkeypatch.setattr(sys, "argv", ["option-critic", "skills", *map(str, words)])
    with pytest.raises(SystemExit) as end:
        cli.main()
    out, err = capsys.readouterr()
    assert end.value.code in (0, 2) and "Traceback" not in err
    return out + err


def sign(folder):
    """Make the checksums of a skill's files right."""
    sums = {name: fingerprint(RunPath.of(folder) / name) for name in FILES}
    (folder / "manifest.json").write_text(json.dumps({"format_version": 1, "files": sums}))
