"""What a stranger may have put into the folder of a skill: refused in a sentence, nothing outside is touched."""

import json
import os
import shutil
import signal
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch
from makers import NAMES, command, full_skill, sign

import option_critic as oc
from option_critic.skills.export import skill_of
from option_critic.skills.folder import FILES
from option_critic.skills.record import SkillError

SECRET = "the-key-of-somebody"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return full_skill(tmp_path_factory.mktemp("skills") / "up")


@pytest.fixture
def folder(whole, tmp_path):
    return Path(shutil.copytree(whole, tmp_path / "skills" / "up"))


KINDS = {
    "link": lambda path, outside: path.symlink_to(outside / path.name),
    "dangling": lambda path, outside: path.symlink_to(outside / "not there"),
    "pipe": lambda path, _: os.mkfifo(path),
    "zero": lambda path, _: path.symlink_to("/dev/zero"),
    "folder": lambda path, _: path.mkdir(),
    "none": lambda path, _: None,
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", [*NAMES, "."])
def test_what_is_no_file_of_a_skill(name, kind, whole, tmp_path, monkeypatch, capsys):
    """Nothing waits, nothing outside is read, and saving writes to no link."""
    outside = Path(shutil.copytree(whole, tmp_path / "outside" / "up"))
    folder = Path(shutil.copytree(whole, tmp_path / "skills" / "up"))
    place, source = (folder, outside.parent) if name == "." else (folder / name, outside)
    (outside / "skill.json").write_text(SECRET)
    skill = oc.Skill.load(whole)
    shutil.rmtree(place) if name == "." else place.unlink()
    KINDS[kind](place, source)
    signal.alarm(60)
    try:
        with pytest.raises(SkillError) as error:
            oc.Skill.load(folder)
        said = command(monkeypatch, capsys, "list", folder.parent) + command(monkeypatch, capsys, "show", folder)
        assert SECRET not in said + str(error.value)
        try:
            skill.save(folder)
            assert oc.Skill.load(folder).name == "up"
        except ValueError as refusal:
            assert "no skill" in str(refusal) or "link" in str(refusal)
    finally:
        signal.alarm(0)
    assert (outside / "skill.json").read_text() == SECRET and len(list(outside.iterdir())) == 4


def rewrite(folder, change):
    """With right checksums, skill.json changed by a function of its data."""
    data = json.loads((folder / "skill.json").read_text())
    change(data)
    (folder / "skill.json").write_text(json.dumps(data))
    sign(folder)


def test_what_older_versions_wrote_besides(folder):
    """The first ones said that nothing is moved of a definition."""
    rewrite(folder, lambda d: [d["definition"].update(offsets={}), d["sees"]["interests"].update(offsets={})])
    skill = oc.Skill.load(folder)
    skill.save(folder)
    assert "offsets" not in (folder / "skill.json").read_text()


def below(data, times):
    """So many sound skills more below each other."""
    for _ in range(times):
        data["base"] = data["base"] | {"policy": "corrected", "base": data["base"]}


HOSTILE = {
    "five skills": (lambda d: below(d, 3), "more than 3 skills below it"),
    "hundreds of skills": (lambda d: below(d, 300), "more than 3 skills below it|cannot be read"),
    "a huge network": (lambda d: d["networks"].update(hidden_dim=8192, policy_layers=64), "far larger"),
    "no network of this size": (lambda d: d["networks"].update(hidden_dim=10**12), "skill.json"),
    "many actions": (lambda d: d["spaces"].update(discrete=True, action_size=10**12, action_low=[], action_high=[],
                                                  action_shape=[]), "skill.json"),
    "squashed choices": (lambda d: d["networks"].update(squashed=True) or d["spaces"].update(
        discrete=True, action_size=2, action_low=[], action_high=[], action_shape=[]), "its actions are choices"),
    "another set": (lambda d: d["definition"].update(reference="reach-grasp-mov"), "Did you mean reach-grasp-move"),
    "a module": (lambda d: d["definition"].update(reference="antigravity:x"), "--options-from antigravity:x"),
    "no options": (lambda d: d["definition"].update(reference="os:environ"), "must be a tuple of Option"),
    "another option": (lambda d: d["definition"].update(option="none"), "has up, down; take"),
    "another version": (lambda d: d.update(format_version=2), "format version 2"),
    "no version": (lambda d: d.pop("format_version") and None, "missing required field"),
    "another base": (lambda d: d["base"].update(action_repeat=7), "holds actions for 7 steps"),
    "other actions": (lambda d: d["base"]["spaces"].update(action_high=[1, 1]), "does not fit"),
    "nothing to end by": (lambda d: d.update(ends="given", definition=None), "there is none"),
    "beyond": (lambda d: d["sees"].update(quaternions=[7]), "component 10"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_records(name, folder):
    change, word = HOSTILE[name]
    rewrite(folder, change)
    with pytest.raises(SkillError, match=word):
        oc.Skill.load(folder)
    assert "antigravity" not in sys.modules


LOOKS = (oc.Option(name="a", sees=(oc.Feature("x", (0,)),)), oc.Option(name="b"))


@pytest.mark.parametrize("size", [2 * 10**8, 10**10])
def test_a_size_that_no_tensor_has_is_refused_before_it_is_taken(size, tmp_path, monkeypatch):
    """Where a skill looks at features alone nothing that is saved has the size of an observation."""
    agent = oc.OptionCritic("Pendulum-v1", options_from=f"{__name__}:LOOKS", hidden_dim=8, num_envs=1)
    skill_of(agent, "a").save(tmp_path / "a")
    rewrite(tmp_path / "a", lambda d: d["spaces"].update(obs_size=size, obs_shapes=[[size]]))
    monkeypatch.setattr("option_critic.skills.skill.built", lambda _: pytest.fail("it was built"))
    with pytest.raises(SkillError, match="far larger"):
        oc.Skill.load(tmp_path / "a")


def changed_tensor(name, value):
    def change(tensors):
        tensors[name] = tensors[name].clone()
        tensors[name].view(-1)[0] = value

    return change


TENSORS = {
    "NaN": (changed_tensor("policy.0.weight", float("nan")), "NaN or infinite"),
    "infinite below": (changed_tensor("base.termination.0.bias", float("inf")), "NaN or infinite"),
    "negative variance": (changed_tensor("base.see.moments.var", -1.0), "negative"),
    "far mean": (changed_tensor("see.moments.mean", 1e300), "beyond what float32 holds"),
    "one more": (lambda t: t.update({"../../x": torch.zeros(1)}), "holds a tensor '../../x' besides"),
    "one less": (lambda t: t.pop("log_std"), "lacks the tensor log_std"),
    "another shape": (lambda t: t.update(log_std=torch.zeros(3)), r"F32 \[3\], not F32 \[2\]"),
    "another type": (lambda t: t.update(log_std=torch.zeros(2, dtype=torch.float64)), "F64"),
    "nothing": (lambda t: t.clear(), "lacks the tensor"),
}


@pytest.mark.parametrize("name", TENSORS)
def test_hostile_tensors(name, folder):
    change, word = TENSORS[name]
    tensors = safetensors.torch.load((folder / "skill.safetensors").read_bytes())
    change(tensors)
    (folder / "skill.safetensors").write_bytes(safetensors.torch.save(tensors))
    sign(folder)
    with pytest.raises(SkillError, match=word):
        oc.Skill.load(folder)


FOREIGN = {
    "a pickle": b"\x80\x04cos\nsystem\n(S'false'\ntR.",
    "a header of gigabytes": (1 << 40).to_bytes(8, "little") + b"{}",
    "a tensor of terabytes": (lambda head: len(head).to_bytes(8, "little") + head)(
        b'{"log_std":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}'
    ),
    "nothing": b"",
}


@pytest.mark.parametrize("name", FOREIGN)
@pytest.mark.parametrize("file", FILES)
def test_foreign_files(file, name, folder):
    (folder / file).write_bytes(FOREIGN[name])
    sign(folder)
    with pytest.raises(SkillError, match=file):
        oc.Skill.load(folder)


def test_a_checkpoint_is_no_skill_nor_the_reverse(folder):
    fixture = Path(__file__).parents[1] / "fixtures" / "format-1"
    with pytest.raises(SkillError, match="is no skill"):
        oc.Skill.load(fixture)
    with pytest.raises(ValueError, match="is damaged"):
        oc.load(folder)
