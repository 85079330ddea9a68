"""Killed in the middle of a write, at any moment, on a full disk at every write in turn: what is resumed is equal."""

import hashlib
import random
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from full_disk import FullDisk

import option_critic as oc
from option_critic.errors import InputError, RunError
from option_critic.runs import inventory
from option_critic.runs.paths import BESIDE, RunPath

pytestmark = pytest.mark.faults

TRAIN = ["train", "CartPole-v1", "--num-envs", "8", "--rollout-length", "32", "--hidden-dim", "16", "--epochs", "1",
         "--minibatch-size", "128", "--torch-threads", "1", "--total-timesteps", "5120",
         "--checkpoint-every", "1024"]  # fmt: skip
KILLS = 100
DYING = Path(__file__).with_name("dying.py")


def prints(run):
    """Of all that a finished run holds, times apart."""
    folders = inventory.boundaries(RunPath.of(run))
    files = [run / "metrics.jsonl", run / "config.json"]
    files += [f.path / name for f in folders for name in ("model.safetensors", "optimizer.safetensors", "config.json")]
    assert not [p for p in run.rglob(".*") if BESIDE.fullmatch(p.name)], "something half written was left"
    return {str(f.relative_to(run)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def command(*words, timeout=300):
    return subprocess.run([sys.executable, *map(str, words)], capture_output=True, text=True, timeout=timeout)


def finish(run):
    """Go on to the end, or begin where there is nothing to go on from."""
    verb = ["resume", run] if (run / "config.json").exists() else [*TRAIN, "--out", run.parent]
    done = command("-m", "option_critic", *verb)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    run = tmp_path_factory.mktemp("whole") / "seed-0"
    finish(run)
    return prints(run)


def test_killed_within_a_write(tmp_path, whole):
    """At a hundred writes, from the first to the last of a training, and while it goes on after that."""
    killed, nth = 0, 0
    while killed < KILLS:
        run = tmp_path / str(nth) / "seed-0"
        first = command(DYING, nth, *TRAIN, "--out", run.parent)
        if first.returncode == 0:  # fewer writes than that: once more from the start, dying while it is resumed
            break
        assert first.returncode == -9, first.stderr
        killed += 1
        if (run / "config.json").exists() and killed < KILLS:
            again = command(DYING, nth // 2, "resume", run)
            assert again.returncode in (0, -9), again.stderr
            killed += again.returncode == -9
        finish(run)
        assert prints(run) == whole, nth
        nth += 1
    print(f"\n{killed} kills within a write, at {nth} different writes: all equal")
    assert killed >= KILLS


def test_killed_at_any_moment(tmp_path, whole):
    draw, killed = random.Random(0), 0
    while killed < KILLS:
        run = tmp_path / str(killed) / "seed-0"
        process = subprocess.Popen([sys.executable, "-m", "option_critic", *TRAIN, "--out", str(run.parent)],
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
        try:
            process.wait(draw.uniform(1.5, 8.0))
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        killed += 1
        finish(run)
        assert prints(run) == whole
    print(f"\n{killed} kills at any moment: all equal")


def learn(run):
    settings = oc.Settings(env_id="CartPole-v1").override(
        num_envs=4, rollout_length=16, minibatch_size=32, epochs=1, hidden_dim=8, total_timesteps=512,
        checkpoint_every=128, torch_threads=1)  # fmt: skip
    oc.OptionCritic.from_settings(settings).learn(run_folder=run)


@pytest.mark.parametrize("times", [1, 2, 10**9])
def test_a_disk_that_is_full_at_every_write_in_turn(times, tmp_path, monkeypatch):
    """For one call, for two, and from then on: freed afterwards, and resumed."""
    warnings.simplefilter("ignore")
    learn(tmp_path / "whole")
    last = f"checkpoints/{512:012d}/model.safetensors"
    whole = [(tmp_path / "whole" / name).read_bytes() for name in ("metrics.jsonl", last)]
    told, at = 0, 0
    while True:
        run = tmp_path / str(at)
        with monkeypatch.context() as patch:
            disk = FullDisk(patch, fails_at=at, times=times)
            try:
                learn(run)
            except (RunError, InputError) as error:
                told += 1
                assert "\n" not in str(error) and "cannot be " in str(error)
        if disk.calls <= at:
            break
        if (run / "config.json").exists():
            oc.resume(run)
        else:
            learn(run)
        assert [(run / name).read_bytes() for name in ("metrics.jsonl", last)] == whole, at
        at += 1
    print(f"\na full disk at each of {at} writes: {told} trainings ended in one sentence, all resumed equal")
    assert at > 50
