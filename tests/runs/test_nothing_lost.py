"""Full disks, damaged files, kills at the worst moment, another working directory: no run is lost by them."""

import json
import os
import shutil
import warnings
from pathlib import Path

import pytest
from filelock import FileLock, Timeout
from full_disk import FullDisk

import option_critic as oc
from option_critic import loading
from option_critic.cli.evaluate import evaluate_run
from option_critic.cli.signals import Interrupt
from option_critic.errors import InputError, RunError
from option_critic.evaluation import evaluate as evaluation
from option_critic.evaluation.limits import Effort
from option_critic.runs import inventory
from option_critic.runs.files import WriteError
from option_critic.runs.paths import BESIDE, RunPath

pytestmark = pytest.mark.filterwarnings("ignore:the checkpoint after")  # boundaries are close on purpose
LONG = {"total_timesteps": 64 * 8, "checkpoint_every": 128}


def stopping(iteration):
    return lambda agent, metrics: metrics["time/iterations"] < iteration


def learned(small, folder, stop=99):
    return oc.OptionCritic.from_settings(small(**LONG)).learn(run_folder=folder, callback=stopping(stop))


def last_files(run):
    """What a finished run must hold, however it came there."""
    folder = inventory.boundaries(RunPath.of(run))[-1].path
    names = ("model.safetensors", "optimizer.safetensors", "config.json")
    return [(run / "metrics.jsonl").read_bytes(), *((folder / name).read_bytes() for name in names)]


@pytest.fixture(scope="module")
def whole(small, tmp_path_factory):
    folder = tmp_path_factory.mktemp("whole")
    learned(small, folder)
    return last_files(folder)


@pytest.fixture(scope="module")
def stopped(small, tmp_path_factory):
    """Stopped between two boundaries, at 320 of 512 steps."""
    folder = tmp_path_factory.mktemp("stopped") / "run"
    learned(small, folder, stop=5)
    return folder


@pytest.fixture
def cut(stopped, tmp_path):
    """A copy of it, to be changed."""
    return Path(shutil.copytree(stopped, tmp_path / "cut"))


def flip(path, old, new):
    text = path.read_bytes()
    assert old in text
    path.write_bytes(text.replace(old, new, 1))


DAMAGE = {
    "a flipped bit": lambda p: flip(p, b'{"time', b"{\xf4time"),
    "a null": lambda p: flip(p, b'"time/total_timesteps": 64', b'"time/total_timesteps": null'),
    "an endless number": lambda p: flip(p, b'"time/total_timesteps": 64', b'"time/total_timesteps": 1e999'),
    "nested": lambda p: p.write_bytes(b"[" * 100_000 + b"\n" + p.read_bytes()),
    "no figures": lambda p: p.write_bytes(b'{"time/total_timesteps": 5}\n{}\n' + p.read_bytes()),
    "another kind": lambda p: p.write_bytes(b'[1]\n"x"\n3\n' + p.read_bytes()),
    "a cut line": lambda p: p.write_bytes(p.read_bytes()[:-20]),
}


@pytest.mark.parametrize("name", DAMAGE)
@pytest.mark.parametrize("log", ["metrics.jsonl", "timing.jsonl", "alarms.jsonl"])
@pytest.mark.filterwarnings("always")
def test_a_damaged_log_costs_its_lines_and_not_the_run(name, log, cut, whole):
    if log == "alarms.jsonl":
        (cut / log).write_text('{"time/total_timesteps": 64, "alarm": "a", "says": "b"}\n')
    DAMAGE[name](cut / log)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        oc.resume(cut)
    mended = [str(w.message) for w in told if "damaged lines" in str(w.message)]
    assert last_files(cut)[1:] == whole[1:]
    assert (not mended) == (name == "a cut line") or name == "no figures", told
    for line in (cut / log).read_bytes().splitlines():
        json.loads(line)


@pytest.mark.filterwarnings("always")
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format_version": 1, "settings": 1e999}'])
def test_a_lost_config_is_taken_from_a_checkpoint(content, cut, whole):
    (cut / "config.json").write_bytes(content)
    with pytest.warns(UserWarning, match=r"config\.json .*Using the copy in the last checkpoint"):
        oc.resume(cut)
    assert last_files(cut) == whole
    assert json.loads((cut / "config.json").read_text())["settings"]["env_id"] == "CartPole-v1"
    assert oc.load(cut).num_timesteps == 512


