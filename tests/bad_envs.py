"""Environments with one fault each, for `option-critic train bad_envs:<id>`. A good one is among them."""

import importlib
import os
import random
import resource
import time

import gymnasium as gym
import numpy as np
from gymnasium.spaces import Box, Dict, Discrete, Text, Tuple


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


class HugeReward(Good):
    """In float32 each is a number; two of them are none."""

    def reward(self):
        return 3e38 if self.t == 5 else 1.0


class HighReward(Good):
    """As high as can be, and observations as far apart."""

    observation_space = Box(-np.inf, np.inf, (2,))

    def reward(self):
        return 1e12 if self.t % 3 else -1e12

    def observe(self):
        return np.array([1e38, -1e38], np.float32) * (-1) ** self.t


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


class Lingers(Good):
    """A step takes a second of its own time."""

    def step(self, action):
        for _ in range(20):
            time.sleep(0.05)
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


def with_bound(low):
    """A space of two actions, the second with a lower bound that Gymnasium itself would refuse, or should."""
    space = Box(-1, np.inf, (2,))
    space.low[1] = low
    return space


def acting(space):
    return type("Acting", (Good,), {"action_space": space})


def raising(place, error):
    """Ends by `error` in one of its methods, where it has drawn."""

    def fail(self, *args, **kwargs):
        random.random(), np.random.normal()
        raise error

    return type(f"{error.__name__}In{place.strip('_').capitalize()}", (Good,), {place: fail})


class FailsToClose(Good):
    """Not the one that is made to look at its spaces, the first of all."""

    made = 0

    def __init__(self):
        type(self).made += 1
        self.first = type(self).made == 1

    def close(self):
        if not self.first:
            raise OSError(5, "the gripper\nis stuck")


class FailsTwice(FailsToClose):
    made = 0

    def step(self, action):
        raise ZeroDivisionError("division by zero")


class HangsInClose(Good):
    def close(self):
        time.sleep(3600)


class Closed(Good):
    """Stopped as by Ctrl-C, but nobody pressed it."""

    def step(self, action):
        raise KeyboardInterrupt


def telling(**told):
    """Tells the same in each step; `told` are info, terminated or truncated."""

    def step(self, action):
        obs, reward, terminated, truncated, info = Good.step(self, action)
        return obs, reward, told.get("terminated", terminated), told.get("truncated", truncated), told.get("info", info)

    return type("Telling", (Good,), {"step": step})


class Foreign(Good):
    """What it tells is its own business, but for the success of an episode's last step."""

    def reset(self, *, seed=None, options=None):
        return super().reset(seed=seed)[0], {"final_obs": 1, 3: "three", "is_success": True}

    def step(self, action):
        obs, reward, done, _, _ = super().step(action)
        info = {
            3: "three", None: [], "final_info": {"final_obs": 7}, "_final_info": "x", "final_obs": self,
            "_is_success": 0, "cell": (3, 4), "near_object": "yes", "sizes": np.zeros(self.t),
            "kind": [{}, "text", 1][self.t % 3],
            "is_success": 0.75 if done else None if self.t % 2 else 0,
        }  # fmt: skip
        return obs, reward, np.bool_(done), 0, info


class Ragged(Good):
    def observe(self):
        return [[1], [1, 2]]


class Halves(Good):
    """Its space holds whole numbers."""

    observation_space = Box(0, 255, (2,), np.uint8)

    def observe(self):
        return [0.5, self.t]


class Wholes(Halves):
    """A list of whole numbers is as good as an array of them."""

    def observe(self):
        return [0, self.t]


def drawing(draw, *places):
    """Draws in some of its methods from where it should not, and observes what came."""

    def method(place):
        def drawn(self, *args, **kwargs):
            self.drawn = draw(self)
            return getattr(Good, place)(self, *args, **kwargs)

        return drawn

    def observe(self):
        return np.array([self.drawn, self.t], np.float32)

    return type("Drawing", (Good,), {"observe": observe} | {place: method(place) for place in places})


