"""Memory: that of large tensors, kept between uses, and how much there was of all."""

from __future__ import annotations

import contextlib
import ctypes
import sys

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3
"""Of `mallopt`, in glibc."""
KEPT = 1 << 30
"""Bytes."""


def held_at_most() -> float:
    """The most that this process has held at once, in GiB; NaN where the system does not tell."""
    try:
        import resource  # not on Windows
    except ImportError:
        return float("nan")
    unit: int = 2**30 if sys.platform == "darwin" else 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def keep_memory() -> None:
    """Have the C library, where it is glibc, keep what is freed, and take large tensors from it.

    Left alone it hands buffers of tens of megabytes back to the system and asks for them again, page by page: with
    images that is a fifth of the time of an update. It holds for the whole process, and changes no number.
    """
    with contextlib.suppress(OSError, AttributeError):
        library = ctypes.CDLL("libc.so.6")
        library.mallopt(TRIM_THRESHOLD, KEPT)
        library.mallopt(MMAP_THRESHOLD, KEPT)
