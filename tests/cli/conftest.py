"""The command line in this process: what a process of its own would show, without starting one."""

import contextlib
import io
import sys
import threading
import warnings
from pathlib import Path

import pytest

from option_critic.cli import main as cli


@pytest.fixture(scope="session")
def here():
    """Run a command of 80 columns in this process -> (exit code, standard output, standard error)."""
    return run_here


def run_here(*words, cwd=None):
    out, err, before = io.StringIO(), io.StringIO(), set(sys.modules)
    folder = Path(cwd or ".").resolve()
    with (
        pytest.MonkeyPatch.context() as patch,
        warnings.catch_warnings(),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
        pytest.raises(SystemExit) as end,
    ):
        warnings.simplefilter("default")  # they are told; the suite makes them errors
        patch.chdir(folder)
        patch.setenv("COLUMNS", "80")
        patch.setattr(sys, "argv", ["option-critic", *map(str, words)])
        patch.setattr(sys, "excepthook", sys.excepthook)  # the command line sets its own
        patch.setattr(threading, "excepthook", threading.excepthook)
        cli.main()
    for name in sys.modules.keys() - before if cwd else ():  # the next process would not have imported them
        if folder in Path(getattr(sys.modules[name], "__file__", None) or "/").parents:
            del sys.modules[name]
    return end.value.code, out.getvalue(), err.getvalue()
