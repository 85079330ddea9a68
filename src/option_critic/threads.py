"""The threads that compute, PyTorch's and those of numpy's linear algebra: set for a while and put back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import torch
from threadpoolctl import ThreadpoolController


@contextmanager
def compute_threads(count: int) -> Iterator[None]:
    """Compute with `count` threads (0: one per processor core) inside of this block."""
    before, count = torch.get_num_threads(), count or os.cpu_count() or 1
    with pools().limit(limits=count, user_api="blas"):
        torch.set_num_threads(count)
        try:
            yield
        finally:
            torch.set_num_threads(before)


@cache
def pools() -> ThreadpoolController:
    """The libraries with threads of their own; finding them takes milliseconds."""
    return ThreadpoolController()
