"""Every file and folder of a run as a link, a pipe or a device, through every verb: nothing outside is touched."""

import base64
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest

from option_critic.cli import main as cli

pytestmark = [pytest.mark.faults, pytest.mark.filterwarnings("ignore")]

VERBS = {
    "evaluate": ["evaluate", "run", "--episodes", "1"],
    "diagnose": ["diagnose", "run", "--episodes", "1", "--no-ablations"],
    "resume": ["resume", "run"],
    "list": ["list", "--runs", "."],
    "report": ["report", "run", "--videos"],
}
TINY = ["--num-envs", "2", "--rollout-length", "8", "--minibatch-size", "16", "--epochs", "1", "--hidden-dim", "4",
        "--total-timesteps", "64", "--checkpoint-every", "32", "--torch-threads", "1"]  # fmt: skip
SECRET = "the-key-of-somebody"
EMBEDDED = [base64.b64encode(b"x" * i + SECRET.encode())[4:-4] for i in range(3)]
"""As a page holds films, wherever it stands in them."""


@pytest.fixture(scope="module")
def stopped(tmp_path_factory):
    root = tmp_path_factory.mktemp("stranger")
    for words in (["train", "CartPole-v1", *TINY, "--out", "out"], ["evaluate", "out/seed-0", "--episodes", "1"],
                  ["diagnose", "out/seed-0", "--episodes", "1", "--no-ablations"],
                  ["report", "out/seed-0", "--videos"]):  # fmt: skip
        subprocess.run([sys.executable, "-m", "option_critic", *words], cwd=root, check=True, capture_output=True)
    run = root / "out/seed-0"
    shutil.rmtree(run / "checkpoints/000000000064")
    (run / "alarms.jsonl").write_text("")
    (run / "dump").mkdir()
    return run


def state(folder):
    """Hash of all that is there, names and contents."""
    found = sorted((str(p), p.read_bytes() if p.is_file() else b"") for p in folder.rglob("*"))
    return hashlib.sha256(repr(found).encode()).hexdigest()


def linked(path, outside):
    """A link to a file, or to a folder, of somebody else."""
    path.symlink_to(outside / ("folder" if path.suffix == "" and not path.name.startswith(".") else "file"))


KINDS = {
    "link": linked,
    "dangling": lambda path, outside: path.symlink_to(outside / "not there"),
    "pipe": lambda path, _: os.mkfifo(path),
    "zero": lambda path, _: path.symlink_to("/dev/zero"),
    "device": lambda path, _: os.mknod(path, 0o600 | 0o020000, os.makedev(1, 5)),  # an endless one
    "folder": lambda path, _: path.mkdir(),
}


def used(verb, monkeypatch, capfd):
    """(exit code, what was said) of a verb, which may not wait for anybody."""
    monkeypatch.setattr(sys, "argv", ["option-critic", *VERBS[verb]])
    signal.alarm(120)
    try:
        with pytest.raises(SystemExit) as end:
            cli.main()
    finally:
        signal.alarm(0)
    out, err = capfd.readouterr()
    return end.value.code, out + err


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("verb", VERBS)
def test_nothing_outside_is_touched_or_shown(verb, kind, stopped, tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    if kind == "device" and os.geteuid():
        pytest.skip("only root makes devices")
    outside = tmp_path / "home"
    (outside / "folder").mkdir(parents=True)
    (outside / "file").write_text(SECRET)
    for name in ("key.safetensors", ".000000000032.new-12", "model.safetensors", "config.json"):
        (outside / "folder" / name).write_text(SECRET)
    before, names = state(outside), [p.relative_to(stopped) for p in sorted(stopped.rglob("*"))]
    names += [Path(".lock"), Path(".figures.lock"), Path("saved"), Path("checkpoints/saved")]
    for name in dict.fromkeys(names):
        shutil.rmtree(tmp_path / "run", ignore_errors=True)
        run = Path(shutil.copytree(stopped, tmp_path / "run"))
        if (run / name).is_dir():
            shutil.rmtree(run / name)
        (run / name).unlink(missing_ok=True)
        KINDS[kind](run / name, outside)
        code, said = used(verb, monkeypatch, capfd)
        assert code in (0, 1, 2) and "Traceback" not in said and SECRET not in said, (name, said)
        assert state(outside) == before, name
        written = {p: p.read_bytes() for p in run.rglob("*") if p.is_file() and not p.is_symlink()}
        shown = [p for p, data in written.items() if any(text in data for text in (SECRET.encode(), *EMBEDDED))]
        assert not shown, (name, shown)
    print(f"\n{verb}, {kind}: {len(names)} files and folders")
