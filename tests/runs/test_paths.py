"""The one door to the disk: what a run's path opens, and what it does not."""

import os
from pathlib import Path

import pytest

from option_critic.runs.handles import OddFileError
from option_critic.runs.paths import BESIDE, CheckpointError, RunPath


@pytest.fixture
def outside(tmp_path):
    """A file of somebody else."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "key").write_text("secret")
    return tmp_path / "outside"


@pytest.fixture
def run(tmp_path):
    (tmp_path / "run").mkdir()
    return RunPath.of(tmp_path / "run")


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "/", f"a{os.sep}b", "a\0b", "x" * 300, "\ud800"])
def test_a_name_is_a_name(name, run):
    with pytest.raises(CheckpointError, match="is no name of a file"):
        run / name


def test_a_folder_on_the_way_may_not_be_a_link(run, outside):
    (run.path / "traces").symlink_to(outside)
    with pytest.raises(CheckpointError, match=r"key cannot be read: traces on the way to .* is a link, or no folder"):
        (run / "traces" / "key").read(100)
    for write in (lambda p: p.write(b"x"), lambda p: p.create(b"x"), lambda p: p.appending().__enter__()):
        with pytest.raises(OddFileError):
            write(run / "traces" / "new")
    (run / "traces").remove()
    assert [p.name for p in outside.iterdir()] == ["key"] and (outside / "key").read_text() == "secret"


def test_a_link_in_the_place_of_a_file_is_replaced_and_never_followed(run, outside):
    path = run / "evaluation.json"
    path.path.symlink_to(outside / "key")
    with pytest.raises(CheckpointError, match=r"evaluation\.json is a link"):
        path.read(100)
    with pytest.raises(OddFileError, match="is a link"), path.appending():
        pass
    path.write(b"figures")
    assert path.read(100) == b"figures" and path.kind() == "file"
    assert (outside / "key").read_text() == "secret"


def test_a_second_name_of_a_file_elsewhere_is_not_appended_to(run, outside):
    os.link(outside / "key", run.path / "metrics.jsonl")
    with (run / "metrics.jsonl").appending() as file:
        os.write(file, b" and more")
    assert (run / "metrics.jsonl").read(100) == b"secret and more"
    assert (outside / "key").read_text() == "secret"


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "large"])
def test_only_an_ordinary_file_of_its_size_is_read(kind, run):
    path = run / "state.json"
    make = {
        "pipe": lambda: os.mkfifo(path.path),
        "device": lambda: path.path.symlink_to("/dev/zero"),
        "folder": lambda: path.path.mkdir(),
        "large": lambda: path.path.write_bytes(bytes(101)),
    }
    make[kind]()
    words = {"pipe": "no ordinary file", "device": "is a link", "folder": "no ordinary file", "large": "larger than"}
    with pytest.raises(CheckpointError, match=words[kind]):
        path.read(100)


def test_a_file_is_there_in_full_or_as_it_was(run, monkeypatch):
    path = run / "config.json"
    path.write(b"before")
    real = os.write

    def full(handle, data):
        if len(data) > 2:
            return real(handle, data[:2])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(OSError, match="No space"):
        path.write(b"after all")
    monkeypatch.undo()
    assert path.read(100) == b"before" and run.names() == ["config.json"]


def test_what_is_written_is_on_the_disk(run, monkeypatch):
    """The file before it gets its name, then the folder that the name is in; of a new folder also the one above."""
    flushed = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda h: flushed.append(os.readlink(f"/proc/self/fd/{h}")) or real(h))
    (run / "traces" / "a").write(b"x")
    there = str(run.path)
    assert flushed[0] == there and BESIDE.fullmatch(Path(flushed[1]).name) and flushed[2] == f"{there}/traces"


def test_a_change_of_the_working_directory_moves_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = RunPath.of("run")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    (run / "config.json").write(b"x")
    assert (tmp_path / "run" / "config.json").exists() and str(run) == "run"


def test_a_folder_that_is_swapped_for_a_link_at_the_last_moment_stays_closed(run, outside, monkeypatch):
    """Between looking and opening: the name is opened from the handle of the folder before it."""
    (run / "traces").make()
    real = os.open

    def swapping(name, flags, *args, **kwargs):
        if name == "traces":
            os.rmdir(run.path / "traces")
            (run.path / "traces").symlink_to(outside)
        return real(name, flags, *args, **kwargs)

    path = run / "traces" / "key"
    monkeypatch.setattr(os, "open", swapping)
    with pytest.raises(OddFileError):
        path.create(b"x")
    assert (outside / "key").read_text() == "secret"


def test_a_held_name_leads_to_the_folder_whatever_is_renamed(run, outside):
    board = run / "tensorboard"
    board.make()
    with board.held() as name:
        os.rename(board.path, run.path / "moved")
        board.path.symlink_to(outside)
        Path(name, "events").write_text("x")
    assert (run.path / "moved" / "events").exists() and not (outside / "events").exists()
