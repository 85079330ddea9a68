"""What goes out: nothing that a stranger wrote is obeyed by a terminal, and output that fails ends nothing."""

import ast
import json
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import option_critic
from option_critic.legible import visible
from option_critic.terminal import Terminal

TRAIN = ["train", "CartPole-v1", "--num-envs", "2", "--rollout-length", "8", "--minibatch-size", "16",
         "--epochs", "1", "--hidden-dim", "8", "--total-timesteps", "64", "--checkpoint-every", "32",
         "--torch-threads", "1"]  # fmt: skip
LONG = [*TRAIN, "--total-timesteps", "400000", "--checkpoint-every", "400000"]
PYTHON = [sys.executable, "-m", "option_critic"]


def shell(line, cwd, **env):
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {line}"], cwd=cwd, capture_output=True, text=True,
                          errors="replace", env={**os.environ, **env}, timeout=120)  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def is_whole(run):
    lines = (run / "metrics.jsonl").read_text().splitlines()
    return len(lines) == 4 and (run / "checkpoints" / "000000000064").is_dir()


OC = " ".join(PYTHON)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (f"{OC} {' '.join(TRAIN)} --seeds 0,1 | true", 0),
        (f"{OC} {' '.join(TRAIN)} --seeds 0,1 > /dev/full 2>&1", 0),
        (f"{OC} {' '.join(TRAIN)} --seeds 0,1 >&- 2>&-", 0),
        (f"PYTHONIOENCODING=ascii {OC} {' '.join(TRAIN)} --option-names é 漢 --seeds 0,1", 0),
        (f"LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 {OC} {' '.join(TRAIN)} --seeds 0,1", 0),
    ],
)
def test_output_that_fails_ends_no_training(line, code, tmp_path):
    got, _, err = shell(line, tmp_path)
    assert got == code and "Traceback" not in err and "Exception ignored" not in err, err
    assert is_whole(tmp_path / "runs/cartpole/seed-0") and is_whole(tmp_path / "runs/cartpole/seed-1")


def test_figures_that_were_asked_for_and_cannot_be_written_are_a_failure(tmp_path):
    shell(f"{OC} {' '.join(TRAIN)} --out out", tmp_path)
    code, _, err = shell(f"{OC} evaluate out/seed-0 --episodes 1 --json - > /dev/full", tmp_path)
    assert code == 1 and err == "option-critic: standard output cannot be written (No space left on device)\n"
    code, _, err = shell(f"{OC} evaluate out/seed-0 --episodes 1 > /dev/full", tmp_path)
    assert (code, err) == (0, "") and (tmp_path / "out/seed-0/evaluation.json").exists()


@pytest.mark.parametrize("verb", ["--help", "train --help", "list"])
def test_help_ends_well_where_nobody_reads_it(verb, tmp_path):
    code, _, err = shell(f"{OC} {verb} | true; exit ${{PIPESTATUS[0]}}", tmp_path)
    assert (code, err) == (0, "")


def until(condition, process):
    end = time.monotonic() + 60
    while not condition():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.05)


@pytest.mark.parametrize("how", ["closed", "hung up", "nohup"])
def test_a_terminal_that_closes(how, tmp_path):
    """Disowned, a training goes on; a terminal that takes it along has it save; under nohup it minds nothing."""
    ours, theirs = pty.openpty()
    steps = ["--total-timesteps", "4096", "--checkpoint-every", "4096"] if how != "hung up" else []
    words = [*PYTHON, *(LONG if how == "hung up" else TRAIN), *steps, "--out", "out"]
    process = subprocess.Popen((["nohup"] if how == "nohup" else []) + words, cwd=tmp_path, stdin=theirs, stdout=theirs,
                               stderr=theirs, start_new_session=True)  # fmt: skip
    os.close(theirs)
    run = tmp_path / "out/seed-0"
    until(lambda: (run / "metrics.jsonl").exists() and (run / "metrics.jsonl").stat().st_size > 0, process)
    if how != "closed":
        process.send_signal(signal.SIGHUP)
    os.close(ours)
    code = process.wait(timeout=60)
    if how == "hung up":
        assert code == 129 and (run / "checkpoints/interrupted").is_dir()
    else:
        assert code == 0 and (run / "checkpoints/000000004096").is_dir()


