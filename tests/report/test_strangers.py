"""A run folder that a stranger wrote: a page of what is sound in it, a sentence for the rest, and nothing else."""

import base64
import json
import os
import shutil
import signal
import socket
from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
from strangers import (
    JSON_FILES,
    LOGS,
    TRACE,
    cases,
    drawing_once,
    odd_headers,
    page_of,
    small_run,
    trace_cases,
)

from option_critic.errors import InputError, RunError
from option_critic.evaluation.trace import Trace, TraceError
from option_critic.report import page as page_module
from option_critic.report.gather import gather
from option_critic.report.report import report
from option_critic.runs.locks import figures
from option_critic.runs.paths import RunPath
from runs import make_run, trace

EVERY = 101
"""Of the changes one in so many; all of them are among the faults."""
KEY = "000000192000-D-deterministic"
DRAWN = {}
SECRET = b"\0\0\0\0ftypisom what is nobody's business"


@pytest.fixture
def folder(tmp_path):
    return small_run(tmp_path / "runs" / "seed-0")


@pytest.fixture(autouse=True)
def drawing():
    with drawing_once(DRAWN):
        yield


@pytest.fixture(autouse=True)
def in_time():
    """Nothing waits for a pipe."""

    def late(*_):
        raise TimeoutError

    signal.signal(signal.SIGALRM, late)
    signal.alarm(60)
    yield
    signal.alarm(0)


def test_a_run_of_ours_has_no_problem(folder):
    (run,) = gather([folder])
    assert run.problems == () and run.evaluated[0].trace is not None and run.diagnosis is not None


def test_changed_values_are_shown_or_named(folder, capsys):
    """A sample of them; `tests/faults` has them all."""
    for name, file, content in cases(folder, EVERY):
        whole = (folder / file).read_text()
        (folder / file).write_text(content)
        try:
            page_of(folder)
        except Exception as error:
            raise AssertionError(name) from error
        (folder / file).write_text(whole)
    assert "Traceback" not in capsys.readouterr().err


