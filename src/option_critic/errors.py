"""Bad input, as opposed to failures: the command line answers it with one sentence and exit code 2."""


class InputError(ValueError):
    """Something that was asked for does not exist, makes no sense, or is damaged; the message says what to do."""
