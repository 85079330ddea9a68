"""Agents whose options are skills, one by one: given, corrected, learned, of a set."""

import json
import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from makers import agent as made_by
from msgspec import structs

import option_critic as oc
from option_critic.errors import InputError
from option_critic.options.entries import Entry
from option_critic.skills.export import skill_of
from option_critic.skills.record import Measured

FEW = {"num_envs": 2, "rollout_length": 16, "minibatch_size": 16, "epochs": 2, "hidden_dim": 8, "torch_threads": 1,
       "env_workers": "never", "burn_in": 0}  # fmt: skip
pytestmark = pytest.mark.filterwarnings("ignore:the checkpoint after")
OBS = np.array([[0.3, -0.2, 0.1, 0, 1, 0, -1, 0.5, 2], [-1, 0, 1, 2, 0, 1, 0.5, 0, 0]], dtype=np.float64)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three skills: with a view, with all, of definitions."""
    at = tmp_path_factory.mktemp("skills")
    views, said = made_by("views"), made_by("defined")
    skill_of(views, "near").save(at / "near")
    skill_of(views, "all").save(at / "all")
    skill_of(said, "up").save(at / "up")
    return at


def mixed(folder, **others):
    """A frozen skill, a corrected one, one of a set, a new one."""
    words = f"{folder}/near, {folder}/up+, new:over, makers:GIVEN:frozen"
    return oc.OptionCritic("Skills/Arm-v0", options=words, quaternions=(4,), **(FEW | others))


def weights(agent):
    return {name: x.clone() for name, x in agent.state.model.state_dict().items()}


def same(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[n], b[n]) for n in a)


def test_skills_act_as_they_did(folder):
    mix = mixed(folder)
    assert mix.option_names == ("near", "up", "over", "frozen")
    assert mix.settings.options.options == ("near", "up+", "new:over", "makers:GIVEN:frozen")
    pi = mix.state.model.behaviour(torch.from_numpy(OBS).float())
    near = oc.Skill.load(folder / "near")
    np.testing.assert_allclose(mix.spaces.to_env(pi.mean[:, 0].detach().numpy()), near(OBS), atol=1e-5)
    up = oc.Skill.load(folder / "up")  # its correction begins at nearly nothing
    np.testing.assert_allclose(mix.spaces.to_env(pi.mean[:, 1].detach().numpy()), up(OBS), atol=0.1)


@pytest.mark.parametrize("algorithm", ["dac", "ppo_oc"])
def test_a_run_holds_its_skills_and_goes_on_without_their_folder(folder, tmp_path, algorithm):
    own = shutil.copytree(folder, tmp_path / "own")
    whole = mixed(own, total_timesteps=128, algorithm=algorithm, checkpoint_every=64)
    whole.learn(run_folder=tmp_path / "whole")
    cut = mixed(own, total_timesteps=128, algorithm=algorithm, checkpoint_every=64)
    cut.learn(run_folder=tmp_path / "cut", callback=lambda agent, _: agent.num_timesteps < 64)
    shutil.rmtree(own)
    went_on = oc.resume(tmp_path / "cut")
    assert same(weights(whole), weights(went_on))
    loaded = oc.load(tmp_path / "whole")
    assert same(weights(whole), weights(loaded))
    action, _ = loaded.predict(OBS, deterministic=True)
    np.testing.assert_array_equal(action, whole.predict(OBS, deterministic=True)[0])
    shutil.rmtree(tmp_path / "whole" / "checkpoints")
    begun = oc.resume(tmp_path / "whole")  # from the beginning: the skills lie in the run's folder, too
    assert same(weights(whole), weights(begun))


def test_every_option_of_it_is_a_skill_again(folder, tmp_path):
    mix = mixed(folder)
    mix.learn(64)
    kinds = {}
    for k, name in enumerate(mix.option_names):
        skill_of(mix, name).save(tmp_path / name)
        skill = oc.Skill.load(tmp_path / name)
        pi = mix.state.model.behaviour(torch.from_numpy(OBS).float())
        expected = np.clip(mix.spaces.to_env(pi.mean[:, k].detach().numpy()), mix.spaces.action_low,
                           mix.spaces.action_high)  # fmt: skip
        np.testing.assert_allclose(skill(OBS), expected, atol=1e-5)
        kinds[name] = skill.record.policy
    assert kinds == {"near": "given", "up": "corrected", "over": "learned", "frozen": "given"}


def test_skills_in_python(folder):
    near, up = (oc.Skill.load(folder / name) for name in ("near", "up"))
    mix = oc.OptionCritic(
        "Skills/Arm-v0", options=[near, up.option(correction=True), "new:over"], quaternions=(4,), **FEW
    )
    assert mix.settings.options.options == ("near", "up+", "new:over")
    assert mix.settings.options.definitions[1].correction and mix.settings.options.definitions[0].policy is near


def test_ends_are_learned_or_as_they_were(folder):
    learned, given = mixed(folder), mixed(folder, skill_ends="given")
    assert learned.settings.options.given_ends == (False, False, False, True)  # the last has its own
    assert given.settings.options.given_ends == (True, True, False, True)


def test_options_see_no_interests_of_others(folder):
    mix = mixed(folder)
    looks = mix.state.model.looks
    assert looks.hidden == {9, 10, 11, 12}
    assert looks.columns(mix.settings.options.definitions[2]) == list(range(9))


def test_settings_hold_words_and_no_weights(folder):
    mix = mixed(folder)
    said = json.loads(json.dumps(mix.settings.to_dict()))
    assert said["options"]["options"] == ["near", "up+", "new:over", "makers:GIVEN:frozen"]
    assert "skills" not in said["options"]
    again = oc.Settings.from_dict(said)
    assert again == mix.settings
    with pytest.raises(InputError, match="near is not at hand"):
        assert again.options.definitions


def test_another_number_of_options_drops_them(folder):
    plain = mixed(folder).settings.override(num_options=2)
    assert not plain.options.options and not plain.options.skills and plain.options.names == ("option-0", "option-1")
    assert not plain.model.observe_interest


@pytest.mark.parametrize(
    ("words", "word"),
    [
        ("nowhere/grasp", "nowhere/grasp is no skill"),
        ("new:", "name of a new option"),
        ("reach-grasp-mve:move", "Did you mean reach-grasp-move"),
        ("reach-grasp-move:mve", "Did you mean move"),
        ("new:a, new:a", "different names"),
        (oc.Option(name="own", interest=lambda obs: obs[..., 0]), "is no skill"),
        (3, "must be a list of skills"),
        ([oc.Option(name="own", interest=lambda obs: obs[..., 0])], "is no skill"),
        ([""], "which options"),
    ],
)
def test_what_is_no_option_is_named(words, word):
    with pytest.raises(InputError, match=word):
        oc.OptionCritic("Pendulum-v1", options=words, **FEW)


@pytest.mark.parametrize(
    ("env_id", "others", "word"),
    [
        ("Pendulum-v1", {}, "for skill near"),
        ("Skills/Arm-v0", {"action_repeat": 2}, "say action_repeat 1"),
        ("Skills/Arm-v0", {"options_from": "makers:SAID"}, "leave out one of them"),
    ],
)
def test_what_does_not_fit_a_skill_is_named(folder, env_id, others, word):
    with pytest.raises(InputError, match=word):
        oc.OptionCritic(env_id, options=f"{folder}/near,new:b", **(FEW | others))


@pytest.mark.parametrize("text", ["skills/grasp", "skills/move+", "new:over", "reach-grasp-move:move", "m:N:move"])
def test_entries_say_again_what_was_read(text):
    entry = Entry.read(text)
    assert Entry.read(entry.text(entry.what)) == entry
    with pytest.raises(InputError, match="without a comma"):
        Entry.read(f"{text},{text}")


def test_each_skill_ends_and_is_called_as_its_option_says(folder, tmp_path):
    near, up = (oc.Skill.load(folder / name) for name in ("near", "up"))
    options = [near.option(name="close"), up.option(correction=True, ends="learned"), near, "new:over"]
    made = oc.OptionCritic("Skills/Arm-v0", options=options, quaternions=(4,), **FEW)
    assert made.settings.options.options == ("close", "up+", "near", "new:over")
    assert made.settings.options.skill_ends == "close"
    assert made.settings.options.given_ends == (True, False, False, False)
    assert [o.name for o in made.settings.options.definitions] == list(made.option_names)
    made.save(tmp_path / "agent")
    again = oc.load(tmp_path / "agent")
    assert again.settings == made.settings and again.settings.options.given_ends == (True, False, False, False)
    assert again.settings.options.origins[0] == "skill, frozen, end given"
    words = f"{folder}/near,{folder}/up+,new:over"
    assert oc.OptionCritic("Skills/Arm-v0", options=words, skill_ends="up", quaternions=(4,),
                           **FEW).settings.options.given_ends == (False, True, False)  # fmt: skip
    all_given = oc.OptionCritic("Skills/Arm-v0", options=[near.option(), "new:over"], skill_ends="learned", **FEW)
    assert all_given.settings.options.skill_ends == "given"


def test_more_than_words_can_say_is_refused(folder):
    up = oc.Skill.load(folder / "up")
    more = oc.Option(name="mine", policy=up, interest=lambda obs: obs[..., 0] > 0, max_length=3)
    for option, word in (
        (more, "more than Skill.option says"),
        (replace(up.option(), max_length=3), "more than Skill.option says"),
        (up.option(name="up+"), "no '\\+' at its end"),
        (up.renamed("a:b"), "without ':'"),
        (up.renamed("a,b"), "without ':'"),
        (up.option(name="given"), "none of given and learned"),
    ):
        with pytest.raises(InputError, match=word):
            oc.OptionCritic("Skills/Arm-v0", options=[option, "new:b"], **FEW)


@pytest.mark.parametrize(
    ("others", "word"),
    [
        ({"num_options": 3}, "num_options is 2, not 3"),
        ({"option_names": ("a", "b")}, "option_names is"),
        ({"skill_ends": "neer"}, "Did you mean near"),
        ({"skill_ends": ""}, "must be learned, given"),
    ],
)
def test_what_contradicts_the_options_is_named(folder, others, word):
    with pytest.raises(InputError, match=word):
        oc.OptionCritic("Skills/Arm-v0", options=f"{folder}/near,new:b", **(FEW | others))


def test_networks_see_no_interests_where_that_is_said(folder):
    made = oc.OptionCritic("Skills/Arm-v0", options=f"{folder}/up,new:b", observe_interest="", **FEW)
    assert made.settings.model.observe_interest == "" and made.state.model.obs_norm.watched == ()


def test_a_skill_in_a_set_must_fit_too(folder, monkeypatch):
    near = oc.Skill.load(folder / "near")
    monkeypatch.setattr(sys.modules["makers"], "INSIDE", (oc.Option(name="a", policy=near), oc.Option(name="b")),
                        raising=False)  # fmt: skip
    with pytest.raises(InputError, match="say action_repeat 1"):
        oc.OptionCritic("Skills/Arm-v0", options_from="makers:INSIDE", action_repeat=2, **FEW)
    with pytest.raises(InputError, match="for skill near"):
        oc.OptionCritic("Pendulum-v1", options_from="makers:INSIDE", **FEW)
    with pytest.raises(InputError, match="for skill near"):
        oc.OptionEnv("Pendulum-v1", [near])
    held = oc.Skill(structs.replace(near.record, action_repeat=3), near.network)
    for option in (held, held.option(), oc.Option(name="a", policy=held)):
        assert oc.OptionEnv("Skills/Arm-v0", [option]).runner.holds == (3,)


def test_a_frozen_skill_that_is_exported_again_keeps_what_was_measured(folder):
    near = oc.Skill.load(folder / "near")
    found = Measured(mean_duration=7.0, share=0.5)
    known = oc.Skill(structs.replace(near.record, measured=found), near.network)
    made = oc.OptionCritic("Skills/Arm-v0", options=[known.option(), known.option(True, name="more")], **FEW)
    here = Measured(share=0.25)
    assert skill_of(made, "near", here).measured == found
    assert skill_of(made, "more", here).measured == here