DRAWS = {
    "ActionSpace": (lambda self: self.action_space.sample(), "reset", "step"),
    "ObservationSpace": (lambda self: self.observation_space.sample()[0], "reset", "step"),
    "Numpy": (lambda _: np.random.normal(), "reset", "step"),
    "Python": (lambda _: random.random(), "reset", "step"),
    "Torch": (lambda _: importlib.import_module("torch").rand(()).item(), "reset", "step"),
    "NumpyAtFirst": (lambda _: np.random.normal(), "__init__"),
    "PythonAtFirst": (lambda _: random.random(), "__init__"),
}


class Keeping(gym.Env):
    """Two episodes of three steps; each array that it hands over, or is handed, is its own or a copy."""

    observation_space = Dict({"a": Box(-100, 100, (2,)), "b": Box(-100, 100, (), np.float64)})
    action_space = Box(-1, 1, (2,))
    common = np.zeros(2, np.float32)

    def __init__(self, shares=()):
        self.shares, self.total, self.episode = shares, 0.0, 0
        self.buffer, self.number, self.paid, self.info = np.zeros(2, np.float32), np.zeros(()), np.zeros(()), {}

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.t, self.episode = 0, self.episode + 1
        return self.observe(), self.tell()

    def step(self, action):
        self.t, self.total = self.t + 1, self.total + float(action.sum())
        if "action" in self.shares:
            action *= 0.5
        return self.observe(), self.keep("reward", self.paid, self.total), False, self.t == 3, self.tell()

    def observe(self):
        a = self.keep("observation", self.common if "common" in self.shares else self.buffer, self.total + self.episode)
        return {"a": a, "b": self.keep("observation", self.number, self.t)}

    def tell(self):
        if "info" not in self.shares:
            self.info = {}
        self.info["success"] = self.keep("info", self.number, self.t / 3)
        return self.info

    def keep(self, what, array, value):
        shared = what in self.shares or (what == "observation" and "common" in self.shares)
        array = array if shared else array.copy()
        array[...] = value
        return array


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
    "TextSpace": observing(Text(5)),
    "DictAction": acting(Dict({"a": Discrete(2)})),
    "TupleAction": acting(Tuple((Discrete(2), Discrete(3)))),
    "Wholes": Wholes,
    "FailsTwice": FailsTwice,
    **{f"Draws{name}": drawing(*how) for name, how in DRAWS.items()},
    **{
        f"{error.__name__}In{place.strip('_').capitalize()}": raising(place, error)
        for place in ("__init__", "reset", "step", "close")
        for error in (SystemExit, GeneratorExit, StopIteration)
    },
    "InfoNone": telling(info=None),
    "InfoList": telling(info=[]),
    "InfoArray": telling(info=np.zeros(3)),
    "TextSuccess": telling(info={"is_success": "yes"}),
    "VectorSuccess": telling(info={"success": np.ones(3)}),
    "TextEnd": telling(terminated="no"),
    "NanEnd": telling(terminated=np.nan),
    "NoEnd": telling(terminated=None),
    "ArrayEnd": telling(terminated=np.array([False, True])),
    "TextCut": telling(truncated="no"),
    "NumberCut": telling(truncated=2),
    "NothingSeen": observing(Box(0, 1, (0,))),
    "NothingSeenByName": observing(Dict({"a": Box(0, 1, (0, 3)), "b": Box(0, 1, (0,))})),
    "NothingDone": acting(Box(0, 1, (0,))),
    "NanBound": acting(with_bound(np.nan)),
    "InfiniteBound": acting(with_bound(np.inf)),
}
for name, cls in ENVS.items():
    if f"{name}-v0" not in gym.registry:
        gym.register(f"{name}-v0", cls)

for shares in ((), ("observation",), ("common",), ("reward",), ("info",), ("action",)):
    if f"Keeping{'-'.join(shares)}-v0" not in gym.registry:
        gym.register(f"Keeping{'-'.join(shares)}-v0", Keeping, kwargs={"shares": shares})
