"""Shared pieces of the tests."""

import math
import os
import time
from pathlib import Path

# Before PyTorch is loaded, and for all processes that tests start: threads that have nothing to do sleep. By default
# they keep a core busy, of which two files that run at once have one each. What is computed is the same.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

import numpy as np
import pytest
import torch

from option_critic.envs import processes
from option_critic.settings import Settings
from option_critic.sweeps.jobs import outcome_of

SMALL = {"num_envs": 4, "rollout_length": 16, "minibatch_size": 32, "epochs": 2, "hidden_dim": 16}


@pytest.fixture(autouse=True)
def one_thread():
    """Bitwise comparisons need a fixed number of threads."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def no_trial_of_workers(monkeypatch):
    """With four files at a time a step looks dear, and what `auto` would then start takes seconds. Modules that ask for
    it have a fixture of this name."""
    monkeypatch.setattr(processes, "LEAST", math.inf)


@pytest.fixture(scope="session")
def small():
    """Settings of a training that takes a moment."""
    return lambda env_id="CartPole-v1", **kw: Settings(env_id=env_id).override(
        **{**SMALL, "total_timesteps": 256, "checkpoint_every": 128, "torch_threads": 1, **kw}
    )


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def is_alive(pid):
    """Whether a process runs; one that is dead and waits to be noticed by its parent does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


@pytest.fixture
def still_alive():
    """Which of some processes still run after so many seconds; fewer, if all are gone sooner."""

    def wait(pids, seconds=10.0):
        end = time.monotonic() + seconds
        while (left := [pid for pid in pids if is_alive(pid)]) and time.monotonic() < end:
            time.sleep(0.05)
        return left

    return wait


class Here:
    """An engine of sweeps without processes: one job at a time, in this one."""

    stopped, places = (), 1

    def __init__(self):
        self.jobs, self.count = [], 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def running(self):
        return self.jobs

    def start(self, job):
        self.jobs, self.count = [job], self.count + 1

    def ended(self, _):
        job = self.jobs.pop()
        return [(job, outcome_of(job))]


@pytest.fixture
def here():
    return Here
