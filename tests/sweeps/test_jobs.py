"""Jobs in processes of their own: what becomes of each, whatever becomes of the others."""

import signal
import time
from functools import partial

import pytest

from option_critic.cores import usable_cores
from option_critic.runs.locks import locked
from option_critic.runs.paths import RunPath
from option_critic.sweeps.jobs import Job, Outcome, work_through
from option_critic.sweeps.processes import Processes, share_of


def test_each_is_told_and_the_rest_goes_on(tmp_path, still_alive):
    out = RunPath.of(tmp_path)
    work = {
        "done": int,
        "raises": partial(int, "x"),
        "killed": partial(signal.raise_signal, signal.SIGKILL),
        "held": int,
        "long": partial(time.sleep, 60),
    }
    jobs = {name: Job(out / "deep" / name, what) for name, what in work.items()}
    found, engine = {}, Processes(3)
    (tmp_path / "deep").mkdir()
    with locked(out / "deep", ".held.lock"), engine:
        for ended in work_through(list(jobs.values()), engine, 0.1):
            found |= {job.place.name: outcome for job, outcome in ended}
            assert len(engine.running()) <= 3
            if len(found) == len(jobs) - 1:
                pids = [process.pid for process, *_ in engine.at_work.values()]
                break
    assert [(job.place.name, outcome) for job, outcome in engine.stopped] == [("long", Outcome("interrupted"))]
    assert len(pids) == 1 and not still_alive(pids)
    assert found == {
        "done": Outcome("done"),
        "raises": Outcome("failed", "ValueError: invalid literal for int() with base 10: 'x'"),
        "killed": found["killed"],
        "held": Outcome("elsewhere"),
    }
    assert "signal 9" in found["killed"].reason and "memory" in found["killed"].reason
    assert "ValueError" in (tmp_path / "deep" / "raises.log").read_text()


@pytest.mark.parametrize(("count", "shares"), [(1, [[4, 5, 6]]), (2, [[4, 6], [5]]), (4, [[4], [5], [6], [4]])])
def test_jobs_share_the_cores(count, shares):
    assert [share_of([4, 5, 6], i, count) for i in range(count)] == shares
    assert share_of([], 0, count) == []  # where no process can be tied to a core


def test_as_many_as_there_are_cores():
    assert len(Processes().free) == usable_cores()
