"""Many trainings and what is kept of them."""

import json
import os
import signal
import threading

import pytest
import torch

import option_critic as oc
from option_critic.cli.sweep import check_there, finish, run_all
from option_critic.errors import InputError
from option_critic.report.gather import gather
from option_critic.runs.paths import RunPath
from option_critic.sweeps.index import INDEX, is_done, read_index, standing_of
from option_critic.sweeps.plan import Evaluation, PlannedRun
from option_critic.sweeps.processes import Processes

SMALL = {"num_envs": 4, "rollout_length": 16, "minibatch_size": 32, "epochs": 2, "hidden_dim": 16, "torch_threads": 1,
         "total_timesteps": 256, "checkpoint_every": 128, "backend": "gymnasium"}  # fmt: skip
SHORT = Evaluation(episodes=2)


def planned(seed=0, name="small", evaluation=SHORT, **settings):
    return PlannedRun("CartPole-v1", seed, SMALL | settings, name, evaluation)


@pytest.fixture
def out(tmp_path):
    return RunPath.of(tmp_path / "out")


def weights(folder):
    return oc.load(folder.path).state.model.state_dict()


def test_a_sweep_does_what_train_and_evaluate_do_and_keeps_what_came_of_it(out, here, capsys):
    runs = [
        planned(0),
        planned(1, evaluation=None),
        planned(0, "bad", backend="envpool", env_kwargs={"sutton_barto_reward": True}),
    ]
    assert run_all(runs, out, here()) == 1
    said = capsys.readouterr()
    assert "2 of 3 runs done" in said.out and "failed: bad/cartpole/seed-0: " in said.err
    index = read_index(out)["runs"]
    assert {place: entry["status"] for place, entry in index.items()} == {
        "small/cartpole/seed-0": "done", "small/cartpole/seed-1": "done", "bad/cartpole/seed-0": "failed",
    }  # fmt: skip
    assert index["bad/cartpole/seed-0"]["reason"] in said.err
    first = index["small/cartpole/seed-0"]
    assert first["settings"] == SMALL and first["steps"] == 256 and first["evaluation"]["episodes"] == 2
    assert first["results"]["000000000256-episodes-deterministic"]["return"]["n"] == 2
    assert index["small/cartpole/seed-1"]["results"] == {}
    alone = oc.OptionCritic("CartPole-v1", seed=1, **SMALL).learn(run_folder=out.path.parent / "alone")
    swept = weights(runs[1].folder(out))
    assert all(torch.equal(x, swept[name]) for name, x in alone.state.model.state_dict().items())
    # again: what is done is left alone, what failed is tried
    engine = here()
    assert run_all(runs, out, engine) == 1 and engine.count == 1
    assert [is_done(run, out) for run in runs] == [True, True, False]
    assert {run.group for run in gather([out.path])} == {"cartpole"}


def test_a_run_that_was_trained_is_only_judged(out):
    run = planned()
    oc.OptionCritic("CartPole-v1", **SMALL).learn(run_folder=run.folder(out).path)
    assert not is_done(run, out)
    assert finish(run, out) == 0 and is_done(run, out)


def test_what_cannot_be_judged_is_not_trained(out, monkeypatch):
    monkeypatch.setattr("option_critic.cli.train.train_seeds", lambda *_: pytest.fail("it was trained"))
    with pytest.raises(InputError, match="too much to record"):
        finish(planned(evaluation=Evaluation(episodes=100_000)), out)
    monkeypatch.setattr("option_critic.evaluation.evaluate.available", lambda: False)
    with pytest.raises(InputError, match="Meta-World is not installed"):
        finish(PlannedRun("Meta-World/reach-v3"), out)


def test_other_settings_are_refused_before_anything_is_written(out, here):
    run_all([planned()], out, here())
    before = (out.path / INDEX).read_bytes()
    with pytest.raises(InputError, match=r"small/cartpole/seed-0 was started with gamma 0.99, now it is 0.5"):
        check_there([planned(1), planned(gamma=0.5)], out)
    assert (out.path / INDEX).read_bytes() == before


def test_a_damaged_index_is_named(out, here):
    out.path.mkdir()
    (out.path / INDEX).write_text(json.dumps({"format_version": 1, "runs": 3}))
    with pytest.raises(InputError, match=r"sweep.json is damaged: it holds no runs"):
        run_all([planned()], out, here())


def test_what_is_stopped_is_saved_and_goes_on(out, here, still_alive):
    """Ctrl-C in a real pool: exit code 130, the run is interrupted in the index, its process gone; then the same again
    leads to the same weights."""
    long = planned(total_timesteps=1800, checkpoint_every=450, num_options=1, evaluation=None)
    engine = Processes(1)

    def when_under_way():
        while standing_of(long.folder(out)).steps < 300 and not done.wait(0.02):
            pass
        pids.extend(process.pid for process, *_ in engine.at_work.values())
        if not done.is_set():
            os.kill(os.getpid(), signal.SIGINT)

    done, pids = threading.Event(), []
    watcher = threading.Thread(target=when_under_way)
    watcher.start()
    try:
        assert run_all([long], out, engine) == 130
    finally:
        done.set()
        watcher.join()
    entry = read_index(out)["runs"][long.place]
    assert entry["status"] == "interrupted" and 0 <= entry["steps"] < 1800
    assert (long.folder(out).path / "checkpoints" / "interrupted").is_dir() and not still_alive(pids)
    assert run_all([long], out, here()) == 0 and read_index(out)["runs"][long.place]["status"] == "done"
    alone = oc.OptionCritic("CartPole-v1", **long.settings).learn(run_folder=out.path.parent / "alone")
    assert all(torch.equal(x, alone.state.model.state_dict()[n]) for n, x in weights(long.folder(out)).items())
