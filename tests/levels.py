"""Environments that say what they were made with. A module of their own: workers import it, and it is soon imported."""

import multiprocessing
import subprocess
import sys
import time

import gymnasium as gym
import numpy as np


class Level(gym.Env):
    """Says on which level it is."""

    observation_space = gym.spaces.Box(-100, 100, (1,))
    action_space = gym.spaces.Discrete(2)

    def __init__(self, level=0.0):
        self.level = level

    def reset(self, *, seed=None, options=None):
        return np.full(1, self.level, np.float32), {}

    def step(self, action):
        return np.full(1, self.level, np.float32), self.level, False, False, {}


class Simulated(Level):
    """Starts a process of its own, and another by multiprocessing; closing ends the first and takes its time."""

    def __init__(self, place, fails=False):
        super().__init__()
        self.place, self.fails = place, fails
        self.process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
        (place / f"{self.process.pid}.started").touch()
        helper = multiprocessing.get_context("fork").Process(target=int)
        helper.start()
        helper.join()

    def close(self):
        self.process.terminate()
        self.process.wait()
        if self.fails:
            raise OSError("the disk is full")
        time.sleep(2.5)
        (self.place / f"{self.process.pid}.closed").touch()
