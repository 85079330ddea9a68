"""Jobs elsewhere: on Ray, and by submitit, whose local executor stands for a cluster here."""

import sys
from functools import partial

import pytest

from option_critic.cli.sweep import SweepArgs, engine_of
from option_critic.cores import CORES, usable_cores
from option_critic.errors import InputError
from option_critic.runs.paths import RunPath
from option_critic.sweeps.jobs import Job, Outcome, work_through


def outcomes(engine, out):
    jobs = [Job(RunPath.of(out) / "deep" / name, what) for name, what in (("fine", int), ("bad", partial(int, "x")))]
    found = {}
    with engine:
        for ended in work_through(jobs, engine, 0.1):
            found |= {job.place.name: outcome for job, outcome in ended}
    assert engine.stopped == []
    return found


EXPECTED = {
    "fine": Outcome("done"),
    "bad": Outcome("failed", "ValueError: invalid literal for int() with base 10: 'x'"),
}


def test_jobs_of_a_scheduler(tmp_path):
    pytest.importorskip("submitit", reason='pip install "option-critic[slurm]"')
    from option_critic.sweeps.on_slurm import SlurmJobs

    assert outcomes(SlurmJobs(RunPath.of(tmp_path), cluster="local"), tmp_path) == EXPECTED
    with pytest.raises(InputError, match="there is no Slurm here"):
        engine_of(SweepArgs(tmp_path, on="slurm"), RunPath.of(tmp_path))


@pytest.mark.faults
def test_tasks_of_ray(tmp_path):
    ray = pytest.importorskip("ray", reason='pip install "option-critic[ray]"')
    from option_critic.sweeps.on_ray import RayTasks

    try:
        assert outcomes(RayTasks(), tmp_path) == EXPECTED
    finally:
        ray.shutdown()


@pytest.mark.parametrize(("on", "module"), [("ray", "ray"), ("slurm", "submitit")])
def test_what_is_missing_is_named(tmp_path, monkeypatch, on, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=rf"--on {on} needs .*pip install .option-critic\[{on}\]"):
        engine_of(SweepArgs(tmp_path, on=on), RunPath.of(tmp_path))


def test_a_scheduler_may_say_how_many_cores(monkeypatch):
    monkeypatch.setenv(CORES, "1")
    assert usable_cores() == 1
    monkeypatch.setenv(CORES, "many")
    assert usable_cores() >= 1
