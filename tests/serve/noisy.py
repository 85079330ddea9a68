"""A corridor whose environment prints, in Python and below it, wherever it can."""

import os

import errands

print("noise of an import")
WALKS = errands.WALKS


class Noisy(errands.Errands):
    def __init__(self):
        super().__init__()
        self.noise()

    def noise(self):
        print("noise of Python", flush=True)
        os.write(1, b"noise below Python\n")

    def reset(self, **how):
        self.noise()
        return super().reset(**how)

    def step(self, action):
        self.noise()
        return super().step(action)


class Stuck(errands.Errands):
    """A step that takes for ever."""

    def step(self, action):
        print("stuck", flush=True)
        while True:
            pass
