"""An environment of somebody else's, held to what Gymnasium asks of it: its faults are named, with its name.

What it hands over is copied here, once: it may go on writing into its own arrays.
"""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.spaces import Box, Dict, Discrete, MultiDiscrete, Tuple

from option_critic.envs.contract import INFO_KEYS
from option_critic.envs.randomness import seed_spaces
from option_critic.errors import InputError, RunError

FLAGS = (bool, np.bool_)
FIGURES = (float, bool, np.float64)
"""The usual types of what says that an episode ended, and of figures: nothing more to check, every step."""
CLOSE_SECONDS = 60.0
"""How long closing an environment may take; then it counts as hung."""

RINGS = 10
"""Parts of that time: one that we were stopped in counts as one."""


class EnvError(RunError):
    """An environment raised, or returned what Gymnasium does not allow."""


class Blaming:
    """Whatever ends this block becomes an EnvError that names the environment, with the original as its cause:
    SystemExit too, but not errors of this library, nor Ctrl-C.

    No generator of contextlib's: that takes an error caused by StopIteration for Python's own, and drops it.
    """

    def __init__(self, name: str, when: str) -> None:
        self.name, self.when = name, when

    def __enter__(self) -> None:
        pass

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        if error is not None and not isinstance(error, InputError | RunError | KeyboardInterrupt):
            raise failure(self.name, self.when, error) from error


def failure(name: str, when: str, error: BaseException) -> EnvError:
    """What an environment raised, in one line."""
    return EnvError(f"{name} failed {when}: {type(error).__name__}: {' '.join(str(error).split())}".rstrip(": "))


class Checked(gym.Wrapper[Any, Any, Any, Any]):
    """Raises EnvError where an environment fails or breaks its contract. In place of Gymnasium's own checker,
    which looks at the first step only. Of the info it passes on what diagnosis reads, as numbers."""

    def __init__(self, env: gym.Env[Any, Any], name: str) -> None:
        super().__init__(env)
        self.name = name
        space = env.observation_space
        is_box = isinstance(space, Box)
        self.shape: Any = space.shape if is_box else None
        self.dtype: Any = space.dtype if is_box else None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Reset, and check. A seed is also that of the spaces."""
        with Blaming(self.name, "in reset"):
            if seed is not None:
                seed_spaces(self.env, seed)
            result: Any = self.env.reset(seed=seed, options=options)
        if not (isinstance(result, tuple) and len(result) == 2 and isinstance(result[1], dict)):
            raise EnvError(f"{self.name}: reset must return a pair (observation, info dict), got {described(result)}")
        return self.observation(result[0], "reset"), {}  # it says nothing of the step that ended an episode

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step, and check."""
        try:
            result: Any = self.env.step(action)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise failure(self.name, "in step", error) from error
        if not (isinstance(result, tuple) and len(result) == 5):
            raise EnvError(
                f"{self.name}: step must return (observation, reward, terminated, truncated, info), "
                f"got {described(result)}"
            )
        obs, reward, terminated, truncated, info = result
        if type(obs) is np.ndarray and obs.shape == self.shape and obs.dtype == self.dtype:
            obs = obs.copy()  # as nearly always; spelled out, for it is done at each step
        else:
            obs = self.observation(obs, "step")
        if type(reward) is not float and number(reward) is None:
            raise EnvError(f"{self.name}: step must return one number as reward, got {described(reward)}")
        if type(terminated) not in FLAGS:
            terminated = self.flag("terminated", terminated)
        if type(truncated) not in FLAGS:
            truncated = self.flag("truncated", truncated)
        return obs, reward, terminated, truncated, info if type(info) is dict and not info else self.told(info)

    def observation(self, obs: Any, method: str) -> Any:
        """A copy. Raises EnvError unless `obs` is of the observation space's shape and type; bounds do not matter, but
        for choices, which have no number beyond theirs."""
        return self.part(self.env.observation_space, obs, method, "")

    def part(self, space: gym.Space[Any], obs: Any, method: str, at: str) -> Any:
        """A copy of what lies at `at`."""
        if isinstance(space, Dict):
            if not (isinstance(obs, dict) and obs.keys() == space.spaces.keys()):
                keys = ", ".join(map(str, space.spaces))
                raise self.wrong(f"{method} must return a dict of {keys} as observation", at, obs)
            return {key: self.part(inner, obs[key], method, f"{at}[{key!r}]") for key, inner in space.spaces.items()}
        if isinstance(space, Tuple):
            if not (isinstance(obs, tuple | list) and len(obs) == len(space.spaces)):
                raise self.wrong(f"{method} must return a tuple of {len(space.spaces)} as observation", at, obs)
            both = zip(space.spaces, obs, strict=True)
            return tuple(self.part(inner, x, method, f"{at}[{i}]") for i, (inner, x) in enumerate(both))
        array = self.array(space, obs, method, at)
        if isinstance(space, Discrete | MultiDiscrete):
            counts = space.n if isinstance(space, Discrete) else space.nvec
            if not ((array >= space.start) & (array < space.start + counts)).all():
                raise self.wrong(f"{method} must return observations of {space}", at, obs)
        return array

    def array(self, space: gym.Space[Any], obs: Any, method: str, at: str) -> npt.NDArray[Any]:
        """A copy of an array, or a number."""
        array = numbers(obs)  # a list or a number where an array would be usual
        if array is None or array.shape != space.shape:
            raise self.wrong(f"{method} must return observations of numbers of shape {space.shape}", at, obs)
        dtype: Any = space.dtype
        if not np.can_cast(array.dtype, dtype, "same_kind"):
            with np.errstate(invalid="ignore"):
                given, array = array, array.astype(dtype)
            if not (given == array).all():
                raise self.wrong(f"{method} must return observations that fit {dtype}", at, obs)
        return array

    def wrong(self, right: str, at: str, given: Any) -> EnvError:
        """What should have been returned, instead of what lies at `at` in an observation."""
        where = f", at {at}" if at else ""
        return EnvError(f"{self.name}: {right}, as its observation space says, got {described(given)}{where}")

    def flag(self, which: str, value: Any) -> bool:
        """True or False, or 1 or 0. Raises EnvError for anything else: text or NaN would count as True."""
        if number(value) not in (0.0, 1.0):
            raise EnvError(f"{self.name}: step must return True or False as {which}, got {described(value)}")
        return bool(value)

    def told(self, info: Any) -> dict[str, float]:
        """The entries of an info that diagnosis reads. None is nothing told; what else is no number under one of
        these names has a meaning of the environment's own, but for success. Raises EnvError."""
        if not isinstance(info, dict):
            raise EnvError(f"{self.name}: step must return a dict as info, got {described(info)}")
        found = {}
        for name, value in info.items():
            if name not in INFO_KEYS or value is None:
                continue
            told = float(value) if type(value) in FIGURES else number(value)
            if told is not None:
                found[name] = told
            elif INFO_KEYS[name] == "success":
                raise EnvError(f"{self.name}: info[{name!r}] must be True, False or a number, got {described(value)}")
        return found

    def close(self) -> None:
        """Close. Raises EnvError where that fails, or hangs."""
        close_env(self.env, self.name)


