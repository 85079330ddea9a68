"""kill -9 at random moments: no run folder becomes unreadable, and what is resumed ends as the whole, to the byte."""

import hashlib
import random
import subprocess
import sys
import time
import warnings

import numpy as np
import pytest

import option_critic as oc
from option_critic.evaluation.evaluate import evaluate
from option_critic.runs import inventory
from option_critic.runs.manifest import verify
from option_critic.runs.paths import CheckpointError, RunPath

pytestmark = pytest.mark.faults

COMMON = ["--hidden-dim", "16", "--epochs", "2", "--minibatch-size", "128", "--torch-threads", "1"]
BACKENDS = {
    "gymnasium": ["CartPole-v1", "--num-envs", "8", "--rollout-length", "32", "--total-timesteps", "61440",
                  "--checkpoint-every", "5120", "--evaluate-every", "7680", "--evaluate-episodes", "3", *COMMON],
    "envpool": ["pick-place", "--num-envs", "4", "--env-threads", "1", "--max-episode-steps", "31", "--rollout-length",
                "32", "--total-timesteps", "29760", "--checkpoint-every", "2480", *COMMON],
}  # fmt: skip
KILLS, REPEATS = 100, 5


def start(*args):
    return subprocess.Popen([sys.executable, "-m", "option_critic", *map(str, args)],
                            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)  # fmt: skip


def finish(process):
    _, err = process.communicate(timeout=600)
    assert process.returncode == 0, err


def killed(process, after):
    """Whether it was killed before it was done."""
    try:
        process.wait(after)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return True
    assert process.returncode == 0, process.stderr.read()
    return False


def prints(run):
    """Fingerprints of parameters, optimisers and metrics, and of an evaluation."""
    files = [run / "metrics.jsonl", *run.glob("checkpoints/*/model.safetensors"),
             *run.glob("checkpoints/*/optimizer.safetensors")]  # fmt: skip
    found = {str(f.relative_to(run)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}
    agent = oc.load(run)
    if agent.settings.env_id == "CartPole-v1":
        (result,) = evaluate(agent, num_episodes=10, modes=("stochastic",))
        found["evaluation"] = hashlib.sha256(result.trace.reward.tobytes() + result.trace.q.tobytes()).hexdigest()
    else:
        obs = np.random.default_rng(0).normal(size=(200, 39))
        found["evaluation"] = hashlib.sha256(agent.predict(obs, deterministic=True)[0].tobytes()).hexdigest()
    return found


@pytest.fixture(scope="module")
def startup(tmp_path_factory):
    """Seconds until a training runs here and now: kills come from before that on."""
    folder, began = tmp_path_factory.mktemp("first"), time.monotonic()
    process = start("train", *BACKENDS["gymnasium"], "--out", folder)
    while not (folder / "seed-0" / "config.json").exists():
        assert process.poll() is None, process.stderr.read()
        time.sleep(0.02)
    process.kill()
    process.wait()
    return time.monotonic() - began


def test_a_hundred_kills_leave_every_run_readable(tmp_path, startup):
    """At most one interval is repeated each time, and nothing is reported as damaged."""
    rng, kills, number, reached, repeated = random.Random(0), 0, 0, -1, []
    every = 5120
    while kills < KILLS:
        run = tmp_path / f"runs-{number}" / "seed-0"
        target = (
            ["resume", run]
            if (run / "config.json").exists()
            else ["train", *BACKENDS["gymnasium"], "--out", run.parent]
        )
        process = start(*target)
        if not killed(process, max(0.1, startup + rng.uniform(-1.0, 3.0))):
            number, reached = number + 1, -1
            continue
        kills += 1
        if not (run / "config.json").exists():
            continue
        for folder in inventory.boundaries(RunPath.of(run)):
            verify(folder)  # raises if one is damaged
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            last = inventory.last_whole(RunPath.of(run))
        steps = int(last.name) if last else 0
        assert steps >= reached, "an interval that was safe was lost"
        reached = steps
        lines = (run / "metrics.jsonl").read_text().splitlines() if (run / "metrics.jsonl").exists() else []
        repeated.append(len(lines) * 256 - steps)
        assert repeated[-1] <= every + 256
        if steps:
            assert oc.load(last).num_timesteps == steps
    print(f"\n{kills} kills in {number + 1} runs: 0 unreadable; at most {max(repeated)} steps repeated of {every}")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("algorithm", ["dac", "ppo_oc"])
def test_killed_and_resumed_equals_uninterrupted(tmp_path, algorithm, backend, startup):
    settings = [*BACKENDS[backend], "--algorithm", algorithm]
    finish(start("train", *settings, "--out", tmp_path / "whole"))
    whole, total = prints(tmp_path / "whole" / "seed-0"), 0
    for repeat in range(REPEATS):
        rng, kills = random.Random(repeat), 0
        run = tmp_path / f"cut-{repeat}" / "seed-0"
        process = start("train", *settings, "--out", run.parent)
        while killed(process, startup + rng.uniform(0.0, 2.5) * (kills < 3) + 300 * (kills >= 3)):
            kills += 1
            there = (run / "config.json").exists()
            process = start("resume", run) if there else start("train", *settings, "--out", run.parent)
        total += kills
        assert kills > 0 and prints(run) == whole
    print(f"\n{algorithm}, {backend}: {REPEATS} runs killed {total} times, all equal to the uninterrupted one")


def test_unreadable_would_be_noticed(tmp_path):
    """The check above can fail."""
    run = tmp_path / "run"
    oc.OptionCritic("CartPole-v1", num_envs=4, rollout_length=16, hidden_dim=8).learn(64, run_folder=run)
    (last,) = inventory.boundaries(RunPath.of(run))
    (last.path / "model.safetensors").write_bytes(b"half")
    with pytest.raises(CheckpointError):
        verify(last)
