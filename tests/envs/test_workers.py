"""Workers that are killed, hang or fail: named, and nothing of them is left."""

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from option_critic.envs import make, metaworld, workers
from option_critic.envs.gymnasium import make_gymnasium
from option_critic.envs.settings import EnvSettings
from option_critic.envs.workers import WorkerEnvs, WorkerError
from option_critic.errors import InputError

TESTS = str(Path(__file__).parent.parent)
linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture(autouse=True)
def importable(monkeypatch):
    monkeypatch.syspath_prepend(TESTS)


def slices(*names, size=2):
    """One worker per name of an environment in `bad_envs`."""
    return [partial(make_gymnasium, f"bad_envs:{name}-v0", [0] * size) for name in names]


def steps(envs, count):
    for _ in range(count):
        envs.step(np.zeros(envs.num_envs, int))


def until_it_hangs(*names, timeout=60.0):
    """Workers that wait for an answer of those that hang."""
    envs = WorkerEnvs(slices(*names), timeout=timeout)
    envs.reset()
    steps(envs, 4)
    envs.send(np.zeros(envs.num_envs, int))
    return envs


@linux
def test_a_killed_worker_is_named_and_all_are_gone(still_alive):
    envs = WorkerEnvs(slices("Good", "Good", "Good"), name="Some/task")
    envs.reset()
    pids = [p.pid for p in envs.processes]
    started = time.monotonic()
    os.kill(pids[1], signal.SIGKILL)
    with pytest.raises(
        WorkerError, match=r"^Some/task: worker 1 \(environments 2 to 3\) of 3 died \(killed by signal 9"
    ):
        steps(envs, 1)
    assert not still_alive(pids) and time.monotonic() - started < 10
    envs.close()


@linux
def test_a_worker_that_dies_is_found_while_another_hangs():
    envs = until_it_hangs("Hangs", "Hangs")
    os.kill(envs.processes[1].pid, signal.SIGKILL)
    with pytest.raises(WorkerError, match=r"worker 1 \(environments 2 to 3\) of 2 died"):
        envs.recv()


@linux
def test_a_killed_worker_is_found_though_its_child_holds_the_pipe_open():
    envs = WorkerEnvs(slices("Good", "Forks", size=1))
    envs.reset()
    started = time.monotonic()
    os.kill(envs.processes[1].pid, signal.SIGKILL)
    with pytest.raises(WorkerError, match=r"worker 1 \(environments 1 to 1\) of 2 died"):
        steps(envs, 1)
    assert time.monotonic() - started < 6


@linux
def test_a_hung_worker_is_named_and_all_are_gone(still_alive):
    envs = until_it_hangs("Good", "Hangs", timeout=2.0)
    started = time.monotonic()
    with pytest.raises(WorkerError, match=r"worker 1 \(environments 2 to 3\) of 2 gave no answer within 2 s"):
        envs.recv()
    assert not still_alive([p.pid for p in envs.processes]) and time.monotonic() - started < 2 + 10


def test_a_worker_that_hangs_while_it_builds_is_named(monkeypatch):
    monkeypatch.setattr(workers, "BUILD_SECONDS", 3.0)
    with pytest.raises(WorkerError, match=r"worker 1 \(building\) of 2 gave no answer within 3 s"):
        WorkerEnvs(slices("Good", "HangsInInit"), timeout=0.1)
    assert not multiprocessing.active_children()


def test_closing_does_not_wait_for_each_hung_worker_and_can_be_repeated():
    envs = until_it_hangs("Hangs", "Hangs", "Hangs")
    started = time.monotonic()
    envs.close()
    assert time.monotonic() - started < 5
    assert [p.exitcode for p in envs.processes] == [-signal.SIGKILL] * 3
    envs.close()


def test_workers_that_listen_end_by_themselves():
    envs = WorkerEnvs(slices("Good", "Good"))
    envs.reset()
    envs.close()
    assert [p.exitcode for p in envs.processes] == [0, 0]


