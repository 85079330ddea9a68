"""Jobs elsewhere: on Ray, and by submitit, whose local executor stands for a cluster here."""

import sys
from functools import partial
from types import SimpleNamespace

import pytest

from option_critic.cli.engines import EngineArgs, engine_of
from option_critic.cores import CORES, usable_cores
from option_critic.errors import InputError
from option_critic.runs.paths import RunPath
from option_critic.sweeps.jobs import Job, Outcome, work_through
from option_critic.sweeps.on_ray import DEATHS, PATIENCE, RayTasks


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
        engine_of(EngineArgs(on="slurm"), RunPath.of(tmp_path))


def test_jobs_of_a_scheduler_find_what_lies_beside_an_experiment(tmp_path, monkeypatch):
    pytest.importorskip("submitit", reason='pip install "option-critic[slurm]"')
    from option_critic.sweeps.on_slurm import SlurmJobs

    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "lies_beside_it.py").write_text("CODE = 0")
    monkeypatch.setattr("sys.path", [*sys.path, str(tmp_path / "beside")])  # as `read_plan` does
    job = Job(RunPath.of(tmp_path) / "one", partial(eval, "__import__('lies_beside_it').CODE"))
    with SlurmJobs(RunPath.of(tmp_path), cluster="local") as engine:
        ((found,),) = filter(None, work_through([job], engine, 0.1))
    assert found[1] == Outcome("done")


class Ray:
    """What RayTasks asks of Ray: answers, or what ended a task in their place."""

    def __init__(self, *answers):
        self.answers, self.patience = list(answers), []
        self.exceptions = SimpleNamespace(
            RayError=RuntimeError, RayTaskError=NotImplementedError, TaskCancelledError=RecursionError
        )  # the latter two are RuntimeErrors

    def init(self, **_):
        pass

    def remote(self, **_):
        return lambda _: SimpleNamespace(remote=lambda job, path, patience: self.patience.append(patience) or object())

    def cluster_resources(self):
        return {"CPU": 2.0}

    def wait(self, refs, **_):
        return refs[:1], refs[1:]

    def get(self, _):
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_a_task_whose_machine_dies_is_started_again_and_one_that_kills_its_process_not_for_ever(tmp_path, monkeypatch):
    died, done = RuntimeError("the node died"), Outcome("done")
    for answers, became in (
        ([died, died, done], done),
        ([died] * (DEATHS - 1) + [done], done),
        ([died] * DEATHS, Outcome("failed", f"{DEATHS} processes died of it: the node died")),
        ([NotImplementedError("a\nb")], Outcome("failed", "Ray could not run it: b")),
        ([RecursionError()], Outcome("interrupted")),
    ):
        ray = Ray(*answers)
        monkeypatch.setitem(sys.modules, "ray", ray)
        engine = RayTasks()
        assert engine.places == 2 and RayTasks(jobs=7).places == 7
        (found,) = [x for some in work_through([Job(RunPath.of(tmp_path) / "one", int)], engine, 0.0) for x in some]
        assert found[1] == became
        assert ray.patience == [0.0] + [PATIENCE] * (len(answers) - 1)  # what died may still hold the lock


@pytest.mark.faults
def test_tasks_of_ray(tmp_path):
    ray = pytest.importorskip("ray", reason='pip install "option-critic[ray]"')
    try:
        assert outcomes(RayTasks(), tmp_path) == EXPECTED
    finally:
        ray.shutdown()


@pytest.mark.parametrize(("on", "module"), [("ray", "ray"), ("slurm", "submitit")])
def test_what_is_missing_is_named(tmp_path, monkeypatch, on, module):
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=rf"--on {on} needs .*pip install .option-critic\[{on}\]"):
        engine_of(EngineArgs(on=on), RunPath.of(tmp_path))


def test_a_scheduler_may_say_how_many_cores(monkeypatch):
    monkeypatch.setenv(CORES, "1")
    assert usable_cores() == 1
    monkeypatch.setenv(CORES, "many")
    assert usable_cores() >= 1
