"""`torchrun -m option_critic train`: two processes, one run."""

import pytest
from started import by_two_ranks

import option_critic as oc
from option_critic.cli.main import check_alone
from option_critic.errors import InputError
from option_critic.ranks.torchrun import is_restarted, rank_here, world_size

TOLD = {"WORLD_SIZE": "2", "RANK": "1", "TORCHELASTIC_RESTART_COUNT": "1"}


def test_two_processes_train_one_run(tmp_path):
    """By gloo: only the first one speaks and writes."""
    torchrun = by_two_ranks(tmp_path, 256)
    said, _ = torchrun.communicate(timeout=300)
    assert torchrun.returncode == 0, said
    assert said.count("2 ranks, each with 2 of the environments") == 1 and said.count("256 steps in") == 1
    agent = oc.load(tmp_path / "seed-0")
    assert agent.num_timesteps == 256 and agent.state.ranks == 2


def test_only_torchrun_makes_ranks():
    """Schedulers set variables of the same names."""
    assert (world_size(TOLD), rank_here(TOLD), is_restarted(TOLD)) == (1, 0, False)
    started = TOLD | {"TORCHELASTIC_RUN_ID": "x"}
    assert (world_size(started), rank_here(started), is_restarted(started)) == (2, 1, True)


def test_what_is_done_once_is_not_done_by_ranks(monkeypatch):
    check_alone("evaluate")
    for name, value in (TOLD | {"TORCHELASTIC_RUN_ID": "x"}).items():
        monkeypatch.setenv(name, value)
    check_alone("train")
    with pytest.raises(InputError, match="torchrun is for train and resume; start evaluate without it"):
        check_alone("evaluate")