def test_going_on_takes_no_room_on_a_full_disk(cut, monkeypatch):
    """Later lines are cut off where they stand; before, the log was written once more beside itself."""
    lines = (cut / "metrics.jsonl").read_text().splitlines()
    written = []
    real = os.write
    monkeypatch.setattr(os, "write", lambda h, data: written.append(os.readlink(f"/proc/self/fd/{h}")) or real(h, data))
    oc.resume(cut, callback=lambda *_: False)
    assert not [name for name in written if ".metrics" in name]
    assert (cut / "metrics.jsonl").read_text().splitlines()[:4] == lines[:4]


def test_a_full_disk_when_going_on_is_one_sentence(cut, whole, monkeypatch):
    with monkeypatch.context() as patch:
        FullDisk(patch, fails_at=0, times=10**9)
        with pytest.raises((WriteError, InputError), match="cannot be written"):
            oc.resume(cut)
    oc.resume(cut)
    assert last_files(cut) == whole


@pytest.mark.parametrize("at", [0, 3, 9, 14, 20, 27, 33, 41, 50, 63])
@pytest.mark.filterwarnings("ignore:.*cannot be written")
def test_a_disk_that_is_full_for_a_moment(at, small, tmp_path, whole, monkeypatch):
    run = tmp_path / "run"
    with monkeypatch.context() as patch:
        disk = FullDisk(patch, fails_at=at)
        try:
            learned(small, run)
        except (RunError, InputError) as error:
            assert "cannot be written" in str(error)
    assert disk.calls > at
    oc.resume(run) if (run / "config.json").exists() else learned(small, run)
    assert last_files(run) == whole


def test_an_alarm_waits_for_room(small, tmp_path, monkeypatch):
    """An alarm that a full disk refused is in the log once there is room, without another alarm."""
    raised = iter([{}, {"made up": "look here"}])
    monkeypatch.setattr("option_critic.training.alarms.Alarms.see", lambda *_: next(raised, {}))
    real, full = os.write, []

    def write(handle, data):
        if b"made up" in bytes(data) and len(full) < 1:
            full.append(handle)
            raise OSError(28, "No space left on device")
        return real(handle, data)

    monkeypatch.setattr(os, "write", write)
    settings = small(num_options=2, total_timesteps=64 * 8, checkpoint_every=64 * 8)  # no boundary writes it before
    agent, log, seen = oc.OptionCritic.from_settings(settings), tmp_path / "run/alarms.jsonl", []
    with pytest.warns(UserWarning) as told:
        agent.learn(run_folder=tmp_path / "run", callback=lambda *_: seen.append("look here" in log.read_text()))
    assert full and any("the training goes on" in str(w.message) for w in told)
    assert seen == [False, False, *[True] * 6]


def test_a_save_that_was_asked_for_on_a_full_disk_is_told_and_the_training_goes_on(small, tmp_path, monkeypatch):
    agent = learned(small, tmp_path / "run")
    interrupt = Interrupt()
    interrupt.ask()
    FullDisk(monkeypatch, fails_at=0, times=10**9)
    with pytest.warns(UserWarning, match="cannot be written"):
        assert interrupt.on_iteration(agent, RunPath.of(tmp_path / "run"))


def test_what_a_run_begins_with_is_flushed(small, tmp_path, monkeypatch):
    flushed = []
    real = os.fsync
    monkeypatch.setattr(os, "fsync", lambda h: flushed.append(os.readlink(f"/proc/self/fd/{h}")) or real(h))
    learned(small, tmp_path / "run", stop=1)
    names = {os.path.relpath(name, tmp_path) for name in flushed}
    assert {".", "run", "run/checkpoints"} <= names
    assert any(name.startswith("run/.config.json.new-") for name in names)


