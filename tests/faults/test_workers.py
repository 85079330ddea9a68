"""Workers and their parent, killed at random moments. Nothing is left, and each dead worker is found and named."""

import os
import random
import signal
import subprocess
import sys
import threading
import time
import uuid
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from option_critic.envs.gymnasium import make_gymnasium
from option_critic.envs.workers import WorkerEnvs, WorkerError

pytestmark = [pytest.mark.faults, pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")]
TESTS = str(Path(__file__).parent.parent)
WORKERS, KILLS = 3, 50


def test_killed_workers_are_found_and_leave_no_orphan(monkeypatch, still_alive):
    """Half of them with answers that do not fit into a pipe, so that some die in the middle of one."""
    monkeypatch.syspath_prepend(TESTS)
    draw, pids, seconds, cut = random.Random(0), [], [], 0
    for i in range(KILLS):
        name, victim, delay = ("Good", "Large")[i % 2], draw.randrange(WORKERS), draw.uniform(0, 0.3)
        envs = WorkerEnvs([partial(make_gymnasium, f"bad_envs:{name}-v0", [0, 0])] * WORKERS, name=f"kill {i}")
        envs.reset()
        running = [p.pid for p in envs.processes]
        threading.Timer(delay, os.kill, (running[victim], signal.SIGKILL)).start()
        started = time.monotonic()
        with pytest.raises(WorkerError, match=rf"^kill {i}: worker {victim} \(.*\) of {WORKERS} died") as error:
            while True:
                envs.step(np.zeros(envs.num_envs, int))
        assert not still_alive(running)
        seconds.append(time.monotonic() - started - delay)
        cut += "during message" in str(error.value.__cause__)
        pids += running
    print(f"{KILLS} kills, {cut} of them in the middle of an answer; found, and all gone, in {max(seconds):.2f} s")
    assert max(seconds) < 10 and cut > 0
    assert not still_alive(pids, 0)


SCRIPT = """
import sys
import numpy as np
from functools import partial
from option_critic.envs.gymnasium import make_gymnasium
from option_critic.envs.workers import WorkerEnvs

print(flush=True)
envs = WorkerEnvs([partial(make_gymnasium, f"bad_envs:{sys.argv[1]}-v0", [0])] * 3)
envs.reset()
while True:
    envs.step(np.zeros(3, int))
"""


def marked(mark):
    """Every process that inherited a mark in its environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if mark.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


@pytest.mark.parametrize("name", ["Good", "Hangs", "HangsInInit"])
def test_nothing_is_left_of_a_killed_parent(name, still_alive):
    """Killed from the moment on at which it starts the fork server, so also before its workers are prepared."""
    draw = random.Random(name)
    for _ in range(20):
        mark = f"faults-{uuid.uuid4()}"
        process = subprocess.Popen(
            [sys.executable, "-c", SCRIPT, name],
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([TESTS, *sys.path]), "MARK": mark},
        )
        process.stdout.readline()
        time.sleep(draw.uniform(0, 1.5))
        process.kill()
        process.communicate()
        end = time.monotonic() + 10
        while marked(mark) and time.monotonic() < end:
            time.sleep(0.05)
        left = marked(mark)
        for pid in left:
            os.kill(pid, signal.SIGKILL)
        assert not left
