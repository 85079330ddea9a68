"""A run that was stopped, at whatever moment, ends as the one that never stopped: to the byte."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time

import pytest
import torch
from given_options import ENVIRONMENTS

import option_critic as oc
from option_critic.algorithms.update import DivergedError
from option_critic.errors import InputError, RunError
from option_critic.runs import inventory
from option_critic.runs.paths import RunPath
from option_critic.runs.run_folder import TIMING, Run

pytestmark = pytest.mark.filterwarnings("ignore:the checkpoint after")  # boundaries are close on purpose

SAME = ("model.safetensors", "optimizer.safetensors")


class StopError(Exception):
    """What a crash looks like from inside."""


def crash_at(iteration):
    def callback(agent, metrics):
        if metrics["time/iterations"] == iteration:
            raise StopError

    return callback


def prints(run):
    """Fingerprints of all that must not depend on how often a run was stopped."""
    files = [run / "metrics.jsonl", *(p.path / name for p in inventory.boundaries(RunPath.of(run)) for name in SAME)]
    return {str(f.relative_to(run)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


@pytest.mark.parametrize("algorithm", ["dac", "ppo_oc"])
@pytest.mark.parametrize("iterations", [(1,), (3,), (5, 7), (4, 5, 8)])
def test_resumed_equals_uninterrupted(small, tmp_path, algorithm, iterations):
    settings = small(algorithm=algorithm, total_timesteps=64 * 8, checkpoint_every=128)
    oc.OptionCritic.from_settings(settings).learn(run_folder=tmp_path / "whole")
    first, *others = iterations
    with pytest.raises(StopError):
        oc.OptionCritic.from_settings(settings).learn(run_folder=tmp_path / "cut", callback=crash_at(first))
    for iteration in others:
        with pytest.raises(StopError):
            oc.resume(tmp_path / "cut", crash_at(iteration))
    agent = oc.resume(tmp_path / "cut")
    assert agent.num_timesteps == 512
    assert prints(tmp_path / "cut") == prints(tmp_path / "whole")
    for name in ("metrics.jsonl", "timing.jsonl"):
        lines = [json.loads(line) for line in (tmp_path / "cut" / name).read_text().splitlines()]
        assert [line["time/total_timesteps"] for line in lines] == [64 * (i + 1) for i in range(8)]


@pytest.mark.parametrize(("env_id", "algorithm"), [("Pendulum-v1", "dac"), ("CartPole-v1", "ppo_oc")])
def test_a_frozen_a_corrected_and_a_new_option_are_resumed(small, tmp_path, env_id, algorithm):
    told = {"algorithm": algorithm, "options_from": ENVIRONMENTS[env_id], "burn_in": 0}
    settings = small(env_id, total_timesteps=64 * 6, checkpoint_every=128, **told)
    oc.OptionCritic.from_settings(settings).learn(run_folder=tmp_path / "whole")
    with pytest.raises(StopError):
        oc.OptionCritic.from_settings(settings).learn(run_folder=tmp_path / "cut", callback=crash_at(3))
    with pytest.raises(StopError):
        oc.resume(tmp_path / "cut", crash_at(5))
    agent = oc.resume(tmp_path / "cut")
    assert agent.state.model.given is not None and agent.num_timesteps == 384
    assert prints(tmp_path / "cut") == prints(tmp_path / "whole")


def test_metrics_hold_nothing_of_the_clock(small, tmp_path):
    for name in ("a", "b"):
        oc.OptionCritic.from_settings(small()).learn(run_folder=tmp_path / name)
    assert prints(tmp_path / "a") == prints(tmp_path / "b")
    assert "time/fps" in (tmp_path / "a" / "timing.jsonl").read_text()


def test_a_finished_run_is_left_alone(small, tmp_path):
    oc.OptionCritic.from_settings(small()).learn(run_folder=tmp_path / "run")
    before = {p: p.stat().st_mtime_ns for p in (tmp_path / "run").rglob("*")}
    assert oc.resume(tmp_path / "run").num_timesteps == 256
    assert {p: p.stat().st_mtime_ns for p in (tmp_path / "run").rglob("*")} == before


def test_a_damaged_boundary_is_named_and_the_one_before_is_used(small, tmp_path):
    settings = small(total_timesteps=64 * 8, checkpoint_every=128)
    oc.OptionCritic.from_settings(settings).learn(run_folder=tmp_path / "whole")
    with pytest.raises(StopError):
        oc.OptionCritic.from_settings(settings).learn(run_folder=tmp_path / "cut", callback=crash_at(7))
    last = inventory.boundaries(RunPath.of(tmp_path / "cut"))[-1]
    (last.path / "model.safetensors").write_bytes(b"")
    with pytest.warns(UserWarning, match=f"{last.name}.*Using the checkpoint before it"):
        oc.resume(tmp_path / "cut")
    assert prints(tmp_path / "cut") == prints(tmp_path / "whole")


def test_an_agent_that_goes_on_learning_can_be_resumed(small, tmp_path):
    """Its run starts where the settings alone would not lead."""
    agents = [oc.OptionCritic.from_settings(small(checkpoint_every=128)) for _ in range(2)]
    for agent in agents:
        agent.learn(128)
    agents[0].learn(256, run_folder=tmp_path / "whole")
    with pytest.raises(StopError):
        agents[1].learn(256, run_folder=tmp_path / "cut", callback=crash_at(3))
    oc.resume(tmp_path / "cut")
    assert prints(tmp_path / "cut") == prints(tmp_path / "whole")


def test_half_a_line_and_half_a_checkpoint_are_tidied_away(small, tmp_path):
    settings = small(total_timesteps=64 * 8, checkpoint_every=128)
    oc.OptionCritic.from_settings(settings).learn(run_folder=tmp_path / "whole")
    with pytest.raises(StopError):
        oc.OptionCritic.from_settings(settings).learn(run_folder=tmp_path / "cut", callback=crash_at(3))
    with (tmp_path / "cut" / "metrics.jsonl").open("a") as f:
        f.write('{"time/total_timesteps": 25')
    (tmp_path / "cut" / "checkpoints" / ".000000000256.new-1").mkdir()
    oc.resume(tmp_path / "cut")
    assert prints(tmp_path / "cut") == prints(tmp_path / "whole")
    assert not list((tmp_path / "cut" / "checkpoints").glob(".*"))


def test_the_last_three_and_the_best_are_kept(small, tmp_path, monkeypatch):
    scores = iter([1.0, 5.0, 2.0, 3.0, 4.0, 0.0])
    given = {}
    monkeypatch.setattr(inventory, "score", lambda p: (0.0, given.setdefault(p.name, next(scores, 0.0))))
    settings = small(total_timesteps=64 * 6, checkpoint_every=64)
    oc.OptionCritic.from_settings(settings).learn(run_folder=tmp_path / "run")
    assert [int(p.name) // 64 for p in inventory.boundaries(RunPath.of(tmp_path / "run"))] == [2, 4, 5, 6]
    assert oc.load(tmp_path / "run", checkpoint="best").num_timesteps == 128
    oc.OptionCritic.from_settings(settings.override(keep_checkpoints=0)).learn(run_folder=tmp_path / "all")
    assert len(inventory.boundaries(RunPath.of(tmp_path / "all"))) == 6


def test_one_process_writes_a_run(small, tmp_path):
    settings = small(checkpoint_every=64)
    with pytest.raises(StopError):
        oc.OptionCritic.from_settings(settings).learn(run_folder=tmp_path / "run", callback=crash_at(2))
    script = (
        "import sys, time\nfrom option_critic.runs.paths import RunPath\nfrom option_critic.runs.locks import locked\n"
        "with locked(RunPath.of(sys.argv[1])):\n    print('held', flush=True)\n    time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", script, str(tmp_path / "run")], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    before = (tmp_path / "run" / "metrics.jsonl").read_text()
    with pytest.raises(InputError, match="is being written by another process"):
        oc.resume(tmp_path / "run")
    with pytest.raises(InputError, match="is being written by another process"):
        oc.OptionCritic.from_settings(settings).learn(run_folder=tmp_path / "run", overwrite=True)
    assert (tmp_path / "run" / "metrics.jsonl").read_text() == before
    holder.kill()  # the lock is stale now
    holder.wait()
    assert oc.resume(tmp_path / "run").num_timesteps == 256


def broken_gradients(agent, updates):
    """Make the gradients of the given updates (counted from 0) NaN."""
    count = iter(range(10**9))
    weight = agent.state.model.q_head.weight
    weight.register_hook(lambda g: g * float("nan") if next(count) in updates else g)


def test_a_bad_update_is_skipped_and_counted(small):
    agent = oc.OptionCritic.from_settings(small(total_timesteps=64))
    counted = []
    broken_gradients(agent, {1, 2})
    agent.learn(callback=lambda _, m: counted.append(m["train/skipped_updates"]))
    assert counted == [2.0] and agent.state.skipped_in_row == 0
    assert all(torch.isfinite(p).all() for p in agent.state.model.parameters())


def test_after_many_bad_updates_the_training_ends_with_the_last_checkpoint_intact(small, tmp_path):
    settings = small(total_timesteps=64 * 8, checkpoint_every=64, max_skipped_updates=20)
    agent = oc.OptionCritic.from_settings(settings)
    broken_gradients(agent, set(range(12, 10**4)))
    with pytest.raises(RunError, match=r"20 updates in a row were NaN.*kept in .*dump") as caught:
        agent.learn(run_folder=tmp_path / "run")
    assert isinstance(caught.value.__cause__, DivergedError)
    from safetensors.torch import load_file

    rows = load_file(tmp_path / "run" / "dump" / "batch.safetensors")
    assert len(rows["obs"]) == len(rows["decision/action"]) == len(rows["targets/adv_action"]) > 1
    again = oc.load(tmp_path / "run")
    assert all(torch.isfinite(p).all() for p in again.state.model.parameters())
    assert oc.resume(tmp_path / "run").num_timesteps == 512  # without the fault it goes on


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="this system has no SIGUSR1")
def test_a_killed_process_and_its_signals(small, tmp_path):
    """The command line: SIGUSR1 saves, kill -9 loses nothing, `resume` ends as the whole."""
    told = {"num_envs": 8, "rollout_length": 64, "checkpoint_every": 1024, "hidden_dim": 16, "epochs": 2,
            "torch_threads": 1, "total_timesteps": 8_192}  # fmt: skip
    oc.OptionCritic("CartPole-v1", **told).learn(told["total_timesteps"], run_folder=tmp_path / "whole")
    flags = [word for name, value in told.items() for word in (f"--{name.replace('_', '-')}", str(value))]
    command = [sys.executable, "-m", "option_critic", "train", "CartPole-v1", *flags]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    run, whole = tmp_path / "cut" / "seed-0", tmp_path / "whole"
    process = subprocess.Popen([*command, "--out", str(tmp_path / "cut")], **quiet)
    wait_for(lambda: inventory.boundaries(RunPath.of(run)))
    os.kill(process.pid, signal.SIGUSR1)
    wait_for(lambda: (run / "checkpoints" / "saved").exists())
    assert process.poll() is None
    process.kill()
    process.wait()
    resume = [sys.executable, "-m", "option_critic", "resume", str(tmp_path / "cut")]
    subprocess.run(resume, check=True, **quiet)
    assert prints(run) == prints(whole)


def wait_for(condition, seconds=180):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def test_a_folder_that_is_no_run(tmp_path):
    with pytest.raises(InputError, match="is no run folder"):
        oc.resume(tmp_path)


def test_logs_are_durable_before_the_boundary(small, tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr(os, "fsync", lambda handle: synced.append(os.readlink(f"/proc/self/fd/{handle}")))
    run = Run(tmp_path / "run", small(), oc.OptionCritic.from_settings(small()).spaces)
    agent = oc.OptionCritic.from_settings(small())
    run.log(dict.fromkeys(("time/total_timesteps", *TIMING), 1.0))
    run.checkpoint(agent.state)
    run.close()
    order = [os.path.basename(name) for name in synced]
    assert order.index("metrics.jsonl") < order.index("model.safetensors")