class Killed(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("renames", [0, 1])
def test_an_agent_that_is_replaced_when_a_kill_comes_is_there_old_or_new(renames, small, tmp_path, monkeypatch):
    agent = oc.OptionCritic.from_settings(small())
    agent.save(tmp_path / "agent")
    agent.state.env_steps = 7
    done = iter(range(9))
    real = os.rename

    def rename(*args, **kwargs):
        if next(done) == renames:
            raise Killed
        real(*args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(os, "rename", rename)
        patch.setattr("option_critic.runs.paths.RunPath.remove", lambda self: None)  # the dead tidy nothing
        with pytest.raises(Killed):
            agent.save(tmp_path / "agent")
    assert oc.load(tmp_path / "agent").num_timesteps == (0, 7)[renames]
    agent.save(tmp_path / "agent")  # and the next one tidies
    assert oc.load(tmp_path / "agent").num_timesteps == 7
    assert not [p for p in tmp_path.iterdir() if BESIDE.fullmatch(p.name)]


def test_weights_saved_between_boundaries_survive_a_kill_between_two_renames(small, tmp_path):
    learned(small, tmp_path / "run", stop=5)
    saved = tmp_path / "run" / "checkpoints" / "interrupted"
    saved.rename(saved.with_name(".interrupted.old-0123456789abcdef"))
    assert oc.load(tmp_path / "run", checkpoint="interrupted").num_timesteps == 320
    oc.resume(tmp_path / "run", callback=lambda *_: False)
    assert saved.is_dir()


def test_the_boundary_is_read_under_the_lock(cut, monkeypatch):
    real = loading.at_boundary

    def reading(folder):
        with pytest.raises(Timeout):
            FileLock(cut / ".lock").acquire(timeout=0)
        return real(folder)

    monkeypatch.setattr(loading, "at_boundary", reading)
    oc.resume(cut)


def test_a_change_of_the_working_directory_moves_no_run(small, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()

    def away(agent, metrics):
        os.chdir(tmp_path / "elsewhere")

    oc.OptionCritic.from_settings(small(**LONG)).learn(run_folder="run", callback=away)
    assert not list((tmp_path / "elsewhere").iterdir())
    assert len(list((tmp_path / "run" / "checkpoints").iterdir())) >= 3


def test_two_evaluations_at_once_are_both_kept(small, tmp_path, monkeypatch):
    run = RunPath.of(tmp_path / "run")
    learned(small, run.path)
    (last,) = inventory.boundaries(run)[-1:]
    real, inner = evaluation.evaluate, []

    def meanwhile(agent, goals, modes, *rest):
        if modes == ["deterministic"]:
            inner.append(evaluate_run(run, last, [], ["stochastic"], Effort(1), None))
        return real(agent, goals, modes, *rest)

    monkeypatch.setattr(evaluation, "evaluate", meanwhile)
    evaluate_run(run, last, [], ["deterministic"], Effort(1), None)
    kept = json.loads((run.path / "evaluation.json").read_text())["results"]
    assert inner and sorted(r["mode"] for r in kept.values()) == ["deterministic", "stochastic"]


def test_what_may_not_be_looked_into_hides_no_other_run(small, tmp_path, monkeypatch):
    learned(small, tmp_path / "runs" / "a", stop=5)
    learned(small, tmp_path / "runs" / "b", stop=5)
    real = os.open

    def denied(name, *args, **kwargs):
        if name == "a":
            raise PermissionError(13, "Permission denied")
        return real(name, *args, **kwargs)

    monkeypatch.setattr(os, "open", denied)
    assert [run.name for run in inventory.runs_below(tmp_path / "runs")] == ["b"]
    with pytest.raises(InputError, match=r"a/config\.json cannot be read: Permission denied"):
        inventory.read_config(RunPath.of(tmp_path / "runs") / "a")


def test_a_log_that_cannot_be_read_for_a_moment_stays_as_it_is(cut, whole, monkeypatch):
    before, real = (cut / "metrics.jsonl").read_bytes(), os.open

    def none_left(name, *args, **kwargs):
        if name == "metrics.jsonl":
            raise OSError(24, "Too many open files")
        return real(name, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(os, "open", none_left)
        with pytest.raises(InputError, match=r"metrics\.jsonl cannot be read: Too many open files"):
            oc.resume(cut)
    assert (cut / "metrics.jsonl").read_bytes() == before
    oc.resume(cut)
    assert last_files(cut) == whole


def test_no_permission_is_one_sentence(small, tmp_path, monkeypatch):
    real = os.open

    def denied(name, *args, **kwargs):
        if str(name).startswith((".metrics", "checkpoints", ".versions")):
            raise PermissionError(13, "Permission denied")
        return real(name, *args, **kwargs)

    learned(small, tmp_path / "run", stop=5)
    monkeypatch.setattr(os, "open", denied)
    with pytest.raises(InputError, match=r"checkpoints cannot be read: Permission denied"):
        oc.resume(tmp_path / "run")
    with pytest.raises(RunError, match="cannot be written \\(Permission denied\\)"):
        learned(small, tmp_path / "other")