@pytest.mark.parametrize(
    ("makers", "error"),
    [
        (slices("Good", "RaisesInInit"), "no robot on port 7"),
        ([*slices("Good"), partial(sys.exit, 3)], "SystemExit: 3"),
        ([*slices("Good"), lambda: None], "pickle"),  # fails while the second is started
    ],
)
def test_a_constructor_that_fails_leaves_no_worker(makers, error):
    with pytest.raises(Exception, match=error):
        WorkerEnvs(makers)
    assert not multiprocessing.active_children()


def test_groups_that_were_made_are_closed_if_a_later_one_fails(monkeypatch):
    made = []

    def make_envs(*_):
        if made:
            raise WorkerError("the second")
        made.append(WorkerEnvs(slices("Good")))
        return made[0]

    monkeypatch.setattr(make, "make_envs", make_envs)
    with pytest.raises(WorkerError, match="the second"):
        make.make_groups("any", EnvSettings(env_groups=2), [1, 2])
    assert not multiprocessing.active_children()


def test_waiting_can_be_interrupted():
    def interrupt(*_):
        raise KeyboardInterrupt

    envs = until_it_hangs("Hangs")
    before = signal.signal(signal.SIGALRM, interrupt)
    started = time.monotonic()
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with pytest.raises(KeyboardInterrupt):
            envs.recv()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert time.monotonic() - started < 10 and not multiprocessing.active_children()


SCRIPT = """
import sys, time
import numpy as np
from functools import partial
from multiprocessing import forkserver
from option_critic.envs.gymnasium import make_gymnasium
from option_critic.envs.workers import WorkerEnvs

envs = WorkerEnvs([partial(make_gymnasium, "bad_envs:Hangs-v0", [0])] * 3)
envs.reset()
for _ in range(4):
    envs.step(np.zeros(3, int))
envs.send(np.zeros(3, int))
print(*(p.pid for p in envs.processes), forkserver._forkserver._forkserver_pid, flush=True)
time.sleep(float(sys.argv[1]))
"""


@linux
@pytest.mark.parametrize("killed", [True, False])
def test_hung_workers_end_with_the_process_that_started_them(killed, still_alive):
    """It is killed, or it ends without closing its environments."""
    process = subprocess.Popen(
        [sys.executable, "-c", SCRIPT, "3600" if killed else "0"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([TESTS, *sys.path])},
    )
    pids = [int(pid) for pid in process.stdout.readline().split()]
    assert len(pids) == 4
    if killed:
        assert still_alive(pids, 0.5) == pids
        process.kill()
    try:
        assert not still_alive([process.pid, *pids])
    finally:
        for pid in still_alive([process.pid, *pids], 0):
            os.kill(pid, signal.SIGKILL)
        process.communicate()


FEW = """
import multiprocessing, resource, sys
from functools import partial
from option_critic.envs.gymnasium import make_gymnasium
from option_critic.envs.workers import WorkerEnvs, WorkerError

resource.setrlimit(resource.RLIMIT_NOFILE, (20, 20))
try:
    WorkerEnvs([partial(make_gymnasium, "bad_envs:Good-v0", [i]) for i in range(8)], name="Some/task")
except WorkerError as error:
    print(error)
print(multiprocessing.active_children())
"""


