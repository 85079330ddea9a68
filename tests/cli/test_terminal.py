"""What goes out: nothing that a stranger wrote is obeyed by a terminal, and output that fails ends nothing.

The streams of a process, its terminal and its signals are the system's: most of it runs in processes of its own.
"""

import ast
import fcntl
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
import termios
import threading
import time
import unicodedata
import warnings
from pathlib import Path

import pytest
from rich.table import Table
from rich.text import Text

import option_critic
from option_critic.cli import main as cli
from option_critic.options.timeline import legend
from option_critic.runs import manifest
from option_critic.runs.files import fingerprint
from option_critic.runs.paths import RunPath

PYTHON = f"{sys.executable} -m option_critic"
SMALL = ("--num-envs 2 --rollout-length 8 --minibatch-size 16 --epochs 1 --hidden-dim 8 --torch-threads 1 "
         "--total-timesteps 64 --checkpoint-every 32")  # fmt: skip
ITERATIONS = 4
IN_TURN = """
import sys
from option_critic.cli.main import main

for verb in {verbs!r}:
    sys.argv[1:] = verb.split()
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
"""
"""Several verbs in one process, until one fails."""
TALKS = """
import sys
import gymnasium as gym
from gymnasium.envs.classic_control import CartPoleEnv

class Talks(CartPoleEnv):
    def step(self, action):
        print("on my way \u00e9", flush=True)
        print("and on", file=sys.stderr)
        sys.stdout.buffer.write(b"bytes, too")
        return super().step(action)

gym.register("Talks-v0", Talks, max_episode_steps=200)
"""


@pytest.fixture
def shell(tmp_path):
    """Run a line of bash in an empty folder -> (exit code of its first command, standard output, standard error)."""
    (tmp_path / "talks.py").write_text(TALKS)

    def run(line, **env):
        done = subprocess.run(["bash", "-c", f"{line}; exit ${{PIPESTATUS[0]}}"], cwd=tmp_path, capture_output=True,
                              env={**os.environ, "PYTHONUNBUFFERED": "", **env}, timeout=180)  # fmt: skip
        return done.returncode, done.stdout, done.stderr

    return run


def is_whole(run, iterations=ITERATIONS):
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    steps = [row["time/total_timesteps"] for row in rows]
    return steps == [16 * (i + 1) for i in range(iterations)] and any(run.glob(f"checkpoints/*{int(steps[-1])}"))


TALK = f"{PYTHON} train talks:Talks-v0 {SMALL} --seeds 0,1 --out out"


@pytest.mark.parametrize(
    "line",
    [
        f"{TALK} | head -1",
        f"{TALK} > /dev/full 2> /dev/full",
        f"{TALK} >&- 2>&- <&-",
    ],
    ids=["pipe", "full disk", "closed"],
)
def test_output_that_fails_ends_no_training(line, shell, tmp_path):
    """Ours, that of the user's environment, and the last of Python's own."""
    code, _, err = shell(line)
    assert code == 0 and b"Error" not in err and b"Exception" not in err, err
    assert all(is_whole(tmp_path / "out" / f"seed-{seed}") for seed in (0, 1))


def test_no_file_is_given_the_number_of_a_closed_stream(shell, tmp_path):
    code = "import os, sys; sys.argv[1:] = ['list']\nfrom option_critic.cli.main import main\ntry:\n    main()\n"
    code += "except SystemExit:\n    open('number', 'w').write(str(open('new', 'w').fileno()))\n"
    (tmp_path / "script.py").write_text(code)
    assert shell(f"{sys.executable} script.py <&- >&- 2>&-")[0] == 0
    assert int((tmp_path / "number").read_text()) > 2


def test_a_reader_that_is_slow_and_a_pipe_that_does_not_wait_lose_nothing(shell):
    """Some shells and editors hand over pipes that do not wait: writing to a full one is an error of its own."""
    script = "import os, sys; os.set_blocking(1, False); sys.argv[1:] = ['list', '--json', '-']\n"
    script += "from option_critic.cli.main import main\nfrom option_critic import terminal\n"
    script += "terminal.open_terminal(); print('x' * 300_000)\nmain()"
    code, out, err = shell(f'{sys.executable} -c "{script}" | (sleep 2; cat)')
    assert code == 0 and not err, err
    assert json.loads(out[300_000:])["algorithms"] == ["dac", "ppo_oc", "sac_oc"]


