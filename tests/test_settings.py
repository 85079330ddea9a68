"""Settings: unique names, round trips, overrides."""

import dataclasses
import json

import pytest

from option_critic.presets import PRESETS, name_for, settings_for
from option_critic.settings import Settings, UnknownSettingError, setting_names


def test_names_are_unique_over_all_parts():
    parts = [f.name for f in dataclasses.fields(Settings) if not dataclasses.is_dataclass(f.type)]
    total = sum(
        len(dataclasses.fields(type(getattr(PRESETS["pick-place"], p))))
        for p in ("env", "options", "model", "learning")
    )
    assert len(setting_names()) == len(parts) - 4 + total


@pytest.mark.parametrize("name", PRESETS)
def test_json_round_trip(name):
    settings = PRESETS[name].override(option_names=("a", "b"))
    assert Settings.from_dict(json.loads(json.dumps(settings.to_dict()))) == settings
    assert settings_for(settings.env_id) is PRESETS[name] and name_for(settings) == name


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
    assert settings.learning == PRESETS["pick-place"].learning and name_for(settings) == "push-v3"
