"""Trackers are told the metrics by their names, on this machine alone, and a tracker that fails ends no training."""

import json
import socket
import sqlite3

import pytest

import option_critic as oc
import runs
from option_critic.cli import main, track
from option_critic.errors import InputError, RunError
from option_critic.runs.paths import RunPath
from option_critic.trackers import Tracked, begun, check_installed

ROWS = [
    {"time/total_timesteps": 64.0, "option/share/a b": 0.5, "train/loss": float("nan")},
    {"time/total_timesteps": 128.0},
]


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """Nobody connects to another machine."""
    real = socket.socket.connect

    def connect(self, address):
        assert self.family == socket.AF_UNIX, f"{address} is another machine"
        return real(self, address)

    monkeypatch.setattr(socket.socket, "connect", connect)
    for name in ("WANDB_MODE", "TRACKIO_SPACE_ID", "TRACKIO_SERVER_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


def tell(kind, page):
    """Two iterations and a page."""
    tracked = Tracked(begun(kind, "my project", "seed-0", {"seed": 0, "env": {"num_envs": 4, "env_kwargs": {"a": 1}}}))
    for row in ROWS:
        tracked.on_iteration(None, row)
    page.write_text("<p>the page</p>")
    tracked.close(page)


@pytest.mark.filterwarnings("error:.*failed, and is told nothing more")
def test_trackio(offline, monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "kept"))  # read when it is loaded, here
    pytest.importorskip("trackio")
    tell("trackio", tmp_path / "report.html")
    (found,) = tmp_path.rglob("*.db")
    rows = sqlite3.connect(found).execute("select step, metrics from metrics order by step").fetchall()
    assert [(step, json.loads(row)["time/total_timesteps"]) for step, row in rows] == [(64, 64.0), (128, 128.0)]
    assert json.loads(rows[0][1])["option/share/a b"] == 0.5 and "train/loss" not in json.loads(rows[0][1])
    assert any(p.read_bytes() == b"<p>the page</p>" for p in found.parent.rglob("*") if p.is_file())
    assert capsys.readouterr().out == ""


@pytest.mark.filterwarnings("error:.*failed, and is told nothing more")
def test_wandb(offline, tmp_path):
    wandb = pytest.importorskip("wandb")
    tell("wandb", tmp_path / "report.html")
    wandb.teardown()  # its service writes when it ends
    (folder,) = (tmp_path / "wandb").glob("offline-run-*")
    (kept,) = folder.glob("*.wandb")
    assert b"option/share/a b" in kept.read_bytes()
    assert [p.read_text() for p in folder.rglob("page_*.html")] == ["<p>the page</p>"]


@pytest.mark.filterwarnings("error:.*failed, and is told nothing more")
def test_mlflow(offline, monkeypatch, tmp_path):
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri((tmp_path / "kept").as_uri())
    try:
        tell("mlflow", tmp_path / "report.html")
        client = mlflow.MlflowClient()
        (run,) = client.search_runs([client.get_experiment_by_name("my-project").experiment_id])
        assert run.info.run_name == "seed-0" and run.info.status == "FINISHED"
        assert run.data.metrics == {"time/total_timesteps": 128.0, "option/share/a b": 0.5}
        assert run.data.params == {"seed": "0", "num_envs": "4", "env_kwargs": "{'a': 1}"}
        assert [f.path for f in client.list_artifacts(run.info.run_id)] == ["report.html"]
    finally:
        mlflow.set_tracking_uri(None)


class Failing:
    """Fails at the second row."""

    def __init__(self):
        self.told = []

    def log(self, metrics, step):
        self.told.append(step)
        if len(self.told) == 2:
            raise OSError("no room")

    def attach(self, page):
        self.told.append(page)

    def finish(self):
        self.told.append("finished")


def test_one_that_fails_ends_no_training(small):
    tracker = Failing()
    agent = oc.OptionCritic.from_settings(small())
    with pytest.warns(UserWarning, match="Failing failed, and is told nothing more: OSError: no room"):
        agent.learn(callback=Tracked(tracker))
    assert agent.num_timesteps == 256 and tracker.told == [64, 128]


def test_the_command_line_tells_it_and_attaches_the_page(monkeypatch, tmp_path):
    told, tracker = [], Failing()
    tracker.log = lambda metrics, step: told.append(step)
    monkeypatch.setattr(track, "begun", lambda *about: told.append(about[:3]) or tracker)
    folder = RunPath.of(runs.make_run(tmp_path / "pick-place" / "seed-0"))
    with track.tracking("wandb", {"seed": 0}, folder) as (tracked,):
        tracked.on_iteration(None, ROWS[0])
    assert told == [("wandb", "pick-place", "seed-0"), 64]
    assert tracker.told == [tmp_path / "pick-place" / "seed-0" / "report.html", "finished"]
    assert tracker.told[0].is_file()
    with pytest.raises(KeyboardInterrupt), track.tracking("wandb", {}, folder):
        raise KeyboardInterrupt
    assert tracker.told[2:] == ["finished"], "no page of a training that was stopped"
    with track.tracking(None, {}, folder) as nobody:
        assert nobody == []


def test_what_is_not_there_is_named(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "trackio", None)
    with pytest.raises(InputError, match=r"--track trackio needs trackio: pip install \"option-critic\[trackio\]\""):
        check_installed("trackio")
    with pytest.raises(InputError, match="--track trackio needs"):
        main.train(["CartPole-v1", "--track", "trackio"])
    with pytest.raises(RunError, match="trackio cannot begin a run"):
        begun("trackio", "a", "b", {})