def test_changed_traces_are_refused_by_name(folder):
    path = RunPath.of(folder) / "traces" / f"{KEY}.safetensors"
    refused = 0
    for name, arrays, meta in trace_cases(folder):
        (folder / TRACE).write_bytes(safetensors.numpy.save(arrays, meta))
        try:
            found, _ = Trace.load(path)
        except TraceError as error:
            assert "\n" not in str(error)
            refused += 1
        else:
            assert found.option.shape == found.mask.shape == found.beta.shape, name
            assert found.length.min() > 0 and found.length.max() <= found.option.shape[1], name
            assert found.option.min() >= 0 and found.option.max() < found.q.shape[-1], name
            assert all(np.isfinite(x).all() for x in (found.q, found.reward, *found.info.values())), name
    assert refused > 100
    small_run(folder.parent / "other")
    for _, content in odd_headers(folder.parent / "other"):
        (folder / TRACE).write_bytes(content)
        with pytest.raises(TraceError):
            Trace.load(path)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda a: a | {"option": a["option"] + 1}, "the number of an option is not between 0 and 2"),
        (lambda a: a | {"option": a["option"] - 1}, "the number of an option is not between 0 and 2"),
        (lambda a: a | {"length": a["length"] * 2}, "the length of an episode is not between 1 and 60"),
        (lambda a: a | {"length": a["length"] * 0}, "the length of an episode is not between 1 and 60"),
        (lambda a: a | {"q": a["q"] * np.nan}, "q holds a number that is not between"),
        (lambda a: a | {"beta": a["beta"] + 7}, "beta holds a number that is not between"),
        (lambda a: a | {"reward": a["reward"][:, :-1].copy()}, r"reward is F32 \[2, 59\], which does not fit"),
        (lambda a: a | {"ended": a["ended"].astype(np.int32)}, r"ended is I32 \[2, 60\], which does not fit"),
        (lambda a: {n: x for n, x in a.items() if n != "mu"}, r"another version \(it differs in mu\)"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_trace_is_said(folder, change, said):
    arrays = safetensors.numpy.load_file(folder / TRACE)
    (folder / TRACE).write_bytes(safetensors.numpy.save(change(arrays), {"meta": "{}"}))
    with pytest.raises(TraceError, match=said):
        Trace.load(folder / TRACE)
    (run,) = gather([folder])
    assert run.evaluated[0].trace is None and "no timelines of" in run.problems[0]


def test_a_trace_that_does_not_fit_its_results_is_left_out(folder):
    arrays = safetensors.numpy.load_file(folder / TRACE)
    (folder / TRACE).write_bytes(
        safetensors.numpy.save(arrays | {"length": arrays["length"] - 1}, {"meta": json.dumps({})})
    )
    (run,) = gather([folder])
    assert run.evaluated[0].trace is None and "does not fit its results" in run.problems[0]
    trace(2, num_options=4).save(folder / TRACE, {})
    (run,) = gather([folder])
    assert run.evaluated[0].trace is None and "does not fit its results" in run.problems[0]


@pytest.mark.parametrize("config", ["{}", "", "[]", '{"format_version": 1}', '{"format_version": 1, "settings": {}}',
                                    '{"format_version": 7, "settings": {}}', None])  # fmt: skip
def test_a_run_without_settings_has_a_page(folder, config):
    """Its options are named by its evaluation, and where nothing names them, numbered."""
    (folder / "config.json").write_text(config) if config is not None else (folder / "config.json").unlink()
    _, data = page_of(folder)
    assert data["runs"][0]["options"] == ["reach", "grasp", "move"]
    assert len(data["runs"][0]["evaluations"][0]["episodes"]) == 2
    record = json.loads((folder / "evaluation.json").read_text())
    del record["option_names"]
    (folder / "evaluation.json").write_text(json.dumps(record))
    html, data = page_of(folder)
    assert data["runs"][0]["options"] == ["option-0", "option-1", "option-2"]
    assert "config.json" in html


def test_settings_come_from_a_checkpoint_where_the_run_lost_them(folder):
    agent = Path(__file__).parents[1] / "fixtures" / "format-1"
    shutil.copytree(agent, folder / "checkpoints" / "000000000160")
    (folder / "config.json").write_text("{")
    (run,) = gather([folder])
    assert (
        run.config is not None and run.env_id == json.loads((agent / "config.json").read_text())["settings"]["env_id"]
    )
    assert any("Using the copy in the last checkpoint" in p for p in run.problems)


def test_an_agent_that_never_saw_the_rooms_has_no_maps(folder):
    shutil.copytree(Path(__file__).parents[1] / "fixtures" / "format-1", folder / "checkpoints" / "000000000160")
    config = json.loads((folder / "config.json").read_text())
    config["settings"]["env_id"] = "FourRooms-v0"
    (folder / "config.json").write_text(json.dumps(config))
    html, data = page_of(folder)
    assert data["rooms"] is None and "no maps of the rooms: this agent sees" in html


@pytest.mark.parametrize("key", ["../../../out/x", "a/b", "..", "x", "0" * 12 + "-D-deterministic", "\x00", KEY + "\n"])
def test_a_key_never_leads_out_of_the_run(folder, tmp_path, key):
    path = folder / "evaluation.json"
    record = json.loads(path.read_text())
    record["results"] = {key: record["results"][KEY] | {"trace": "/etc/passwd"}, KEY: record["results"][KEY]}
    path.write_text(json.dumps(record))
    before = {p for p in tmp_path.rglob("*")}
    page_of(folder)
    new = {p.relative_to(folder).as_posix() for p in {*tmp_path.rglob("*")} - before if folder in p.parents}
    assert all(p == ".figures.lock" or p.startswith("pictures") for p in new)
    assert {p.name.split("-episode")[0].rpartition("-")[0] for p in (folder / "pictures").iterdir()} == {KEY}
    (run,) = gather([folder])
    assert len(run.evaluated) == 1 and "some of its results cannot be read" in run.problems[0]


def outside(tmp_path):
    """A folder beside the runs with what is nobody's business."""
    place = tmp_path / "outside"
    place.mkdir()
    (place / "secret").write_bytes(SECRET)
    return place


def put(kind, place, target):
    """Something odd in the place of a file or folder."""
    if place.is_dir() and not place.is_symlink():
        shutil.rmtree(place)
    place.unlink(missing_ok=True)
    place.parent.mkdir(exist_ok=True)
    if kind == "link to a file":
        place.symlink_to(target / "secret")
    elif kind == "link to a folder":
        place.symlink_to(target)
    elif kind == "link to a device":
        place.symlink_to("/dev/zero")
    elif kind == "pipe":
        os.mkfifo(place)
    elif kind == "socket":
        here = Path.cwd()
        os.chdir(place.parent)  # a socket's path is short
        socket.socket(socket.AF_UNIX).bind(place.name)
        os.chdir(here)
    elif kind == "folder":
        place.mkdir()


ODD = ("link to a file", "link to a folder", "link to a device", "pipe", "socket", "folder")
PLACES = (*JSON_FILES, *LOGS, "traces", TRACE, "pictures", f"pictures/{KEY}-0.png", "videos", f"videos/{KEY}-0.mp4",
          "checkpoints", "report.html", ".figures.lock")  # fmt: skip


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes")
@pytest.mark.parametrize("kind", ODD)
def test_links_pipes_and_devices_are_neither_followed_nor_awaited(folder, tmp_path, kind):
    other = outside(tmp_path)
    before = {p: p.read_bytes() for p in other.iterdir()}
    for name in PLACES:
        shutil.copytree(folder, (run := folder.with_name("copy")), symlinks=True)
        put(kind, run / name, other)
        try:
            report([run], None, videos=False)
        except (InputError, RunError) as error:
            assert "\n" not in str(error), name
            assert name in ("report.html", ".figures.lock"), name
        else:
            html = (run / "report.html").read_text()
            assert "business" not in html and base64.b64encode(SECRET).decode() not in html, name
        assert {p: p.read_bytes() for p in other.iterdir()} == before, name
        shutil.rmtree(run)


def film_of(folder, content):
    (folder / "videos").mkdir(exist_ok=True)
    (folder / "videos" / f"{KEY}-0.mp4").write_bytes(content)


def test_a_video_is_a_video_of_a_size(folder):
    film_of(folder, b"\0\0\0\x18ftypisom" + bytes(100))
    assert page_of(folder)[1]["runs"][0]["evaluations"][0]["videos"]["0"]["src"].startswith("data:video/mp4")
    film_of(folder, b"-----BEGIN PRIVATE KEY-----")
    html, data = page_of(folder)
    assert data["runs"][0]["evaluations"][0]["videos"] == {}
    assert f"{KEY}-0.mp4 is no video" in html
    film_of(folder, b"\0\0\0\x18ftypisom" + bytes(page_module.ROOM_FOR_VIDEOS))
    assert page_of(folder)[1]["runs"][0]["evaluations"][0]["videos"] == {}
    with (folder / "videos" / f"{KEY}-0.mp4").open("wb") as file:
        file.truncate(1 << 36)
    assert "is larger than" in page_of(folder)[0]


def test_it_waits_for_who_writes_figures(folder, monkeypatch):
    monkeypatch.setattr("option_critic.runs.locks.PATIENCE", 0.1)
    with figures(RunPath.of(folder)), pytest.raises(InputError, match="being written by another process"):
        report([folder], None, videos=False)
    report([folder], None, videos=False)


def test_where_nothing_can_be_read_there_is_no_page(tmp_path):
    folder = tmp_path / "seed-0"
    folder.mkdir()
    for name in (*JSON_FILES, *LOGS):
        (folder / name).write_text("[" * 5000)
    with pytest.raises(InputError, match="holds nothing that can be shown"):
        report([folder], None, videos=False)
    assert not (folder / "report.html").exists()


def test_a_long_log_is_thinned_out(folder):
    rows = [{"time/total_timesteps": float(i), "rollout/ep_rew_mean": float(i), "x": "y" * 100} for i in range(30_000)]
    (folder / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (run,) = gather([folder])
    steps = [row["time/total_timesteps"] for row in run.metrics]
    assert 1_000 < len(steps) <= 5_001 and steps[0] == 0 and steps[-1] == 29_999
    assert len(set(np.diff(steps[:-1]))) == 1 and "x" not in run.metrics[0]
    (folder / "metrics.jsonl").write_text("\n" * 20_000)
    (run,) = gather([folder])
    assert any("is longer than any of a run" in p for p in run.problems)


def test_many_of_everything_are_shown_in_part(tmp_path, monkeypatch):
    monkeypatch.setattr("option_critic.report.gather.MAX_RUNS", 2)
    monkeypatch.setattr("option_critic.report.gather.MAX_EVALUATIONS", 3)
    for seed in range(3):
        make_run(tmp_path / f"seed-{seed}", seed)
    path = tmp_path / "seed-0" / "evaluation.json"
    record = json.loads(path.read_text())
    (result,) = record["results"].values()
    for i in range(9):
        record["results"][f"000000192000-seed-{i}-stochastic"] = result | {"goals": f"seed-{i}", "mode": "stochastic"}
    path.write_text(json.dumps(record))
    runs = gather([tmp_path])
    assert len(runs) == 2 and len(runs[0].evaluated) == 3 and runs[0].evaluated[0].key == KEY
    assert {"only 3 of 10 evaluations are shown", "only the first 2 of 3 runs are shown"} <= set(runs[0].problems)


def test_many_options_are_told_apart(tmp_path):
    """A byte holds 256 of them."""
    folder = make_run(tmp_path / "seed-0", option_names=tuple(f"o{k}" for k in range(300)))
    made = trace(3, 300)
    made.option[:, 40:] = 299
    made.save(folder / TRACE, {})
    _, data = page_of(folder)
    packed = data["runs"][0]["evaluations"][0]
    assert np.frombuffer(base64.b64decode(packed["option"]), "<u2").max() == 299