def close_env(env: gym.Env[Any, Any], name: str) -> None:
    """Close an environment. Raises EnvError where that fails, or takes more than CLOSE_SECONDS (see `limited`)."""
    with Blaming(name, "in close"), limited(CLOSE_SECONDS):
        env.close()


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Raise TimeoutError in this block if it takes so long. By an alarm: simulators and windows often mind which
    thread closes them. So only in the main thread, on systems that have alarms, and not within compiled code.

    The alarm rings RINGS times, and the last one counts: while we are stopped it rings but once.
    """
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        yield
        return

    rung = 0

    def ring(*_: object) -> None:
        nonlocal rung
        rung += 1
        if rung >= RINGS:
            raise TimeoutError(f"it took more than {seconds:g} s")

    handler = signal.signal(signal.SIGALRM, ring)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds / RINGS, seconds / RINGS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, handler or signal.SIG_DFL)


def numbers(value: Any) -> npt.NDArray[Any] | None:
    """A value as an array of its own; None unless it is one of real numbers."""
    try:
        array = np.array(value)
    except Exception:  # lists of different lengths, and what objects raise that say they are arrays
        return None
    return array if array.dtype.kind in "fiub" else None


def number(value: Any) -> float | None:
    """A value as one real number; None unless it is one."""
    array = numbers(value)
    return None if array is None or array.ndim else float(array)


def described(value: Any) -> str:
    """What a value is, in a few words."""
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype} of shape {value.shape}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    if isinstance(value, dict):
        return f"a dict of {', '.join(map(str, value)) or 'nothing'}"
    return f"{value!r:.40} ({type(value).__name__})"
