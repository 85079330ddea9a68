"""Ranks meet, whatever an attempt before left in the store."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from torch.distributed import HashStore

from option_critic.errors import RunError
from option_critic.ranks.meeting import met

WAIT = timedelta(seconds=30)


@pytest.mark.parametrize("late", [(0,), (1,), (1, 2), (2, 0)])
def test_ranks_of_an_attempt_meet_each_other(late):
    store = HashStore()
    for attempt in range(3):  # the store stays
        with ThreadPoolExecutor(3) as ranks:
            early = {r: ranks.submit(met, store, r, 3, WAIT) for r in range(3) if r not in late}
            time.sleep(0.2)  # long enough to read what was left
            found = early | {r: ranks.submit(met, store, r, 3, WAIT) for r in late}
            shared = [found[r].result() for r in range(3)]
        shared[0].set("who", str(attempt))
        assert [part.get("who") for part in shared] == [str(attempt).encode()] * 3


def test_a_rank_alone_does_not_wait_for_ever():
    store = HashStore()
    store.set("here/1", "somebody of before")
    with pytest.raises(RunError, match="met not all of the 2 ranks"):
        met(store, 0, 2, timedelta(seconds=0.2))
