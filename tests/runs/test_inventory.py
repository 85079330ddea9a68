"""Which folder and which files are read, and which are not."""

import json
import os
import shutil

import pytest

import option_critic as oc
from option_critic.runs import inventory, manifest
from option_critic.runs.logs import row_of
from option_critic.runs.paths import RunPath


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("name", ["../x", "../../agent", "/", ".", "", "..", "²", "9" * 5000, "checkpoints"])
def test_a_checkpoint_is_a_name_and_never_a_path(name, run, agent, refused):
    refused(run, "has no checkpoint", "it has: 80, 160", checkpoint=name)


def test_steps_may_have_zeros_before_them(run):
    assert oc.load(run, checkpoint="0000000000080").num_timesteps == oc.load(run, checkpoint=80).num_timesteps


@pytest.mark.parametrize("name", ["interrupted", "saved"])
def test_of_checkpoints_of_one_step_the_boundary_is_the_last(name, run):
    """The other may hold the middle of the update after it. A set has no order that holds from process to process."""
    shutil.copytree(run / "checkpoints" / "000000000160", run / "checkpoints" / name)
    edit(run / "checkpoints" / name / "state.json", env_steps=160)
    for checkpoint in run.glob("checkpoints/*/state.json"):
        edit(checkpoint, episodes={"returns": [1.0], "successes": [True]})
    there = inventory.listing(RunPath.of(run / "checkpoints"))
    assert [p.name for p in there] == ["000000000080", name, "000000000160"]
    assert inventory.best(there).name == inventory.best(there[::-1]).name == "000000000160"


def test_a_boundary_that_cannot_be_read_is_not_the_position(run):
    last = run / "checkpoints" / "000000000160" / "state.json"
    before = inventory.position(RunPath.of(run))
    last.write_text("")
    (run / "config.json").write_text((run / "checkpoints" / "000000000080" / "config.json").read_text())
    assert inventory.position(RunPath.of(run)) is not None and inventory.position(RunPath.of(run)) != before
    (run / "checkpoints" / "000000000080" / "state.json").write_text("{")
    total = json.loads((run / "config.json").read_text())["settings"]["total_timesteps"]
    assert inventory.position(RunPath.of(run)) == (0, total)


@pytest.mark.parametrize("name", [*manifest.FILES, "manifest.json"])
def test_links_are_not_followed(name, run, tmp_path, refused):
    file = run / "checkpoints" / "000000000160" / name
    file.rename(tmp_path / name)
    file.symlink_to(tmp_path / name)
    refused(run, name, "is a link", checkpoint=160)
    with pytest.warns(UserWarning, match="is a link.* Using the checkpoint before it"):
        oc.load(run)


def test_folders_that_are_links_are_refused(run, agent, tmp_path, refused):
    (tmp_path / "link").symlink_to(agent)
    refused(tmp_path / "link", "link is a link; give the folder itself")
    (run / "checkpoints" / "000000000999").symlink_to(agent)
    refused(run, "000000000999 is a link", checkpoint=999)
    with pytest.warns(UserWarning, match="000000000999 is a link.* Using the checkpoint before it"):
        oc.load(run)
    (run / "checkpoints").rename(tmp_path / "elsewhere")
    (run / "checkpoints").symlink_to(tmp_path / "elsewhere")
    refused(run, "checkpoints is a link")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("name", ["state.json", "model.safetensors", "manifest.json"])
def test_a_pipe_is_not_waited_for(name, run, refused):
    file = run / "checkpoints" / "000000000160" / name
    file.unlink()
    os.mkfifo(file)
    refused(run, name, "is no ordinary file", checkpoint=160)


def test_a_file_of_another_size_is_not_read(agent, monkeypatch, refused):
    real = manifest.fingerprint
    monkeypatch.setattr(
        manifest, "fingerprint", lambda path: pytest.fail("read") if "safetensors" in path.name else real(path)
    )
    os.truncate(agent / "model.safetensors", 2_000_000_000)  # a sparse file, on the disk a few kB
    refused(agent, "model.safetensors", "is damaged")
    os.truncate(agent / "model.safetensors", 10_000_000_000)
    refused(agent, "model.safetensors", "is larger than 4 GB")


def test_only_a_format_that_config_json_confirms_is_newer(run, refused):
    last = run / "checkpoints" / "000000000160"
    edit(last / "manifest.json", format_version=3)
    with pytest.warns(UserWarning, match="config.json has another format"):
        oc.load(run)
    edit(last / "config.json", format_version=3)
    refused(run, "manifest.json has format version 3; this option-critic reads 1")


@pytest.mark.parametrize("files", [[], {}, {"config.json": 1}, None, dict.fromkeys(manifest.FILES, "x")])
def test_a_manifest_without_its_files_is_damaged(files, agent, refused):
    edit(agent / "manifest.json", files=files)
    refused(agent, "manifest.json is damaged")


@pytest.mark.parametrize("steps", ["x", None, [1], True, 1e300])
def test_a_list_of_checkpoints_bears_nonsense(steps, agent, run):
    shutil.copytree(agent, run / "checkpoints" / "interrupted")
    edit(run / "checkpoints" / "interrupted" / "state.json", env_steps=steps)
    assert [p.name for p in inventory.listing(RunPath.of(run) / "checkpoints")][-1] == "000000000160"
    assert oc.load(run).num_timesteps == 160


@pytest.mark.parametrize(
    ("text", "settings"), [("1e999", '{"total_timesteps": 64}'), ("64", '{"total_timesteps": 1e999}')]
)
def test_infinitely_many_steps_are_nonsense(text, settings, run):
    """JSON has no infinity, but numbers that become it."""
    for boundary in inventory.boundaries(RunPath.of(run)):
        (boundary.path / "state.json").write_text(f'{{"env_steps": {text}, "schedule_end": 640, "episodes": {{}}}}')
    (run / "config.json").write_text(f'{{"settings": {settings}}}')
    assert inventory.position(RunPath.of(run)) is None
    assert (row_of(f'{{"time/total_timesteps": {text}}}\n'.encode()) is None) == (text == "1e999")


def test_returns_beyond_floats_have_no_score(agent):
    edit(agent / "state.json", episodes={"returns": [10**400], "successes": []})
    assert inventory.score(RunPath.of(agent)) is None


def test_a_kill_while_old_boundaries_are_deleted_leaves_no_half(run, monkeypatch):
    class Killed(BaseException):
        pass

    def killed(name, dir_fd):
        os.unlink(f"{name}/model.safetensors", dir_fd=dir_fd)
        raise Killed

    monkeypatch.setattr("shutil.rmtree", killed)
    with pytest.raises(Killed):
        inventory.prune(RunPath.of(run), 1)
    assert [folder.name for folder in inventory.boundaries(RunPath.of(run))] == ["000000000160"]
    manifest.verify(RunPath.of(run) / "checkpoints" / "000000000160")