@linux
def test_too_few_file_handles_are_told_in_one_sentence():
    done = subprocess.run(
        [sys.executable, "-c", FEW],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([TESTS, *sys.path])},
    )
    said, left = done.stdout.splitlines()
    assert said.startswith("Some/task: worker ") and said.endswith(
        " of 8 could not be started: this process may open 20 files (ulimit -n), they need more; "
        "use fewer (env_threads, or --workers of an evaluation), or raise that limit"
    )
    assert (left, done.stderr, done.returncode) == ("[]", "", 0)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (BlockingIOError(errno.EAGAIN, "try again"), r"Resource temporarily unavailable.*\(ulimit -u\)"),
        (OSError(errno.ENOMEM, "no"), r"Cannot allocate memory; use fewer .*free some memory"),
        (EOFError("unexpected EOF"), r"no process could be started; .*\(ulimit -n\) and processes \(-u\)"),
        (ConnectionRefusedError(errno.ECONNREFUSED, "no"), "no process could be started"),
    ],
)
def test_a_process_that_cannot_be_started_is_told_and_leaves_none(error, words, monkeypatch):
    start, started = multiprocessing.context.ForkServerProcess.start, []

    def fails(process):
        if started:
            raise error
        started.append(process)
        start(process)

    monkeypatch.setattr(multiprocessing.context.ForkServerProcess, "start", fails)
    with pytest.raises(WorkerError, match=f"^environments: worker 1 of 2 could not be started: {words}"):
        WorkerEnvs(slices("Good", "Good"))
    assert started and not multiprocessing.active_children()


PAUSED = """
import os, signal, subprocess, sys, time
from functools import partial
import numpy as np
from option_critic.envs.guard import limited
from option_critic.envs.gymnasium import make_gymnasium
from option_critic.envs.workers import WorkerEnvs

def pause():  # from outside of our group, a moment from now
    helper = (
        "import os, signal, sys, time; group = int(sys.argv[1]); time.sleep(0.4); os.killpg(group, signal.SIGSTOP);"
        "time.sleep(4); os.killpg(group, signal.SIGCONT)"
    )
    return subprocess.Popen([sys.executable, "-c", helper, str(os.getpgrp())], start_new_session=True)

envs = WorkerEnvs([partial(make_gymnasium, "bad_envs:Lingers-v0", [0])], timeout=3.0)
envs.reset()
paused, began = pause(), time.monotonic()
envs.step(np.zeros(1, int))
assert time.monotonic() - began > 4 and paused.wait() == 0
envs.close()
paused, began = pause(), time.monotonic()
with limited(3.0):
    while time.monotonic() - began < 5.4:
        time.sleep(0.05)
paused.wait()
print("went on")
"""


@linux
def test_time_in_which_we_are_stopped_is_no_workers_fault():
    """Ctrl-Z, or a container that is paused: for longer than a step, or closing, may take."""
    done = subprocess.run(
        [sys.executable, "-c", PAUSED],
        capture_output=True,
        text=True,
        start_new_session=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([TESTS, *sys.path])},
    )
    assert (done.stdout, done.stderr, done.returncode) == ("went on\n", "", 0)


def test_the_setting_reaches_the_workers(monkeypatch):
    monkeypatch.setattr(metaworld, "WorkerEnvs", lambda *_, **kw: kw)
    settings = EnvSettings(backend="official", worker_timeout=7.5)
    made = make.make_envs("Meta-World/reach-v3", settings, [1, 2])
    assert made["timeout"] == 7.5 and made["name"] == "Meta-World/reach-v3"
    with pytest.raises(InputError, match=r"worker_timeout must lie in \[0.001, 1,000,000\], got 0"):
        EnvSettings(worker_timeout=0.0)


PLAIN = """
import multiprocessing, sys
from functools import partial

print("begins", flush=True)
multiprocessing.get_all_start_methods = lambda: [sys.argv[1]]
from option_critic.envs.gymnasium import make_gymnasium
from option_critic.envs.workers import WorkerEnvs

envs = WorkerEnvs([partial(make_gymnasium, "bad_envs:Good-v0", [i]) for i in range(2)])
print(envs.reset().shape, sys.modules["__main__"].envs is envs)
envs.close()
"""


@pytest.mark.parametrize("method", [m for m in multiprocessing.get_all_start_methods() if m != "fork"])
def test_a_script_without_a_main_guard_runs_once(method, tmp_path):
    (tmp_path / "plain.py").write_text(PLAIN)
    done = subprocess.run(
        [sys.executable, tmp_path / "plain.py", method],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([TESTS, *sys.path])},
    )
    assert (done.stdout, done.stderr, done.returncode) == ("begins\n(2, 2) True\n", "", 0)
