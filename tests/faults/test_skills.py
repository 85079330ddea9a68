"""Damage to the files of a skill, byte by byte and value by value: refused in a sentence, or it makes a skill.

What a stranger may have put there: `tests/skills/test_strange_skills.py`.
"""

import json
import random
import shutil
import sys
from pathlib import Path

import pytest
from makers import NAMES, command, full_skill, sign

import option_critic as oc
from option_critic.skills.folder import FILES
from option_critic.skills.record import SkillError

sys.path.insert(0, str(Path(__file__).parent))
from test_changed_json import CHANGES, changed, places

pytestmark = pytest.mark.faults


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    return full_skill(tmp_path_factory.mktemp("skills") / "up")


@pytest.fixture
def folder(whole, tmp_path):
    return Path(shutil.copytree(whole, tmp_path / "skills" / "up"))


@pytest.mark.parametrize("name", NAMES)
def test_a_file_cut_at_every_percent(name, folder):
    data = (folder / name).read_bytes()
    for percent in range(100):
        (folder / name).write_bytes(data[: len(data) * percent // 100])
        with pytest.raises(SkillError, match="up"):
            oc.Skill.load(folder)


@pytest.mark.parametrize("name", NAMES)
def test_single_bits(name, folder):
    """Of the manifest all, as it has no checksum of its own."""
    data, draw = (folder / name).read_bytes(), random.Random(name)
    bits = range(8 * len(data))
    for bit in bits if name == "manifest.json" else draw.sample(bits, 300):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        (folder / name).write_bytes(flipped)
        with pytest.raises(SkillError, match="up"):
            oc.Skill.load(folder)


@pytest.mark.parametrize("name", FILES)
def test_damage_with_checksums_that_are_right(name, folder):
    data, draw, refused = (folder / name).read_bytes(), random.Random(name), 0
    for _ in range(300):
        flipped = bytearray(data)
        bit = draw.randrange(8 * min(len(data), 4096))  # headers rather than numbers
        flipped[bit // 8] ^= 1 << bit % 8
        (folder / name).write_bytes(flipped)
        sign(folder)
        try:
            assert oc.Skill.load(folder).name
        except SkillError as error:
            refused += 1
            assert "up" in str(error)
    assert refused > 100


def test_every_value_of_skill_json(folder, monkeypatch, capsys):
    """By `load`, and in turn by `skills list` and `skills show`."""
    monkeypatch.setenv("COLUMNS", "200")
    data, cases, refused = json.loads((folder / "skill.json").read_text()), 0, 0
    for way in places(data):
        for change in CHANGES:
            (folder / "skill.json").write_text(json.dumps(changed(data, way, change), ensure_ascii=False))
            sign(folder)
            try:
                oc.Skill.load(folder)
            except SkillError as error:
                refused += 1
                assert len(str(error)) < 20_000
            words = ["list", folder.parent] if cases % 2 else ["show", folder]
            said = command(monkeypatch, capsys, *words)
            assert "\x1b" not in said and "\u202e" not in said, (way, change)
            cases += 1
    print(f"\n{cases} cases, {refused} of them refused")
    assert cases > 1000 and 0.5 < refused / cases < 1
