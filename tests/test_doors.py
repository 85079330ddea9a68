"""One door to a run's disk: outside of `runs/` nothing opens, lists, makes or deletes a file by its path."""

import ast
from pathlib import Path

import pytest

import option_critic

PACKAGE = Path(option_critic.__file__).parent
METHODS = {
    "open", "read_text", "write_text", "read_bytes", "write_bytes", "mkdir", "unlink", "rglob", "glob", "iterdir",
    "touch", "rename", "rmdir", "symlink_to", "hardlink_to", "chmod", "tofile", "savefig",
}  # fmt: skip
"""Of paths, files, arrays and figures; those of `RunPath` have other names, but for `rename`."""
FUNCTIONS = {
    "open", "io.open", "io.FileIO", "os.open", "os.fdopen", "os.listdir", "os.scandir", "os.walk", "os.mkdir",
    "os.makedirs", "os.remove", "os.unlink", "os.rename", "os.replace", "os.rmdir", "os.link", "os.symlink",
    "os.truncate", "os.mkfifo", "json.load", "json.dump", "pickle.load", "pickle.dump", "np.load", "np.save",
    "np.savez", "np.savez_compressed", "np.loadtxt", "np.genfromtxt", "np.fromfile", "np.memmap", "torch.load",
    "torch.save", "safe_open", "save_file", "load_file", "SummaryWriter", "FileLock",
}  # fmt: skip
MODULES = {"shutil", "tempfile", "pickle", "fileinput", "zipfile", "tarfile", "mmap"}
ALLOWED = {
    ("cores.py", "read_text"): "limits that the system sets, in /proc and /sys",
    ("envs/shared.py", "mmap"): "memory of this process and its workers, in no folder",
    ("envs/envpool.py", "os.listdir"): "threads of this process, in /proc",
    ("evaluation/bench.py", "tempfile"): "a run that is measured, in a private folder that goes again",
    ("evaluation/goals.py", "read_text"): "goals that the package brings",
    ("report/page.py", "read_text"): "template, style and script that the package brings",
    ("report/pictures.py", "savefig"): "into memory",
    ("report/video.py", "tempfile"): "where the encoder writes: a private folder that goes again",
    ("terminal.py", "os.open"): "the system's own nowhere",
    ("terminal.py", "io.FileIO"): "the same",
    ("report/video.py", "read_bytes"): "what the encoder wrote there",
}
"""(file, what) -> what is read or written there, none of it a run's."""


def doors(source):
    """What a module's source opens by a path, as ALLOWED calls it."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names} & MODULES
        elif isinstance(node, ast.ImportFrom):
            names = {alias.name for alias in node.names}
            found |= {node.module} & MODULES
            found |= {f"{node.module}.{name}" for name in names if f"{node.module}.{name}" in FUNCTIONS}
            found |= names & FUNCTIONS
        elif isinstance(node, ast.Call):
            called = ast.unparse(node.func)
            method = node.func.attr if isinstance(node.func, ast.Attribute) else None
            found |= {called} & FUNCTIONS or {method} & METHODS
    return found


def modules():
    return {path.relative_to(PACKAGE).as_posix(): path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}


def test_only_runs_opens_files():
    found = {
        (name, what) for name, source in modules().items() if not name.startswith("runs/") for what in doors(source)
    }
    assert found - ALLOWED.keys() == set(), "use RunPath (runs/paths.py)"
    assert ALLOWED.keys() - found == set(), "nobody does that any more"


def test_within_runs_paths_are_opened_in_few_files():
    """By handles (`paths`, `handles`), or by a handle that was got there (`logs`)."""
    found = {name: doors(source) - {"rename"} for name, source in modules().items() if name.startswith("runs/")}
    assert {name for name, what in found.items() if what} == {
        "runs/files.py",  # whether a folder takes files; standard output
        "runs/handles.py",
        "runs/locks.py",
        "runs/logs.py",
        "runs/paths.py",
        "runs/replay_files.py",  # memory on the disk, in a file that has no name
        "runs/run_folder.py",  # TensorBoard's writer, in a folder that is held
    }


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("open('x')", "open"), ("path.open()", "open"), ("io.open(x)", "io.open"),
        ("Path(x).write_text(y)", "write_text"), ("from shutil import rmtree", "shutil"),
        ("import tempfile", "tempfile"),
        ("from os import remove", "os.remove"),
        ("from safetensors.torch import save_file", "save_file"), ("np.load(x)", "np.load"), ("[*x.glob('*')]", "glob"),
        ("def f():\n  import pickle", "pickle"), ("json.load(file)", "json.load"), ("figure.savefig(x)", "savefig"),
    ],
)  # fmt: skip
def test_it_sees_them(source, what):
    assert doors(source) == {what}


def test_it_sees_nothing_else():
    assert doors("path.read(5)\njson.loads(x)\ntext.replace('a', 'b')\npath.remove()\nre.match(x, y)") == set()
