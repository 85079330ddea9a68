"""A disk that is full at one chosen moment: the nth call of the system that takes room, in our own process."""

import errno
import os

TAKES_ROOM = ("write", "fsync", "mkdir", "replace", "rename", "open", "ftruncate")


class FullDisk:
    """Counts such calls; call number `fails_at` (from 0), and `times` after it, end with ENOSPC."""

    def __init__(self, monkeypatch, fails_at=None, times=1):
        self.calls, self.fails_at, self.times = 0, fails_at, times
        for name in TAKES_ROOM:
            monkeypatch.setattr(os, name, self.counting(name, getattr(os, name)))

    def counting(self, name, real):
        def call(*args, **kwargs):
            if name != "open" or args[1] & os.O_CREAT:
                self.calls += 1
                if self.fails_at is not None and self.fails_at < self.calls <= self.fails_at + self.times:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return real(*args, **kwargs)

        return call
