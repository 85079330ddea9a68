"""An engine without processes."""

import pytest

from option_critic.sweeps.jobs import outcome_of


class Here:
    """In this process, one at a time."""

    stopped, places = (), 1

    def __init__(self):
        self.jobs, self.count = [], 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def running(self):
        return self.jobs

    def start(self, job):
        self.jobs, self.count = [job], self.count + 1

    def ended(self, _):
        job = self.jobs.pop()
        return [(job, outcome_of(job))]


@pytest.fixture
def here():
    return Here
