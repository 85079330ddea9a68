"""Two kinds of errors: bad input (exit code 2) and failures while running (exit code 1). Each is one sentence."""


class InputError(ValueError):
    """Something that was asked for does not exist, makes no sense, or is damaged; the message says what to do."""


class UnsupportedSpaceError(InputError):
    """The environment's observation or action space is none that this library handles."""


class RunError(RuntimeError):
    """Something went wrong while running: an environment, a worker, a number, the disk; the message says which."""


class NonFiniteError(RunError):
    """A number that must be finite is NaN or infinite."""
