"""Environments with one fault each, for `option-critic train bad_envs:<id>`. A good one is among them."""

import os
import resource
import time

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Text, Tuple


class Good(gym.Env):
    """Twelve steps of a counter. Faults below override one thing each; `t` is 5 where they strike."""

    observation_space = Box(-100, 100, (2,))
    action_space = Discrete(2)

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t = 0
        return self.observe(), {}

    def step(self, action):
        assert self.action_space.contains(action), f"{action} lies outside of {self.action_space}"
        self.t += 1
        return self.observe(), self.reward(), self.t == 12, False, {}

    def observe(self):
        return np.full(2, self.t, np.float32)

    def reward(self):
        return 1.0


class NanObservation(Good):
    def observe(self):
        return np.array([0, np.nan if self.t == 5 else 0], np.float32)


class NanReset(Good):
    def observe(self):
        return np.array([0, np.nan], np.float32)


class HugeObservation(Good):
    observation_space = Box(-np.inf, np.inf, (2,), np.float64)

    def observe(self):
        return np.array([0, 1e300 if self.t == 5 else 0])


class InfReward(Good):
    def reward(self):
        return np.inf if self.t == 5 else 1.0


class VectorReward(Good):
    def reward(self):
        return np.ones(3)


class TextReward(Good):
    def reward(self):
        return "much"


class MissingKey(Good):
    observation_space = Dict({"seen": Box(0, 1, (2,))})

    def observe(self):
        return {"other": np.zeros(2, np.float32)}


class WrongShape(Good):
    def observe(self):
        return np.zeros(3, np.float32)


class LaterShape(Good):
    def observe(self):
        return np.zeros(3 if self.t == 5 else 2, np.float32)


class TextObservation(Good):
    def observe(self):
        return np.array(["left", "right"])


class ObjectObservation(Good):
    def observe(self):
        return np.array([None, {}], object)


class NoPair(Good):
    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)[0]


class ResetNothing(Good):
    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)


class ResetTriple(Good):
    def reset(self, *, seed=None, options=None):
        return *super().reset(seed=seed), 0.0


class FourValues(Good):
    def step(self, action):
        obs, reward, terminated, _, info = super().step(action)
        return obs, reward, terminated, info


class Outside(Good):
    """Observes what its space does not allow."""

    observation_space = Box(0, 1, (2,))

    def observe(self):
        return np.full(2, 7, np.float32)


class RaisesInInit(Good):
    def __init__(self):
        raise RuntimeError("no robot on port 7")


class RaisesInReset(Good):
    def reset(self, *, seed=None, options=None):
        raise OSError(19, "No such device")


class RaisesInStep(Good):
    def step(self, action):
        raise ZeroDivisionError("division by zero")


class Continuous(Good):
    action_space = Box(np.float32([-1, 0, -np.inf, -np.inf]), np.float32([1, 5, 2, np.inf]))


class IntegerAction(Good):
    action_space = Box(0, 10, (2,), np.int64)


class OneStep(Good):
    def step(self, action):
        obs, reward, _, _, info = super().step(action)
        return obs, reward, True, False, info


class BothEnds(Good):
    def step(self, action):
        obs, reward, done, _, info = super().step(action)
        return obs, reward, done, done, info


class Hangs(Good):
    def step(self, action):
        if self.t == 4:
            time.sleep(3600)
        return super().step(action)


class HangsInInit(Good):
    def __init__(self):
        time.sleep(3600)


class Forks(Good):
    """Has a process of its own, which inherits all that is open."""

    def __init__(self):
        if os.fork() == 0:
            time.sleep(8)
            os._exit(0)


class Large(Good):
    """Its answers do not fit into a pipe: a worker that is killed is often in the middle of one."""

    observation_space = Box(-100, 100, (100_000,))

    def observe(self):
        return np.full(100_000, self.t, np.float32)


class Slow(Good):
    """A step takes 50 ms."""

    def step(self, action):
        time.sleep(0.05)
        return super().step(action)


class DiskFills(Good):
    """After 200 steps of the process no file can grow beyond 20 kB: the nearest thing to a full disk without root."""

    steps = 0

    def step(self, action):
        DiskFills.steps += 1
        if DiskFills.steps == 200:
            resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        return super().step(action)


def observing(space):
    return type("Observing", (Good,), {"observation_space": space})


def acting(space):
    return type("Acting", (Good,), {"action_space": space})


def unstable_hopper(**kwargs):
    """A Hopper whose simulation breaks in the third and fourth step of its first episode."""
    from gymnasium.envs.mujoco.hopper_v5 import HopperEnv

    class Unstable(HopperEnv):
        steps = 0

        def step(self, action):
            self.steps += 1
            if self.steps in (3, 4):
                self.data.qvel[0] = 1e12
            return super().step(action)

    return Unstable(**kwargs)


if "UnstableHopper-v0" not in gym.registry:
    gym.register("UnstableHopper-v0", unstable_hopper, max_episode_steps=20)

ENVS = {cls.__name__: cls for cls in Good.__subclasses__()} | {
    "Good": Good,
    "TupleObservation": observing(Tuple((Discrete(2), Box(0, 1, (2,))))),
    "TextSpace": observing(Text(5)),
    "BinaryAction": acting(MultiBinary(3)),
    "ManyActions": acting(MultiDiscrete([2, 3])),
    "MatrixAction": acting(Box(-1, 1, (2, 2))),
}
for name, cls in ENVS.items():
    if f"{name}-v0" not in gym.registry:
        gym.register(f"{name}-v0", cls)
