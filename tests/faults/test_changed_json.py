"""Every JSON of a run folder, changed at every value, through every verb: one sentence, and never a traceback.

`report` has a walk of its own: test_strangers.py.
"""

import copy
import json
import shutil
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest

from option_critic.cli import main as cli
from option_critic.runs import manifest
from option_critic.runs.files import fingerprint
from option_critic.runs.paths import RunPath

pytestmark = [pytest.mark.faults, pytest.mark.filterwarnings("ignore")]

TINY = ["--num-envs", "2", "--rollout-length", "8", "--minibatch-size", "16", "--epochs", "1", "--hidden-dim", "4",
        "--option-layers", "1", "--total-timesteps", "64", "--checkpoint-every", "32", "--torch-threads", "1",
        "--option-names", "left", "right"]  # fmt: skip
VERBS = {
    "evaluate": ["evaluate", "run", "--episodes", "1", "--max-episode-steps", "20"],
    "diagnose": ["diagnose", "run", "--episodes", "1", "--max-episode-steps", "20", "--no-ablations"],
    "resume": ["resume", "run"],
    "list": ["list", "--runs", "."],
}
LAST = "checkpoints/000000000032"
READ_BY = {
    "config.json": ("evaluate", "diagnose", "resume", "list"),
    "evaluation.json": ("evaluate",),
    "diagnosis.json": ("diagnose",),
    "metrics.jsonl": ("resume",),
    "timing.jsonl": ("resume",),
    "alarms.jsonl": ("resume",),
    f"{LAST}/config.json": ("evaluate", "resume"),
    f"{LAST}/state.json": ("evaluate", "resume", "list"),
    f"{LAST}/manifest.json": ("evaluate", "resume", "list"),
}
NESTED = json.loads("[" * 900 + "]" * 900)
CHANGES = {
    "missing": None,
    "null": None,
    "text": "x\u202e\x1b[31m<script>",
    "list": [],
    "object": {"a": 1},
    "long": "y" * 100_000,
    "negative": -1,
    "extreme": 1e308,
    "endless": 10**400,
    "true": True,
    "nested": NESTED,
}


def places(data, way=()):
    """The way to each value in some JSON; of a list its first and its last, they are alike."""
    if isinstance(data, dict):
        for key in data:
            yield from places(data[key], (*way, key))
    elif isinstance(data, list):
        for i in {0, len(data) - 1} if data else ():
            yield from places(data[i], (*way, i))
    if way:
        yield way


def changed(data, way, change):
    data = copy.deepcopy(data)
    at = data
    for step in way[:-1]:
        at = at[step]
    if change == "missing":
        del at[way[-1]]
    else:
        at[way[-1]] = CHANGES[change]
    return data


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    root = tmp_path_factory.mktemp("stranger")
    python = [sys.executable, "-m", "option_critic"]
    for words in (["train", "CartPole-v1", *TINY, "--out", "out"], ["evaluate", "out/seed-0", "--episodes", "1"],
                  ["diagnose", "out/seed-0", "--episodes", "1", "--no-ablations"]):  # fmt: skip
        subprocess.run([*python, *words], cwd=root, check=True, capture_output=True)
    run = root / "out/seed-0"
    shutil.rmtree(run / "checkpoints/000000000064")
    shutil.rmtree(run / "tensorboard")
    (run / "alarms.jsonl").write_text('{"time/total_timesteps": 16, "alarm": "idle", "says": "look"}\n')
    return run


@pytest.mark.parametrize("name", READ_BY)
def test_every_value_of(name, stopped, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    monkeypatch.setenv("COLUMNS", "200")
    text = (stopped / name).read_text()
    lines = text.splitlines() if name.endswith("l") else [text]
    data, cases, refused = json.loads(lines[-1]), 0, 0
    for way in places(data):
        for change in CHANGES:
            new = json.dumps(changed(data, way, change), ensure_ascii=False)
            for verb in READ_BY[name][cases % len(READ_BY[name]) :][:1]:  # in turn
                shutil.rmtree(tmp_path / "run", ignore_errors=True)
                run = Path(shutil.copytree(stopped, tmp_path / "run"))
                (run / name).write_text("\n".join([*lines[:-1], new]) + "\n" * (len(lines) > 1))
                if name.startswith("checkpoints") and not name.endswith("manifest.json"):
                    sums = {n: fingerprint(RunPath.of(run / LAST) / n) for n in manifest.FILES}
                    (run / LAST / "manifest.json").write_text(json.dumps({"format_version": 1, "files": sums}))
                refused += used(verb, f"{name} {way} {change} {verb}", monkeypatch, capsys)
                cases += 1
    print(f"\n{name}: {cases} cases, {refused} of them refused, 0 tracebacks")
    assert cases > 10


def used(verb, case, monkeypatch, capsys):
    """Whether the verb refused; nothing but a refusal in few sentences, or success, is right."""
    monkeypatch.setattr(sys, "argv", ["option-critic", *VERBS[verb]])
    try:
        cli.main()
    except SystemExit as end:
        code = end.code
    except BaseException as error:
        raise AssertionError(case) from error
    out, err = capsys.readouterr()
    assert code in (0, 1, 2) and "Traceback" not in err, (case, err)
    assert "\x1b" not in out + err and "\u202e" not in out + err, (case, out + err)
    assert code == 0 or (err and len(err) < 20_000), (case, err)
    return code != 0
