"""The folder of a stranger: whatever verb is used on it, nothing outside is touched and no code of it runs."""

import json
import os
import shutil
import subprocess
import sys
import threading
import warnings
from pathlib import Path

import pytest

from option_critic.cli import main as cli

pytestmark = pytest.mark.filterwarnings("always")  # what is damaged is told; the suite makes that an error

TINY = ["--num-envs", "2", "--rollout-length", "8", "--minibatch-size", "16", "--epochs", "1", "--hidden-dim", "8",
        "--total-timesteps", "64", "--checkpoint-every", "32", "--torch-threads", "1"]  # fmt: skip
VERBS = {
    "evaluate": ["evaluate", "run", "--episodes", "1"],
    "diagnose": ["diagnose", "run", "--episodes", "1", "--no-ablations"],
    "resume": ["resume", "run"],
    "list": ["list", "--runs", "."],
    "report": ["report", "run"],
}


@pytest.fixture(scope="module")
def stopped(tmp_path_factory, here):
    """A run that was stopped at its first boundary, evaluated and diagnosed."""
    root = tmp_path_factory.mktemp("stranger")
    for words in (["train", "CartPole-v1", *TINY, "--out", "out"], ["evaluate", "out/seed-0", "--episodes", "1"],
                  ["diagnose", "out/seed-0", "--episodes", "1", "--no-ablations"]):  # fmt: skip
        assert here(*words, cwd=root)[0] == 0
    shutil.rmtree(root / "out/seed-0/checkpoints/000000000064")
    return root / "out/seed-0"


@pytest.fixture
def run(stopped, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return Path(shutil.copytree(stopped, tmp_path / "run"))


@pytest.fixture
def outside(tmp_path):
    """What is the user's own, and must stay as it is."""
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "profile").write_text("secret")
    (tmp_path / "home" / ".000000000099.new-77").mkdir()  # what `resume` tidies away in a run
    yield tmp_path / "home"
    assert sorted(p.name for p in (tmp_path / "home").iterdir()) == [".000000000099.new-77", "profile"]
    assert (tmp_path / "home" / "profile").read_text() == "secret"


@pytest.fixture
def command(monkeypatch, capfd):
    """Run a verb -> (exit code, all that it printed)."""
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)

    def call(verb):
        monkeypatch.setattr(sys, "argv", ["option-critic", *VERBS[verb]])
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capfd.readouterr()
        assert "Traceback" not in err and "secret" not in out + err
        return end.value.code, out + err

    return call


FORESEEN = ("evaluation.json", "diagnosis.json", "metrics.jsonl", "timing.jsonl", "config.json", "versions.json")


@pytest.mark.parametrize("verb", ["evaluate", "diagnose", "resume"])
def test_names_of_temporary_files_are_not_foreseen(verb, run, outside, command):
    for name in FORESEEN:
        (run / f".{name}.new").symlink_to(outside / "profile")
    assert command(verb)[0] == 0


@pytest.mark.parametrize("name", ["evaluation.json", "diagnosis.json", "metrics.jsonl", "config.json", ".lock",
                                  ".figures.lock", "versions.json", "alarms.jsonl"])  # fmt: skip
@pytest.mark.parametrize("verb", VERBS)
def test_files_that_are_links_are_neither_read_nor_written(name, verb, run, outside, command):
    (run / name).unlink(missing_ok=True)
    (run / name).symlink_to(outside / "profile")
    assert command(verb)[0] in (0, 1, 2)


@pytest.mark.parametrize("name", ["traces", "checkpoints", "tensorboard", "pictures", "videos", "dump"])
@pytest.mark.parametrize("verb", VERBS)
def test_folders_that_are_links_are_not_entered(name, verb, run, outside, command):
    if (run / name).exists():
        (run / name).rename(run / "aside")
    (run / name).symlink_to(outside)
    assert command(verb)[0] in (0, 1, 2)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes here")
@pytest.mark.parametrize("name", ["evaluation.json", "metrics.jsonl", "config.json", ".lock", ".figures.lock"])
@pytest.mark.parametrize("verb", VERBS)
def test_pipes_are_not_waited_for(name, verb, run, command):
    (run / name).unlink(missing_ok=True)
    os.mkfifo(run / name)
    assert command(verb)[0] in (0, 1, 2)


@pytest.mark.parametrize("words", [["list"], ["evaluate", ".", "--episodes", "1"], ["resume", "."]])
def test_no_module_of_the_folder_is_imported(words, run):
    """`python -m` looks for every module in the working directory first."""
    for name in ("numpy", "gymnasium", "torch", "typing", "tyro", "tensorboard", "msgspec"):
        (run / f"{name}.py").write_text("open('ran', 'w')")
    subprocess.run([sys.executable, "-m", "option_critic", *words], cwd=run, check=True, capture_output=True)
    assert not (run / "ran").exists()


def test_workers_import_no_module_of_the_folder_that_they_are_started_in(tmp_path):
    (tmp_path / "multiprocessing.py").write_text("open('ran', 'w')")
    code = (
        "from functools import partial\nfrom option_critic.envs.gymnasium import make_gymnasium\n"
        "from option_critic.envs.workers import WorkerEnvs\n"
        "WorkerEnvs([partial(make_gymnasium, 'CartPole-v1', [0])]).close()"
    )
    subprocess.run([sys.executable, "-P", "-c", code], cwd=tmp_path, check=True)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("verb", ["evaluate", "diagnose", "resume", "report"])
def test_a_module_that_only_the_folder_names_is_not_imported(verb, run, command):
    (run.parent / "named.py").write_text("open('ran', 'w')")
    for config in [run / "config.json", *run.glob("checkpoints/*/config.json")]:
        data = json.loads(config.read_text())
        data["settings"]["env_id"] = "named:Env-v0"
        config.write_text(json.dumps(data))
    command(verb)
    assert not (run.parent / "ran").exists()


def test_list_looks_into_no_link_and_not_without_end(run, outside, command, tmp_path):
    (tmp_path / "again").symlink_to(tmp_path)
    deep = tmp_path
    for _ in range(40):
        deep = deep / "d"
    deep.mkdir(parents=True)
    code, said = command("list")
    assert code == 0 and said.count("32 steps") == 1