def test_what_a_terminal_cannot_show_is_replaced(shell, tmp_path):
    locale = "PYTHONIOENCODING=ascii"
    code, out, err = shell(f"{locale} {TALK} --option-names \u03b1 \u6f22")
    assert code == 0 and b"Error" not in err, err
    assert is_whole(tmp_path / "out/seed-1") and rb"\u6f22" in out
    code, out, err = shell(f"{locale} {PYTHON} diagnose out/seed-0 --env talks:Talks-v0 --episodes 1 --no-ablations")
    assert code == 0 and b"Error" not in err and rb"\u6f22" in out, err


def test_a_locale_without_an_alphabet(shell, tmp_path):
    code, _, err = shell(f"LC_ALL=C PYTHONUTF8=0 PYTHONCOERCECLOCALE=0 {TALK}")
    assert code == 0 and b"Error" not in err, err
    assert is_whole(tmp_path / "out/seed-1")


@pytest.fixture(scope="module")
def trained(tmp_path_factory, here):
    """A small run with an evaluation and a diagnosis."""
    root = tmp_path_factory.mktemp("trained")
    for words in (f"train CartPole-v1 {SMALL} --out out", "evaluate out/seed-0 --episodes 2",
                  "diagnose out/seed-0 --episodes 2 --no-ablations"):  # fmt: skip
        assert here(*words.split(), cwd=root)[0] == 0
    return root / "out/seed-0"


def test_figures_are_kept_where_the_table_is_lost(trained, shell, tmp_path):
    shutil.copytree(trained, tmp_path / "run")
    verbs = {"evaluate run --episodes 1": "evaluation.json", "report run": "report.html",
             "diagnose run --episodes 1 --no-ablations": "diagnosis.json"}  # fmt: skip
    for kept in verbs.values():
        (tmp_path / "run" / kept).unlink(missing_ok=True)
    (tmp_path / "verbs.py").write_text(IN_TURN.format(verbs=list(verbs)))
    assert shell(f"{sys.executable} verbs.py > /dev/full 2>&1")[0] == 0
    assert all((tmp_path / "run" / kept).stat().st_size > 0 for kept in verbs.values())


@pytest.mark.parametrize(
    ("out", "why"),
    [("> /dev/full", "No space left on device"), (">&-", "not open for writing"), ("1< /dev/null", "Bad file")],
)
def test_figures_that_were_asked_for_and_cannot_be_written_are_a_failure(out, why, shell):
    code, _, err = shell(f"{PYTHON} list --json - {out}")
    said = err.decode().splitlines()
    assert code == 1 and len(said) == 1 and "cannot be written to standard output" in said[0] and why in said[0], err


@pytest.mark.parametrize("verb", ["--help", "train --help", "trian", "train cartpole --gama 1"])
@pytest.mark.parametrize("out", ["2>&1 | true", "> /dev/full", ">&-"])
def test_help_and_errors_end_well_where_they_cannot_be_read(verb, out, shell):
    code, _, err = shell(f"PYTHONIOENCODING=ascii {PYTHON} {verb} {out}")
    assert code == (0 if "help" in verb else 2)
    assert b"Traceback" not in err and b"Exception" not in err and (b"help" not in verb.encode() or not err), err


def wait_for(condition, process):
    end = time.monotonic() + 90
    while not condition():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.02)


@pytest.fixture
def in_terminal(tmp_path):
    """Start a training in a terminal that it may own; once it has learned something -> process, run, our end of it."""
    started = []

    def start(steps, owned):
        ours, theirs = pty.openpty()

        def before():
            signal.signal(signal.SIGHUP, signal.SIG_DFL)
            if owned:
                fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        words = f"{PYTHON} train CartPole-v1 {SMALL} --total-timesteps {steps} --checkpoint-every {steps} --out out"
        process = subprocess.Popen(words.split(), cwd=tmp_path, stdin=theirs, stdout=theirs, stderr=theirs,
                                   start_new_session=True, preexec_fn=before,
                                   env={**os.environ, "TERM": "xterm"})  # fmt: skip
        started.append(process)
        os.close(theirs)
        threading.Thread(target=drain, args=(os.dup(ours), process), daemon=True).start()
        run = tmp_path / "out/seed-0"
        wait_for(lambda: (run / "metrics.jsonl").exists() and (run / "metrics.jsonl").stat().st_size, process)
        return process, run, ours

    yield start
    for process in started:
        process.kill()
        process.wait()


DRAINED = threading.Event()


