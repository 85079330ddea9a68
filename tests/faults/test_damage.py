"""Damage to every file of a checkpoint: it is seen, the checkpoint before it is used, nothing else happens."""

import json
import random
import shutil
from pathlib import Path

import pytest

import option_critic as oc
from option_critic.runs import manifest
from option_critic.runs.files import fingerprint
from option_critic.runs.paths import CheckpointError, RunPath

pytestmark = pytest.mark.faults

AGENT = Path(__file__).parents[1] / "fixtures" / "format-1"
NAMES = [*manifest.FILES, "manifest.json"]
CUTS = 100
FLIPS = 1000


@pytest.fixture
def run(tmp_path):
    """Two checkpoints that differ: the first has 80 steps."""
    for name in ("000000000080", "000000000160"):
        shutil.copytree(AGENT, tmp_path / "run" / "checkpoints" / name)
    first = tmp_path / "run" / "checkpoints" / "000000000080"
    state = json.loads((first / "state.json").read_text())
    (first / "state.json").write_text(json.dumps(state | {"env_steps": 80}))
    sign(first)
    return tmp_path / "run"


def sign(folder):
    found = {name: fingerprint(RunPath.of(folder) / name) for name in manifest.FILES}
    (folder / "manifest.json").write_text(json.dumps({"format_version": 1, "files": found}))


def assert_the_one_before_is_used(run):
    with pytest.raises(CheckpointError, match="000000000160"):
        oc.load(run, checkpoint=160)
    with pytest.warns(UserWarning, match=r"000000000160.* Using the checkpoint before it"):
        assert oc.load(run).num_timesteps == 80


@pytest.mark.parametrize("name", NAMES)
def test_a_file_cut_at_every_percent(name, run):
    file = run / "checkpoints" / "000000000160" / name
    whole = file.read_bytes()
    for percent in range(CUTS):
        file.write_bytes(whole[: len(whole) * percent // 100])
        assert_the_one_before_is_used(run)
    file.write_bytes(whole)
    assert oc.load(run).num_timesteps == 160


@pytest.mark.parametrize("name", NAMES)
def test_a_thousand_single_bits(name, run):
    """A fifth of them in each file, at places drawn once and for all."""
    draw = random.Random(name)
    file = run / "checkpoints" / "000000000160" / name
    whole = file.read_bytes()
    for bit in draw.sample(range(8 * len(whole)), FLIPS // len(NAMES)):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        file.write_bytes(data)
        assert_the_one_before_is_used(run)


def test_every_bit_of_the_manifest(run):
    """It has no checksum of its own."""
    file = run / "checkpoints" / "000000000160" / "manifest.json"
    whole = file.read_bytes()
    for bit in range(8 * len(whole)):
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        file.write_bytes(data)
        with pytest.raises(CheckpointError):
            manifest.verify(RunPath.of(file.parent))


@pytest.mark.parametrize("name", manifest.FILES)
def test_damage_with_checksums_that_are_right(name, run):
    """It is refused, or it makes an agent: numbers may be others than they were. Nothing else happens."""
    draw = random.Random(name)
    last = run / "checkpoints" / "000000000160"
    whole = (last / name).read_bytes()
    refused = 0
    for _ in range(FLIPS // len(manifest.FILES)):
        data = bytearray(whole)
        bit = draw.randrange(8 * min(len(whole), 4096))  # headers rather than numbers
        data[bit // 8] ^= 1 << bit % 8
        (last / name).write_bytes(data)
        sign(last)
        try:
            assert oc.load(run, checkpoint=160).option_names
        except CheckpointError as error:
            refused += 1
            assert str(last) in str(error)
    assert refused > 50
