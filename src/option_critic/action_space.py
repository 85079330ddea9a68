"""Actions: what an environment takes, in plain numbers, and how it is made of what a policy does."""

from __future__ import annotations

import math
import reprlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.spaces import Box, Discrete, MultiBinary, MultiDiscrete

from option_critic.errors import InputError, UnsupportedSpaceError

Array = npt.NDArray[Any]

WHOLE = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "bool")
DTYPES = ("float16", "float32", "float64", *WHOLE)
"""Of actions; a wider one takes float64."""
SAME = 1e-6
"""Bounds that differ by less are equal: one may be rounded to float32."""
MAX_CHOICES = 1_000_000
"""Factors times the choices of the largest: so much memory does a policy take for each option at each state."""


@dataclass(frozen=True, kw_only=True)
class ActionSpace:
    """Kind, shape, sizes and bounds. A policy gives actions flattened, numbered from 0 and with bounds of -1 and 1.

    There are three kinds: one choice (Discrete); M choices at once, the factors of an action (MultiDiscrete,
    MultiBinary); A numbers between bounds (Box), real or whole ones.
    """

    discrete: bool
    """Whether actions are choices; else they are numbers between bounds."""
    action_size: int
    """A: the count of numbers, or of choices (of all factors together)."""
    action_shape: tuple[int, ...] | None = None
    """Of one action as the environment takes it; older checkpoints do not say."""
    action_low: tuple[float, ...] = ()
    """[A] bounds of numbers; infinite where unbounded."""
    action_high: tuple[float, ...] = ()
    action_start: int = 0
    """The number of the first choice, where there is one choice."""
    action_factors: tuple[int, ...] = ()
    """[M] how many choices each factor has; empty where actions have none."""
    action_starts: tuple[int, ...] = ()
    """[M] the number of its first choice."""
    action_dtype: str = "float32"
    """What the numbers of an action are, other than a single choice; older checkpoints do not say."""

    @property
    def env_shape(self) -> tuple[int, ...]:
        """Of one action as the environment takes it."""
        return self.policy_shape if self.action_shape is None else self.action_shape

    @property
    def policy_shape(self) -> tuple[int, ...]:
        """Of one action as a policy gives it: [], [M] or [A]."""
        if self.action_factors:
            return (len(self.action_factors),)
        return () if self.discrete else (self.action_size,)

    @property
    def whole(self) -> bool:
        """Whether the environment takes whole numbers only."""
        return self.discrete or self.action_dtype in WHOLE

    @property
    def bounds(self) -> list[tuple[float, float]]:
        """A lower and upper bounds of numbers."""
        return list(zip(self.action_low, self.action_high, strict=True))

    @cached_property
    def policy_bounds(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """[A] lower and upper bounds of what a policy does: -1 and 1 where there are two, else the one there is."""
        low, high = np.asarray(self.action_low), np.asarray(self.action_high)
        bounded = np.isfinite(low) & np.isfinite(high)
        return np.where(bounded, -1.0, low), np.where(bounded, 1.0, high)

    @cached_property
    def stretch(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """[A] middle and half width of what the environment takes; 0 and 1 where there are not two bounds."""
        low, high = np.asarray(self.action_low), np.asarray(self.action_high)
        bounded = np.isfinite(low) & np.isfinite(high)
        low, high = np.where(bounded, low, -1.0), np.where(bounded, high, 1.0)
        return low / 2 + high / 2, high / 2 - low / 2  # no sum of two bounds overflows

    @cached_property
    def unstretched(self) -> bool:
        """The environment takes the policies' own numbers: each of its bounds is 1, on either side, or none."""
        middle, half = self.stretch
        return bool((middle == 0).all() and (half == 1).all())

    @cached_property
    def limits(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """[A] the lowest and highest number that the environment takes: its bounds, or what its dtype holds."""
        least, most = holds(self.action_dtype)
        return np.maximum(self.action_low, inner(least, 1)), np.minimum(self.action_high, inner(most, -1))

    def to_env(self, action: Array) -> Array:
        """A policy's actions [..., *policy_shape] as the environment takes them, [..., *env_shape] in its dtype.

        Choices are numbered from their starts. Numbers are clipped to [-1, 1] and stretched to the bounds (where
        there are not two, just clipped to the one), and rounded where they must be whole.
        """
        if self.discrete and not self.action_factors:
            return np.asarray(action + self.action_start)
        taken = action + np.asarray(self.action_starts) if self.discrete else self._stretched(action)
        return taken.astype(self.action_dtype, copy=False).reshape(*action.shape[:-1], *self.env_shape)

    def _stretched(self, action: Array) -> Array:
        (low, high), (center, half), (least, most) = self.policy_bounds, self.stretch, self.limits
        stretched = center + half * np.minimum(np.maximum(action, low), high)
        if self.whole:  # NaN is no whole number: it is left for the rollout to find
            return np.rint(np.fmin(np.fmax(stretched, least), most))
        return stretched if self.stays_inside else np.minimum(np.maximum(stretched, least), most)

    @cached_property
    def stays_inside(self) -> bool:
        """Whether stretching needs no second clip: float32 rounds the last bits away that lie beyond the bounds."""
        center, half = self.stretch
        low, high = ((center + half * x).astype(np.float32) for x in self.policy_bounds)
        return self.action_dtype == "float32" and bool(((low >= self.action_low) & (high <= self.action_high)).all())

    def can_mean(self, action: Array) -> bool:
        """Whether a policy for this space may have given these actions [B, ...]."""
        if action.shape[1:] != self.policy_shape or (action.dtype.kind == "f") == self.discrete:
            return False
        return not self.discrete or bool((action < (self.action_factors or self.action_size)).all())

    def random_actions(self, rng: np.random.Generator, shape: tuple[int, ...]) -> Array:
        """What a policy that knows nothing does: [*shape, *policy_shape], uniform within its bounds."""
        if not self.discrete:
            return rng.uniform(-1, 1, (*shape, self.action_size))
        return rng.integers(self.action_factors or self.action_size, size=(*shape, *self.policy_shape))


def read_action_space(space: gym.Space[Any], name: str) -> ActionSpace:
    """The action space of an environment called `name`.

    Raises UnsupportedSpaceError unless it is Box, Discrete, MultiDiscrete or MultiBinary, holds an action, and has
    bounds between which something lies.
    """
    if isinstance(space, Discrete):
        return ActionSpace(discrete=True, action_size=int(space.n), action_shape=(), action_start=int(space.start))
    if not isinstance(space, Box | MultiDiscrete | MultiBinary):
        kind = type(space).__name__
        raise UnsupportedSpaceError(
            f"{name}: action space {said(space)} is not supported, as it is a {kind}; wrap the environment "
            f"(gymnasium.ActionWrapper) so that it takes Box, Discrete, MultiDiscrete or MultiBinary actions, "
            f"and make a {kind} of them there."
        )
    if not math.prod(space.shape):
        raise UnsupportedSpaceError(f"{name}: action space {said(space)} has no action: size 0.")
    return read_box(space, name) if isinstance(space, Box) else read_factors(space, name)


def read_box(space: Box[Any], name: str) -> ActionSpace:
    """Numbers between bounds. Raises UnsupportedSpaceError where nothing lies between them."""
    low, high = space.low.flatten(), space.high.flatten()
    bad = ~((low <= high) & (low < np.inf) & (high > -np.inf))  # NaN is bad, too
    if bad.any():
        i = int(bad.argmax())
        raise UnsupportedSpaceError(
            f"{name}: no number lies within the bounds {low[i]} and {high[i]} of action {place(i, space.shape)}; "
            "mend its action space."
        )
    lowest, highest = [inner(x, 1) for x in low.tolist()], [inner(x, -1) for x in high.tolist()]
    if space.dtype.kind in "iu":  # without infinity: Gymnasium keeps apart which bounds there are
        below, above = space.bounded_below.flatten(), space.bounded_above.flatten()
        lowest = [x if there else -math.inf for x, there in zip(lowest, below, strict=True)]
        highest = [x if there else math.inf for x, there in zip(highest, above, strict=True)]
    return ActionSpace(
        discrete=False,
        action_size=low.size,
        action_shape=tuple(map(int, space.shape)),
        action_low=tuple(lowest),
        action_high=tuple(highest),
        action_dtype=space.dtype.name if space.dtype.name in DTYPES else "float64",
    )


def read_factors(space: MultiDiscrete[Any] | MultiBinary, name: str) -> ActionSpace:
    """Several choices at once. Raises UnsupportedSpaceError where there are too many."""
    shape = tuple(map(int, space.shape))
    if isinstance(space, MultiBinary):
        counts, starts = [2] * math.prod(shape), [0] * math.prod(shape)
    else:
        counts, starts = space.nvec.flatten().tolist(), space.start.flatten().tolist()
    read = ActionSpace(
        discrete=True,
        action_size=sum(counts),
        action_shape=shape,
        action_factors=tuple(counts),
        action_starts=tuple(starts),
        action_dtype=space.dtype.name,
    )
    wrong = wrong_factors(read)
    if wrong:
        raise UnsupportedSpaceError(f"{name}: action space {said(space)} is not supported: {wrong}.")
    return read


def from_record(numbers: Array, space: gym.Space[Any]) -> Any:
    """An action as `space` has it, of the numbers [A] that a trace keeps of it: real ones, perhaps with 32 bits."""
    if isinstance(space, Discrete):
        return np.int64(numbers[0])
    whole = numbers if space.dtype is None or space.dtype.kind == "f" else np.rint(numbers)
    return whole.reshape(space.shape or ()).astype(space.dtype)


def holds(dtype: str) -> tuple[float, float]:
    """The lowest and highest number of a dtype; of whole ones exactly, as int."""
    if dtype == "bool":
        return 0, 1
    if dtype in WHOLE:
        return np.iinfo(dtype).min, np.iinfo(dtype).max
    return float(np.finfo(dtype).min), float(np.finfo(dtype).max)


def inner(bound: float, towards: int) -> float:
    """A bound as a float. One of 64 bits that no float equals: the next one inside, upwards (1) or downwards (-1)."""
    near = float(bound)
    outside = isinstance(bound, int) and (int(near) - bound) * towards < 0
    return math.nextafter(near, towards * math.inf) if outside else near


def place(i: int, shape: tuple[int, ...]) -> str:
    """Where the i-th number of an array stands, for people."""
    return str(i) if len(shape) < 2 else str([int(n) for n in np.unravel_index(i, shape)])


def said(space: gym.Space[Any]) -> str:
    """A space on one line, however much it holds."""
    text = " ".join(str(space).split())
    return text if len(text) <= 200 else f"{text[:200]}..."


def other_actions(agent: ActionSpace, env: ActionSpace) -> str:
    """What differs in the actions that an agent learned and those of an environment, in words; empty if nothing does.

    The dtype may differ, but for whole and real numbers: the same numbers mean the same.
    """
    now, then = kind_of(env), kind_of(agent)
    if now != then:
        return f"actions are {now}, the agent was trained with {then}"
    shape = env.env_shape
    for i, (old, new) in enumerate(zip(choices_of(agent), choices_of(env), strict=True)):
        if old != new:
            return f"choice {place(i, shape)} is one of {new}, the agent was trained with one of {old}"
    for i, ((old_low, old_high), (low, high)) in enumerate(zip(agent.bounds, env.bounds, strict=True)):
        if not (math.isclose(old_low, low, rel_tol=SAME) and math.isclose(old_high, high, rel_tol=SAME)):
            where = place(i, shape)
            return (
                f"action {where} has bounds [{low:g}, {high:g}], the agent was trained with [{old_low:g}, {old_high:g}]"
            )
    return ""


def kind_of(s: ActionSpace) -> str:
    """Kind, count and shape, in words."""
    if s.discrete and not s.action_factors:
        return f"{s.action_size} choices from {s.action_start} on"
    numbers = "choices at once" if s.discrete else "whole numbers" if s.whole else "numbers"
    shape = s.env_shape
    if len(shape) != 1:
        return f"arrays of {numbers} of shape {shape}"
    return f"{shape[0]} {numbers}" if s.discrete else f"vectors of {shape[0]} {numbers}"


def choices_of(s: ActionSpace) -> list[str]:
    """The choices of each factor, in words."""
    return [f"{n} from {start} on" for n, start in zip(s.action_factors, s.action_starts, strict=True)]


def check_actions(s: ActionSpace) -> None:
    """Raise InputError where numbers do not belong together, as in a file that somebody changed."""
    if s.action_dtype not in DTYPES:
        raise InputError(f"action_dtype must be one of {', '.join(DTYPES)}, got {s.action_dtype!r:.40}")
    if s.action_factors or s.action_starts:
        wrong = wrong_factors(s)
        if wrong:
            raise InputError(f"action_factors and action_starts say what no environment has: {wrong}")
    shape = s.env_shape
    if min(shape, default=1) < 1 or math.prod(shape) != math.prod(s.policy_shape):
        raise InputError(f"action_shape must agree with the size of actions, got {reprlib.repr(shape)}")
    low, high, count = s.action_low, s.action_high, 0 if s.discrete else s.action_size
    if len(low) != count or len(high) != count or not all(a <= b for a, b in zip(low, high, strict=True)):
        raise InputError(f"action_low and action_high must be {count} bounds each, none of them crossed")
    if not s.discrete and s.whole:
        least, most = holds(s.action_dtype)
        if not all(math.isinf(x) or (least <= x <= most and x.is_integer()) for x in (*low, *high)):
            raise InputError(f"action_low and action_high must be whole numbers that fit {s.action_dtype}")


def wrong_factors(s: ActionSpace) -> str:
    """What is wrong with the factors of actions, in words; empty if nothing is."""
    counts, starts = s.action_factors, s.action_starts
    if len(counts) != len(starts) or not s.discrete or s.action_start or s.action_dtype not in WHOLE:
        return "each choice needs a count and a start, and whole numbers"
    if min(counts) < 1 or sum(counts) != s.action_size:
        return f"counts of choices must be positive and {s.action_size:,} in all"
    if len(counts) * max(counts) > MAX_CHOICES:
        return f"{len(counts):,} times up to {max(counts):,} choices are too many, {MAX_CHOICES:,} are the most"
    least, most = holds(s.action_dtype)
    most = min(most, np.iinfo(np.int64).max)
    if not all(least <= start and start + n - 1 <= most for n, start in zip(counts, starts, strict=True)):
        return f"some choices have numbers that {s.action_dtype} does not hold"
    return ""
