"""Settings of an agent that goes on: each acts, or is refused with the reason."""

import dataclasses

import numpy as np
import pytest
import torch

import option_critic as oc
from option_critic.errors import InputError
from option_critic.settings import DECIDED, Settings, UnknownSettingError, setting_names

OTHERS = {
    "env_id": "Pendulum-v2", "num_options": 3, "options_from": "reach-grasp-move", "hidden_dim": 9,
    "policy_layers": 1, "critic_layers": 1, "critic_norm": True, "option_layers": 2,
    "activation": "relu", "shared_trunk": True,
    "quaternions": (0,), "quaternion_sign": "first", "differences": (0, 1), "observe_interest": "reach-grasp-move",
    "options_see_task": True,
    "normalize_observation": False,
    "initial_log_std": -1.0, "initial_beta": 0.5, "correction_log_std": -2.0, "burn_in": 32,
    "options": ("new:a", "new:b"), "skills": (), "skill_ends": "given",
    "algorithm": "ppo_oc", "seed": 5, "total_timesteps": 96, "checkpoint_every": 32, "keep_checkpoints": 1,
    "device": "auto", "torch_threads": 2,
    "encoder": "flat", "conv_layers": (8, 3, 1), "encoder_dim": 9, "evaluate_every": 64, "evaluate_episodes": 2,
    "backend": "envpool", "env_kwargs": {"g": 9}, "num_envs": 4, "max_episode_steps": 20, "action_repeat": 2,
    "preprocessing": "none", "env_threads": 1, "env_groups": 2, "worker_timeout": 9.0, "env_workers": "always",
    "option_names": ("up", "down"), "min_option_length": 2, "max_option_length": 5, "beta_floor": 0.1, "beta_ceil": 0.9,
    "clip_observation": 5.0, "normalize_reward": False,
    "gamma": 0.9, "lam": 0.9, "rollout_length": 8, "epochs": 2, "minibatch_size": 8, "clip": 0.1, "target_kl": 0.0,
    "lr_option": 1e-5, "lr_critic": 1e-5, "lr_master": 1e-5, "lr_termination": 1e-5, "anneal_lr": False,
    "final_log_std": -2.0, "noise_color": 1.0, "noise_color_first": 0.5, "risk_seeking": 0.5,
    "final_risk_seeking": 0.1,
    "deliberation_cost": 0.1, "entropy_master": 0.1, "entropy_option": 0.1, "value_weight": 1.0,
    "max_grad_norm": 0.1, "max_skipped_updates": 3,
}  # fmt: skip
"""Another value for each setting."""


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    torch.set_num_threads(1)
    folder = tmp_path_factory.mktemp("saved") / "agent"
    settings = Settings(env_id="Pendulum-v1").override(
        num_envs=2, rollout_length=16, minibatch_size=16, epochs=1, hidden_dim=8, torch_threads=1
    )
    oc.OptionCritic.from_settings(settings).learn(64).save(folder)
    return folder


def flat(settings):
    parts = [settings, *(x for x in vars(settings).values() if dataclasses.is_dataclass(x))]
    return {name: value for part in parts for name, value in vars(part).items()}


# skills come with options; price needs another beside it; reward, another environment: tests/envs has it
@pytest.mark.parametrize("name", sorted(setting_names().keys() - {"price", "reward", "skills"}))
def test_each_setting_is_taken_or_refused_with_the_reason(name, saved):
    if name in DECIDED:
        with pytest.raises(InputError, match=name):
            oc.load(saved, **{name: OTHERS[name]})
    else:
        agent = oc.load(saved, **{name: OTHERS[name]})
        assert flat(agent.settings)[name] == OTHERS[name] != flat(oc.load(saved).settings)[name]


def test_what_stays_as_it_is_is_no_change(saved):
    agent = oc.load(saved, num_options=2, hidden_dim=np.int64(8), env_id="Pendulum-v1")
    assert agent.settings == oc.load(saved).settings


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"hidden_dim": 9}, "hidden_dim of this agent is 8 and cannot become 9: that would be another network; make a"),
        ({"initial_beta": 0.5}, "it says where a training begins, and this one has begun"),
        ({"env_id": "Hopper-v5"}, "`set_env` moves an agent"),
        ({"option_names": ("a", "b", "c")}, "num_options of this agent is 2 and cannot become 3"),
        ({"algorithm": "sac_oc"}, "algorithm of this agent is 'dac' and cannot become 'sac_oc': .* has other critics"),
        ({"lr_option": -1}, r"lr_option must lie in \[0, 100\], got -1"),
        ({"num_envs": "4"}, "num_envs must be a whole number, got '4'"),
        ({"price": "termination"}, "price is a setting of algorithm ppo_oc; dac has none"),
    ],
)
def test_the_reason_is_said(settings, words, saved):
    with pytest.raises(InputError, match=words):
        oc.load(saved, **settings)


def test_what_learned_from_replay_goes_on_with_it(tmp_path):
    oc.OptionCritic("Pendulum-v1", algorithm="sac_oc", hidden_dim=8).save(tmp_path / "agent")
    with pytest.raises(InputError, match="algorithm of this agent is 'sac_oc' and cannot become 'ppo_oc'"):
        oc.load(tmp_path / "agent", algorithm="ppo_oc")


def test_unknown_settings_are_named(saved):
    with pytest.raises(UnknownSettingError, match="Did you mean lr_option"):
        oc.load(saved, lr_optoin=1e-4)


def test_named_options_keep_their_names(tmp_path):
    oc.OptionCritic("pick-place", hidden_dim=8).save(tmp_path / "agent")
    with pytest.raises(InputError, match="its options are what their definitions say"):
        oc.load(tmp_path / "agent", option_names=("a", "b", "c"))


ACTING = {
    "lr_option": {"lr_option": 0.0},
    "clip_observation": {"clip_observation": 0.1},
    "entropy_master": {"entropy_master": 0.5},
    "algorithm": {"algorithm": "ppo_oc"},
    "price": {"algorithm": "ppo_oc", "price": "termination", "deliberation_cost": 0.5},
    "seed": {"seed": 3},
    "num_envs": {"num_envs": 4},
    "max_episode_steps": {"max_episode_steps": 5},
    "beta_ceil": {"beta_ceil": 0.05},
}


@pytest.mark.parametrize("name", ACTING)
def test_what_is_taken_acts(name, saved):
    """Another end of the training: those settings, and nothing else, make the difference."""
    plain, again = oc.load(saved).learn(64), oc.load(saved).learn(64)
    other = oc.load(saved, **ACTING[name]).learn(64)
    weights = [torch.cat([p.flatten() for p in a.state.model.parameters()]) for a in (plain, again, other)]
    assert torch.equal(weights[0], weights[1]) and not torch.equal(weights[0], weights[2])


def test_another_seed_is_other_chance(saved):
    """In what it does as well as in its environments: the random streams begin anew."""
    plain, other = oc.load(saved), oc.load(saved, seed=3)
    assert not torch.equal(plain.state.generators.action.get_state(), other.state.generators.action.get_state())


def test_the_length_of_the_training_is_a_setting(saved):
    assert oc.load(saved, total_timesteps=96).learn().num_timesteps == 64 + 96