def drain(end, process):
    """Read what a terminal is sent until it is time to close it."""
    os.set_blocking(end, False)
    while not DRAINED.wait(0.05):
        try:
            os.read(end, 1 << 16)
        except BlockingIOError:
            pass
        except OSError:
            break
    os.close(end)


def close(end):
    DRAINED.set()
    time.sleep(0.2)
    os.close(end)
    DRAINED.clear()


def test_a_training_that_was_disowned_outlives_its_terminal(in_terminal):
    process, run, end = in_terminal(4096, owned=False)
    close(end)
    assert process.wait(timeout=120) == 0
    assert is_whole(run, 256)


def test_a_terminal_that_closes_has_the_training_saved(in_terminal):
    """The system sends a signal, the shell another one: the second does not end the saving."""
    process, run, end = in_terminal(100_000_000, owned=True)
    close(end)
    for _ in range(100):
        if process.poll() is None:
            process.send_signal(signal.SIGHUP)
            time.sleep(0.01)
    assert process.wait(timeout=60) == 129
    assert RunPath.of(run / "checkpoints/interrupted").is_folder()
    manifest.verify(RunPath.of(run / "checkpoints/interrupted"))


def test_under_nohup_nothing_happens(tmp_path):
    words = f"{PYTHON} train CartPole-v1 {SMALL} --total-timesteps 2048 --checkpoint-every 2048 --out out"
    process = subprocess.Popen(words.split(), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))  # fmt: skip
    metrics = tmp_path / "out/seed-0/metrics.jsonl"
    wait_for(metrics.exists, process)
    process.send_signal(signal.SIGHUP)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 0 and is_whole(metrics.parent, 128), err


HOSTILE = {
    "markup": "[/x]",
    "a colour of rich": "[red]b",
    "a picture of rich": ":boom:",
    "a title": "a\x1b]0;owned\x07",
    "a clipboard": "\x1b]52;c;cm0gLXJm\x07",
    "a link": "\x1b]8;;http://e.example\x1b\\here\x1b]8;;\x1b\\",
    "a cleared screen": "\x1b[2J\x1b[H",
    "an overwritten line": "bad\rgood",
    "backspaces": "bad\b\b\bgood",
    "C1": "\x9b2J\x9d0;owned\x9c",
    "direction": "\u202egpj.exe\u2066x\u2069",
    "lines": "a\nsaved everything\u2028b\x85c\x0bd\x0ce",
    "halves of pairs": "\ud800a\udfff",
    "nothing to see": "a\u200b\ufeff\u00ad\U000e0041b",
    "deleted": "a\x7f",
}


def is_obeyed(character):
    """By a terminal, or hidden by it: of the kinds Cc, Cf, Cs, Co, Cn, Zl, Zp."""
    return unicodedata.category(character)[0] == "C" or unicodedata.category(character) in ("Zl", "Zp")


def assert_plain(out):
    assert not [c for c in out if is_obeyed(c) and c != "\n"], repr(out)
    assert not [line for line in out.splitlines() if line.startswith("saved everything")], out


@pytest.mark.parametrize("kind", HOSTILE)
def test_all_ways_out_show_what_they_are_given(kind, capsys):
    from option_critic.legible import visible
    from option_critic.terminal import Terminal, say

    name = HOSTILE[kind]
    say(f"before {name}", error=True)
    say(f"before {name}")
    terminal = Terminal()
    table = Table(title=name)
    table.add_column(f"{name} 1")
    table.add_row(name)
    for what in (table, name, Text(f"before {name}"), *legend((name, "b"), {0, 1}, 1, "step")):
        terminal.print(what, soft_wrap=True)
    out, err = capsys.readouterr()
    for character in {*out, *err} - {"\n"}:
        assert not is_obeyed(character), repr(character)
    assert visible(name) in err and err.count("\n") == 1 and "before" in out
    assert visible("\u00e9\u6f22\U0001f642 [/x]\n") == "\u00e9\u6f22\U0001f642 [/x]\\n"


def test_the_bars_of_progress_take_names_as_they_are(monkeypatch):
    import io

    from option_critic.terminal import Terminal, progress_bar

    monkeypatch.setenv("COLUMNS", "200")
    bar = progress_bar()
    bar.add_task("[/x]\x1b]0;owned\x07", total=1)
    terminal = Terminal()
    terminal.file = io.StringIO()
    terminal.print(bar.get_renderable())
    assert "[/x]\\x1b" in terminal.file.getvalue() and "\x1b" not in terminal.file.getvalue()


