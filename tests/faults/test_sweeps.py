"""A sweep of three presets with four seeds each: a machine of the cluster dies, or the command is killed, and each run
ends as by itself, to the byte."""

import hashlib
import subprocess
import sys
import threading
import time

import pytest

import option_critic as oc
from option_critic.cli.sweep import run_all
from option_critic.evaluation.evaluate import evaluate
from option_critic.runs.paths import RunPath
from option_critic.sweeps.index import read_index, standing_of
from option_critic.sweeps.plan import read_plan

pytestmark = [pytest.mark.faults, pytest.mark.filterwarnings("ignore::UserWarning")]  # boundaries cut short runs

PLAN = """
targets = ["cartpole", "frozen-lake", "four-rooms"]
seeds = "0..3"
[settings]
num_envs = 8
rollout_length = 64
epochs = 2
hidden_dim = 16
minibatch_size = 128
total_timesteps = 8192
checkpoint_every = 2048
torch_threads = 1
backend = "gymnasium"
[evaluation]
episodes = 5
"""
SECONDS = 900.0
"""That a sweep may take."""


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    file = tmp_path_factory.mktemp("plan") / "plan.toml"
    file.write_text(PLAN)
    return file


@pytest.fixture(scope="module")
def alone(plan, tmp_path_factory):
    """Place of a run -> what it is by itself."""
    out, found = tmp_path_factory.mktemp("alone"), {}
    for run in read_plan(plan):
        agent = oc.OptionCritic.from_settings(run.resolved()).learn(run_folder=out / run.place)
        returns = [float(result.trace.reward.sum()) for result in evaluate(agent, num_episodes=5)]
        found[run.place] = prints(out / run.place), returns
    return found


def prints(run):
    """Fingerprints of metrics, and of weights and optimisers at each boundary; what a signal saved is left out."""
    files = [run / "metrics.jsonl", *run.glob("checkpoints/[0-9]*/*.safetensors")]
    assert len(files) == 7  # three boundaries are kept
    return {str(f.relative_to(run)): hashlib.sha256(f.read_bytes()).hexdigest() for f in files}


def check_equal(plan, out, alone):
    runs, index = read_plan(plan), read_index(RunPath.of(out))["runs"]
    assert len(runs) == len(alone) == 12
    for run in runs:
        entry, (whole, (total,)) = index[run.place], alone[run.place]
        assert entry["status"] == "done" and entry["steps"] == 8192, entry
        assert prints(out / run.place) == whole, run.place
        (result,) = entry["results"].values()
        assert result["return"]["n"] == 5 and result["return"]["value"] * 5 == pytest.approx(total)


def check_gone_on(out):
    """What was killed went on from a boundary."""
    assert any(" going on at " in log.read_text() for log in out.rglob("seed-*.log"))


def under_way(runs, out, done):
    """Wait until a third has ended and two are past their first boundary."""
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and not done.is_set():
        steps = [standing_of(run.folder(out)).steps for run in runs]
        if sum(n == 8192 for n in steps) >= 3 and sum(2048 < n < 8192 for n in steps) >= 2:
            return steps
        time.sleep(0.1)
    raise AssertionError("it ended before anything could be killed, or never got so far")


def test_a_machine_of_the_cluster_dies(plan, alone, tmp_path, monkeypatch):
    ray = pytest.importorskip("ray", reason='pip install "option-critic[ray]"')
    from ray.cluster_utils import Cluster

    from option_critic.sweeps.on_ray import RayTasks

    monkeypatch.setenv("RAY_worker_niceness", "0")  # its processes step back behind all others on their own
    small = {"object_store_memory": 100_000_000}
    cluster = Cluster(initialize_head=True, head_node_args=small | {"num_cpus": 1, "include_dashboard": False})
    runs, out, done, seen = read_plan(plan), RunPath.of(tmp_path / "out"), threading.Event(), []
    try:
        other = cluster.add_node(**small, num_cpus=3)  # so that of two that are in the middle it has one at least
        engine = RayTasks(cluster.address)

        def kill():
            seen.append(under_way(runs, out, done))
            cluster.remove_node(other, allow_graceful=False)
            seen.append(time.monotonic())

        killer = threading.Thread(target=kill)
        killer.start()
        try:
            code = run_all(runs, out, engine)
        finally:
            done.set()
            killer.join()
    finally:
        ray.shutdown()
        cluster.shutdown()
    assert code == 0 and len(seen) == 2
    check_equal(plan, out.path, alone)
    check_gone_on(out.path)
    print(f"\nkilled when the runs were at {seen[0]}; all twelve done {time.monotonic() - seen[1]:.0f} s later")


def test_the_command_is_killed_and_given_again(plan, alone, tmp_path):
    command = [sys.executable, "-m", "option_critic", "sweep", str(plan), "--out", str(tmp_path / "out"), "--jobs", "4"]
    first = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    seen = under_way(read_plan(plan), RunPath.of(tmp_path / "out"), threading.Event())
    first.kill()
    first.wait()
    again = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    assert again.returncode == 0 and "12 of 12 runs done" in again.stdout, again.stdout + again.stderr
    check_equal(plan, tmp_path / "out", alone)
    check_gone_on(tmp_path / "out")
    print(f"\nkilled when the runs were at {seen}")
