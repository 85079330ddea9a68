"""Checkpoints come back exactly, and what is damaged is never loaded."""

import json
import shutil
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

import pytest
import torch

import option_critic as oc
from option_critic.algorithms.settings import SETTINGS, DACSettings
from option_critic.algorithms.table import ALGORITHMS
from option_critic.runs import inventory, manifest
from option_critic.runs.parts import GENERATORS
from option_critic.runs.paths import CheckpointError, RunPath


@pytest.fixture(scope="module")
def trained(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained") / "run"
    oc.OptionCritic.from_settings(small()).learn(run_folder=folder)
    return folder


@pytest.fixture
def run(trained, tmp_path):
    """A copy of a run with checkpoints at 128 and 256 steps, to be changed."""
    return Path(shutil.copytree(trained, tmp_path / "run"))


def test_everything_comes_back(small, tmp_path):
    agent = oc.OptionCritic.from_settings(small())
    agent.learn()
    agent.save(tmp_path / "agent")
    again = oc.load(tmp_path / "agent")
    assert again.settings == agent.settings and again.spaces == agent.spaces
    mine, theirs = agent.state, again.state
    assert all(
        torch.equal(a, b)
        for a, b in zip(mine.model.state_dict().values(), theirs.model.state_dict().values(), strict=True)
    )
    for a, b in zip(mine.model.parameters(), theirs.model.parameters(), strict=True):
        assert mine.optimizer.state[a].keys() == theirs.optimizer.state[b].keys()
        assert all(
            torch.equal(mine.optimizer.state[a][k], theirs.optimizer.state[b][k]) for k in mine.optimizer.state[a]
        )
    for name in GENERATORS:
        assert torch.equal(getattr(mine.generators, name).get_state(), getattr(theirs.generators, name).get_state())
    assert (mine.env_steps, mine.iteration, mine.episodes.returns) == (
        theirs.env_steps,
        theirs.iteration,
        theirs.episodes.returns,
    )
    # and it goes on exactly as the other does, in new environments
    agent.close()
    agent.learn(128)
    again.learn(128)
    assert torch.equal(agent.state.model.q_head.weight, again.state.model.q_head.weight)


def test_the_run_folder_holds_checkpoints_by_step(run):
    assert [p.name for p in inventory.listing(RunPath.of(run) / "checkpoints")] == ["000000000128", "000000000256"]
    assert oc.load(run).num_timesteps == 256
    assert oc.load(run, checkpoint=128).num_timesteps == 128
    with pytest.raises(CheckpointError, match="it has: 128, 256"):
        oc.load(run, checkpoint=100)


@pytest.mark.parametrize("name", [*manifest.FILES, "manifest.json"])
@pytest.mark.parametrize("damage", ["cut", "flip", "gone"])
def test_damage_is_named_and_the_one_before_is_used(run, name, damage):
    file = run / "checkpoints" / "000000000256" / name
    data = bytearray(file.read_bytes())
    if damage == "gone":
        file.unlink()
    elif damage == "cut":
        file.write_bytes(data[: len(data) // 2])
    else:
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    with pytest.raises(CheckpointError, match="000000000256"):
        oc.load(run, checkpoint=256)
    with pytest.warns(UserWarning, match="Using the checkpoint before it"):
        assert oc.load(run).num_timesteps == 128


def test_newer_formats_are_refused_by_name(run):
    for name in ("manifest.json", "config.json"):
        file = run / "checkpoints" / "000000000256" / name
        file.write_text(json.dumps(json.loads(file.read_text()) | {"format_version": 2}))
    with pytest.raises(CheckpointError, match="format version 2"):
        oc.load(run, checkpoint=256)


def test_a_folder_without_an_agent_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="neither a saved agent nor a run folder"):
        oc.load(tmp_path)


def test_saving_replaces_agents_but_nothing_else(small, tmp_path):
    agent = oc.OptionCritic.from_settings(small())
    agent.save(tmp_path / "agent")
    agent.learn(64)
    agent.save(tmp_path / "agent")
    assert oc.load(tmp_path / "agent").num_timesteps == 64
    assert [p.name for p in tmp_path.iterdir()] == ["agent"]
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "manifest.json").write_text("{}")  # of something else
    with pytest.raises(ValueError, match="is no saved agent"):
        agent.save(tmp_path / "precious")


@pytest.fixture
def bringing(monkeypatch):
    """dac, with a part of its own: a counter as large as the model's spread."""

    @dataclass(frozen=True, kw_only=True)
    class Bringing(DACSettings):
        parts: ClassVar[tuple[str, ...]] = ("targets",)

    def start(model):
        return {"count": torch.zeros_like(model.log_std)}

    monkeypatch.setitem(SETTINGS, "dac", Bringing)
    monkeypatch.setitem(ALGORITHMS, "dac", replace(ALGORITHMS["dac"], parts={"targets": start}))


def test_a_part_that_an_algorithm_brings_comes_back(small, tmp_path, bringing):
    agent = oc.OptionCritic.from_settings(small())
    agent.state.parts["targets"]["count"] += 7
    agent.save(tmp_path / "agent")
    assert (
        manifest.is_checkpoint(RunPath.of(tmp_path / "agent"))
        and (tmp_path / "agent" / "targets.safetensors").is_file()
    )
    assert (oc.load(tmp_path / "agent").state.parts["targets"]["count"] == 7).all()
    agent.save(tmp_path / "agent")  # over itself


@pytest.mark.parametrize("damage", ["gone", "changed", "other"])
def test_a_part_that_an_algorithm_brings_is_checked(small, tmp_path, bringing, damage):
    agent, file = oc.OptionCritic.from_settings(small()), tmp_path / "agent" / "targets.safetensors"
    if damage == "other":
        agent.state.parts["targets"]["count"] = torch.zeros(3)
    agent.save(tmp_path / "agent")
    if damage == "gone":
        file.unlink()
    elif damage == "changed":
        file.write_bytes(file.read_bytes()[:-1] + b"\x01")
    with pytest.raises(CheckpointError, match=r"targets\.safetensors"):
        oc.load(tmp_path / "agent")


def test_settings_and_table_name_the_same_parts():
    brought = {name: tuple(a.parts) for name, a in ALGORITHMS.items()}
    kept = {name: ("replay",) for name, s in SETTINGS.items() if s.replays}
    assert brought | kept == {name: s.parts for name, s in SETTINGS.items()} and not brought.keys() & kept.keys()