def put(config, name, kind):
    """A name of a stranger's into a config.json."""
    data = json.loads(config.read_text())
    if kind == "env":
        data["settings"]["env_id"] = name
    else:
        data["settings"]["options"]["option_names"] = [name, "b"]
    config.write_text(json.dumps(data))


@pytest.fixture
def command(tmp_path, monkeypatch, capfd):
    """Run a verb in this process -> (exit code, all that it printed)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.setattr(threading, "excepthook", threading.excepthook)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["option-critic", *map(str, words)])
        with pytest.raises(SystemExit) as end:
            cli.main()
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return end.value.code, out + err

    return run


SEVERAL = ("[/x]\x1b]0;owned\x07\x9b2J\u202e\rb\b", HOSTILE["lines"], HOSTILE["halves of pairs"])
NO_NAME = str.maketrans("", "", "/\\")
"""Characters that are in no name of a file that a run may have."""
VERBS = {
    "evaluate": ["--episodes", "1"],
    "diagnose": ["--episodes", "1", "--no-ablations"],
    "resume": [],
    "report": [],
}


@pytest.mark.filterwarnings("always")
@pytest.mark.parametrize("where", ["options", "env", "folder"])
def test_a_stranger_does_not_reach_the_terminal(where, trained, command, tmp_path):
    """Names in a run folder, its own name, and what is said of both: by every verb, as it works or as it fails."""
    for name in SEVERAL:
        os.makedirs(tmp_path / "all", exist_ok=True)
        own = f"{name.translate(NO_NAME)}".encode("utf-8", "surrogatepass") if where == "folder" else b"run"
        folder = Path(os.fsdecode(os.fsencode(tmp_path / "all") + b"/" + own))
        shutil.copytree(trained, folder)
        for config in [folder / "config.json", *folder.glob("checkpoints/*/config.json")]:
            if where in ("options", "env"):
                put(config, name, where)
        for checkpoint in folder.glob("checkpoints/*"):
            files = {file: fingerprint(RunPath.of(checkpoint) / file) for file in manifest.FILES}
            (checkpoint / "manifest.json").write_text(json.dumps({"format_version": 1, "files": files}))
        for verb, flags in VERBS.items():
            if verb == "report" and name != next(iter(HOSTILE.values())):
                continue  # it takes its time, and tests/report is about it
            code, said = command(verb, folder, *flags)
            assert code in (0, 1, 2), (name, verb)
            assert_plain(said)
        code, said = command("list", "--runs", folder.parent)
        assert code == 0 and "runs under" in said
        assert_plain(said)
        shutil.rmtree(tmp_path / "all")


@pytest.mark.parametrize("name", HOSTILE.values())
def test_what_the_user_types_is_shown_too(name, command):
    text = name.encode("utf-8", "surrogateescape" if "\udfff" not in name else "replace").decode()
    for words in ([text], ["list", "--runs", text], ["evaluate", text], ["train", text], ["resume", text]):
        assert_plain(command(*words)[1])


def test_warnings_are_one_line_without_the_colours_of_others(capsys, monkeypatch):
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    from option_critic.terminal import open_terminal

    open_terminal()
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("\x1b[33mWARN: old\n version\x1b[0m\x1b[2J", stacklevel=1)
    assert capsys.readouterr().err == "warning: WARN: old  version\\x1b[2J\n"


def test_all_that_is_printed_goes_through_the_gate():
    """No bare print, no console or bar of rich's own, no stream of the system's anywhere else."""
    root, found = Path(option_critic.__file__).parent, []
    for path in root.rglob("*.py"):
        nodes = list(ast.walk(ast.parse(path.read_text())))
        rich = [n for n in nodes if isinstance(n, ast.ImportFrom) and str(n.module).startswith("rich")]
        theirs = {alias.name for n in rich for alias in n.names}
        for node in nodes:
            if isinstance(node, ast.Call):
                name = getattr(node.func, "id", getattr(node.func, "attr", ""))
                own = any(k.arg == "console" for k in node.keywords)  # a bar on a Terminal
                bare = isinstance(node.func, ast.Name) and name == "print"
                if bare or name in ("Console", "get_console") or (name in theirs & {"Progress", "Live"} and not own):
                    found.append((path.relative_to(root).as_posix(), name))
            elif isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "sys" and node.attr in STREAMS:
                found.append((path.relative_to(root).as_posix(), node.attr))
    assert {name for name, _ in found} == {"terminal.py"}, found


STREAMS = ("stdout", "stderr", "__stdout__", "__stderr__")
