"""`option-critic`, killed with SIGKILL at its nth call that writes to the disk; a `write` is done by half before.

python dying.py N VERB ...
"""

import os
import signal
import sys

from option_critic.cli.main import main

WRITES = ("write", "fsync", "mkdir", "replace", "rename", "open", "ftruncate", "unlink", "rmdir")
left = int(sys.argv.pop(1))


def dying(name, real):
    def call(*args, **kwargs):
        global left
        if name == "write":  # not what is printed, or told to another process
            counts = os.path.isfile(f"/proc/self/fd/{args[0]}")
        else:
            counts = name != "open" or args[1] & os.O_CREAT
        left -= bool(counts)
        if counts and left < 0:
            if name == "write":
                real(args[0], bytes(args[1])[: len(args[1]) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*args, **kwargs)

    return call


for name in WRITES:
    setattr(os, name, dying(name, getattr(os, name)))
main()
