"""Ranks that start find each other, not what an attempt before left behind.

torchrun keeps its store when it starts ranks again [pytorch/pytorch#135712]: a rank that reads there where another one
listens may read where it used to listen, and wait for ever. So they meet first, and then have a part of the store that
is theirs alone. A count of attempts would not do: on several machines each counts its own.
"""

from __future__ import annotations

import time
from datetime import timedelta
from typing import TYPE_CHECKING
from uuid import uuid4

from option_critic.errors import RunError

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

PAUSE = 0.05
"""Seconds until somebody looks again."""


def met(store: Store, rank: int, count: int, wait: timedelta) -> Store:
    """The part of `store` that `count` ranks share which met now. Each tells a name that it has drawn; the first tells
    whose it has read, and the others, once they are among them, answer it. Raises RunError after `wait`."""
    from torch.distributed.distributed_c10d import PrefixStore

    own, until = uuid4().hex, time.monotonic() + wait.total_seconds()
    store.set(f"here/{rank}", own)
    while time.monotonic() < until:
        if rank == 0:
            others = [store.get(f"here/{r}").decode() for r in range(1, count)]
            store.set("meeting", " ".join([own, *others]))
            if store.check([f"{own}/{other}" for other in others]):
                return PrefixStore(own, store)
        else:
            first, *others = store.get("meeting").decode().split()
            if own in others:
                store.set(f"{first}/{own}", "")
                return PrefixStore(first, store)
        time.sleep(PAUSE)
    raise RunError(f"rank {rank} met not all of the {count} ranks")