HOSTILE = "[/x]\x1b]0;owned\x07\x1b[2J\u202egpj\ud800\r\x9b1m[red]"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    root = tmp_path_factory.mktemp("hostile")
    subprocess.run([*PYTHON, *TRAIN, "--option-names", "[/x]", "[red]b", "--out", "out[/y]"], cwd=root, check=True,
                   capture_output=True)  # fmt: skip
    return root


@pytest.mark.parametrize("words", ["evaluate out[/y]/seed-0 --episodes 1", "list --runs .", "resume out[/y]/seed-0",
                                   "diagnose out[/y]/seed-0 --episodes 1 --no-ablations"])  # fmt: skip
def test_names_are_no_markup(words, trained):
    done = subprocess.run([*PYTHON, *words.split()], cwd=trained, capture_output=True, text=True)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert "out[/y]" in done.stdout and ("[/x]" in done.stdout) == (words[0] in "ed")


@pytest.mark.parametrize("verb", ["evaluate", "diagnose", "resume", "list", "report"])
def test_a_stranger_does_not_reach_the_terminal(verb, trained, tmp_path):
    """Option names, an environment, a folder and the text of errors, with all that a terminal obeys."""
    folder = os.fsencode(tmp_path) + b"/\xff\x1b[2J"
    subprocess.run(["cp", "-r", str(trained / "out[/y]/seed-0"), folder], check=True)
    config = os.fsdecode(folder) + "/config.json"
    data = json.loads(Path(config).read_text())
    data["settings"]["env_id"] = HOSTILE
    data["settings"]["options"]["option_names"] = [HOSTILE, "b"]
    data["format_version"] = 1
    Path(config).write_text(json.dumps(data))
    words = {"list": ["list", "--runs", "."]}.get(verb, [verb, folder])
    done = subprocess.run([*PYTHON, *words], cwd=tmp_path, capture_output=True, timeout=60)
    said = done.stdout + done.stderr
    assert b"Traceback" not in said and done.returncode in (0, 1, 2), said
    assert not set(said.decode()) & set("\x1b\x07\r\x9b\u202e"), said


def test_what_is_not_shown_has_its_written_form():
    assert visible("a\x1b[1m\u202e\ud800\tb\nc") == "a\\x1b[1m\\u202e\\ud800\tb\nc"
    assert visible("é漢🙂") == "é漢🙂"


def test_rich_is_behind_the_gate(capsys):
    from rich.table import Table
    from rich.text import Text

    table = Table(title="[/t]\x1b[31m")
    table.add_column("[/c]\x9b")
    table.add_row("[/r]\u202e")
    terminal = Terminal()
    for what in (table, Text("[/x]\x1b"), "[/x]\x1b[0m"):
        terminal.print(what)
    out = capsys.readouterr().out
    assert not set(out) & set("\x1b\x9b\u202e") and "[/t]\\x1b[31m" in out and "[/r]\\u202e" in out


def test_all_that_is_printed_goes_through_the_gate():
    """No bare print, no console of rich's own, no stream of the system's outside of it."""
    root = Path(option_critic.__file__).parent
    found = []
    for path in root.rglob("*.py"):
        if path.name == "terminal.py":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id
            stream = isinstance(node, ast.Attribute) and node.attr in ("stdout", "stderr", "__stdout__", "__stderr__")
            if called in ("print", "Console", "Progress") or (stream and getattr(node.value, "id", "") == "sys"):
                found.append((path.relative_to(root).as_posix(), node.lineno))
    assert [name for name, _ in found] == ["training/progress.py"], found  # its bar has a Terminal of ours
