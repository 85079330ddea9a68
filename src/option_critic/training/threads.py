"""The threads that compute, PyTorch's and those of numpy's linear algebra: set for a while and put back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from threadpoolctl import ThreadpoolController

from option_critic.cores import usable_cores


@contextmanager
def compute_threads(count: int, arrays: int | None = None) -> Iterator[None]:
    """Compute with `count` threads (0: one per core that this process may use) inside of this block. `arrays`: those of
    numpy's linear algebra, where they are to be others."""
    before, count = torch.get_num_threads(), count or usable_cores()
    with pools().limit(limits=count if arrays is None else arrays, user_api="blas"):
        torch.set_num_threads(count)
        try:
            yield
        finally:
            torch.set_num_threads(before)


@cache
def pools() -> ThreadpoolController:
    """The libraries with threads of their own; finding them takes milliseconds."""
    return ThreadpoolController()
