"""The saved agent of the fixtures, to be damaged, and how a refusal must look."""

import shutil
from pathlib import Path

import pytest

import option_critic as oc
from option_critic.runs.paths import CheckpointError

AGENT = Path(__file__).parents[1] / "fixtures" / "format-1"


@pytest.fixture
def agent(tmp_path):
    """A copy of a saved agent, to be changed."""
    return Path(shutil.copytree(AGENT, tmp_path / "agent"))


@pytest.fixture
def run(tmp_path):
    """A run with two checkpoints, both the same agent."""
    for name in ("000000000080", "000000000160"):
        shutil.copytree(AGENT, tmp_path / "run" / "checkpoints" / name)
    return tmp_path / "run"


@pytest.fixture
def refused():
    """Load, and see one sentence of CheckpointError that holds the words."""

    def check(folder, *words, **kwargs):
        with pytest.raises(CheckpointError) as error:
            oc.load(folder, **kwargs)
        message = str(error.value)
        assert all(word in message for word in words) and "\n" not in message and len(message) < 600, message

    return check
