"""Settings: unique names, round trips, overrides."""

import dataclasses
import json
from pathlib import Path
from typing import get_args

import numpy as np
import pytest

from option_critic.agent import OptionCritic
from option_critic.algorithms.settings import SETTINGS
from option_critic.algorithms.table import ALGORITHMS
from option_critic.cli import main as cli
from option_critic.envs.metaworld import tasks_of
from option_critic.envs.source import make_one
from option_critic.presets import PRESETS, name_for, settings_for, usual
from option_critic.settings import Algorithm, Settings, UnknownSettingError, setting_names


def test_names_are_unique_over_all_parts():
    parts = [f.name for f in dataclasses.fields(Settings) if not dataclasses.is_dataclass(f.type)]
    total = sum(
        len(dataclasses.fields(type(getattr(PRESETS["pick-place"], p))))
        for p in ("env", "options", "model", "learning")
    )
    assert len(setting_names()) == len(parts) - 4 + total


def test_every_algorithm_that_can_be_named_is_in_the_tables():
    assert (*ALGORITHMS, "sac_oc") == tuple(SETTINGS) == get_args(Algorithm)
    assert [name for name, cls in SETTINGS.items() if cls.replays] == ["sac_oc"]


def test_a_price_of_terminations_needs_ppo_oc():
    a2oc = PRESETS["a2oc"]
    assert a2oc.algorithm == "ppo_oc" and a2oc.learning.price == "termination"
    with pytest.raises(ValueError, match="price termination is nothing that dac can be told; set it back to change"):
        a2oc.override(algorithm="dac")
    assert a2oc.override(price="change").override(algorithm="dac").learning.gamma == a2oc.learning.gamma
    for refused in ({"price": "change"}, {"price": "termination", "algorithm": "dac"}):
        with pytest.raises(UnknownSettingError, match="price is a setting of algorithm ppo_oc; dac has none"):
            PRESETS["cartpole"].override(**refused)
    assert PRESETS["cartpole"].override(price="termination", algorithm="ppo_oc").learning.price == "termination"


def test_a_file_of_the_first_versions_may_hold_what_another_algorithm_is_told():
    data = PRESETS["cartpole"].to_dict()
    data["learning"]["price"] = "change"
    assert Settings.from_dict(data) == PRESETS["cartpole"]


def test_a_setting_that_is_gone_is_passed_over():
    data = json.loads(json.dumps(PRESETS["cartpole"].to_dict()))
    data["model"]["log_std_step"] = 1.0
    assert Settings.from_dict(data) == PRESETS["cartpole"]


@pytest.mark.parametrize("name", PRESETS)
def test_json_round_trip(name):
    settings = PRESETS[name].override(option_names=("a", "b"))
    assert Settings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings


def test_unknown_keys_in_a_file_are_refused():
    data = PRESETS["cartpole"].to_dict()
    data["learning"]["gama"] = 1
    with pytest.raises(UnknownSettingError, match="gama"):
        Settings.from_dict(data)


def test_names_follow_the_number_of_options():
    named = PRESETS["cartpole"].override(option_names=("a", "b"))
    assert named.override(num_options=3).options.names == ("option-0", "option-1", "option-2")
    assert named.override(num_options=2).options.names == ("a", "b")
    assert named.override(option_names=("x",)).options.num_options == 1


def test_other_metaworld_tasks_take_the_recipe():
    settings = settings_for("Meta-World/push-v3")
    assert settings.learning.noise_colors(3) == (0.0, 0.25, 0.5) and name_for("Meta-World/push-v3") == "push-v3"
    assert (
        settings.override(noise_color=0.0, risk_seeking=0.0, final_risk_seeking=None).learning
        == PRESETS["pick-place"].learning
    )


@pytest.mark.parametrize("name", PRESETS)
def test_every_preset_builds_and_keeps_its_runs_under_its_own_name(name):
    assert settings_for(name) is PRESETS[name] and name_for(name) == name
    agent = OptionCritic(name)  # for Meta-World without a simulator
    assert agent.settings == PRESETS[name]
    obs = np.zeros(agent.spaces.obs_size)
    if not tasks_of(PRESETS[name].env_id):
        env = make_one(agent.source, agent.settings.env)
        obs, _ = env.reset(seed=0)
        env.close()
    action, state = agent.predict(obs, deterministic=True)
    assert state.option_name in agent.option_names and np.isfinite(action).all()


@pytest.mark.parametrize(
    ("env_id", "name"),
    [("Meta-World/pick-place-v3", "pick-place"), ("CartPole-v1", "cartpole"), ("A/b:c-v0", "A-b-c-v0")],
)
def test_an_environment_id_means_its_own_preset(env_id, name):
    assert name_for(env_id) == name
    if name in PRESETS:
        assert settings_for(env_id) is PRESETS[name]


@pytest.mark.parametrize(
    ("env_id", "preset"),
    [
        ("ALE/Breakout-v5", "pong"),
        ("MiniGrid-Empty-5x5-v0", "doorkey"),
        ("FetchReachDense-v4", "fetch-reach"),  # it has no object that could be approached
        ("FetchPickAndPlaceDense-v4", "fetch-pick-place"),
        ("FetchSlide-v4", "fetch-push"),
    ],
)
def test_a_family_takes_the_recipe_of_its_preset(env_id, preset):
    assert usual(env_id) == PRESETS[preset].override(env_id=env_id)
    assert settings_for("MiniGrid-FourRooms-v0") is PRESETS["minigrid-four-rooms"]


def test_runs_are_kept_under_the_name_that_was_asked_for(monkeypatch):
    asked = []
    monkeypatch.setattr(
        "option_critic.cli.train.train_seeds", lambda settings, seeds, root, *_, **__: asked.append(root)
    )
    for argv in (["tutorial"], ["Meta-World/pick-place-v3"], ["pick-place", "--out", "elsewhere"]):
        assert cli.train(argv) == 0
    assert asked == [Path("runs/tutorial"), Path("runs/pick-place"), Path("elsewhere")]


def test_the_preset_tutorial_is_what_the_tutorial_sets():
    s = PRESETS["tutorial"]
    assert s.options.names == ("reach", "grasp", "move") and s.options.max_option_length == 20
    assert (s.learning.lr_master, s.learning.lr_option, s.learning.gamma) == (1e-4, 3e-4, 0.99)
    steps = s.env.num_envs * (s.learning.rollout_length - 1)  # a rollout holds whole episodes, and the reset row
    assert s.learning.rollout_length == (s.env.max_episode_steps or 0) + 1
    assert s.total_timesteps == 5_000 * 500 and s.total_timesteps % steps == 0
