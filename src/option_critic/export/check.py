"""Whether a file says what the agent or skill says that it was made of, and how fast."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import gymnasium as gym
import numpy as np

from option_critic.agent import OptionCritic
from option_critic.export.graph import AgentGraph, SkillGraph
from option_critic.export.ports import dtype_name
from option_critic.export.program import Answer
from option_critic.functional.arrays import NDArray
from option_critic.model.act import Noise, act
from option_critic.model.acting import snapshot
from option_critic.observation_space import Part
from option_critic.observations import read_observations
from option_critic.records import Carry
from option_critic.skills.skill import Skill
from option_critic.spaces import Spaces
from option_critic.training.threads import compute_threads

CLOSE = 1e-4
"""Numbers that differ by more are not of the same agent; what rounding makes of them stays below 1e-5."""
PROBES = 256
"""Observations that are drawn to find that out."""
ROWS = 4
"""Of them at once, where a file takes that."""
TIMED = 200
"""Decisions of which the median counts."""

Walk = Generator[tuple[Any, bool], NDArray, None]
"""Yields observations as the environment gives them, and whether an episode starts; is sent the action."""


class Decides(Protocol):
    """What a file was made of: decides at one observation after the other."""

    def __call__(self, obs: Any, first: bool) -> tuple[list[NDArray], list[NDArray]]:
        """(what goes into the graph there, what should come out), [1, ...] each."""

    def plainly(self, obs: Any) -> None:
        """As its user asks it, for its time."""


class AgentDecides:
    """An agent, as `predict` decides. Where actions are held, each call is a decision."""

    def __init__(self, agent: OptionCritic, graph: AgentGraph) -> None:
        self.agent, self.graph, self.network = agent, graph, snapshot(agent.state.model)
        self.carry, self.rng = Carry.start(1), np.random.default_rng(0)

    @np.errstate(all="ignore")
    def __call__(self, obs: Any, first: bool) -> tuple[list[NDArray], list[NDArray]]:
        """The option and its age are those of the decision before."""
        spaces, before = self.agent.spaces, replace(self.carry, is_first=np.array([first]))
        chance = [self._drawn(p.name, (1, *p.shape)) for p in self.graph.chance]
        rows, _ = read_observations(obs, spaces)
        choice, *_ = act(self.network, rows, before, self.agent.settings.options, self._noise(*chance))
        self.carry = choice.next_carry(np.zeros(1, dtype=np.bool_))
        given = [*values(obs, self.graph), before.option, before.option_age, before.is_first, *chance]
        return given, [spaces.to_env(choice.action), self.carry.option, self.carry.option_age]

    def plainly(self, obs: Any) -> None:
        """`predict`."""
        self.agent.predict(obs, deterministic=not self.graph.stochastic)

    def _drawn(self, name: str, shape: tuple[int, ...]) -> NDArray:
        kind = name.partition("_")[2]
        if kind == "gumbel":
            return self.rng.gumbel(size=shape).astype(np.float32)
        return np.asarray(self.rng.random(shape) if kind == "uniform" else self.rng.standard_normal(shape), np.float32)

    def _noise(self, *chance: NDArray) -> Noise | None:
        if not chance:
            return None
        end, option, action = chance
        factors = self.network.factors
        return Noise(end, option, action if factors is None else factors.apart(action, -np.inf))


class SkillDecides:
    """A skill, as it acts, ends and wants to start."""

    def __init__(self, skill: Skill, graph: SkillGraph) -> None:
        self.skill, self.graph = skill, graph

    @np.errstate(all="ignore")
    def __call__(self, obs: Any, first: bool) -> tuple[list[NDArray], list[NDArray]]:
        """It remembers nothing."""
        rows = self.skill.spaces.row.numbers(read_observations(obs, self.skill.spaces)[0])
        action = self.skill.spaces.to_env(self.skill.decide(rows))
        return values(obs, self.graph), [action, self.skill.end(rows), self.skill.interest(rows)]

    def plainly(self, obs: Any) -> None:
        """Its action alone."""
        self.skill.act(obs)


def values(obs: Any, graph: AgentGraph | SkillGraph) -> list[NDArray]:
    """An observation as the graph takes it: [1, *shape] of each part."""
    spaces = graph.spaces
    if not spaces.parts:  # of an older checkpoint, which does not say the shape
        return [read_observations(obs, spaces)[0]]
    each = zip(spaces.parts, graph.inputs, strict=False)
    return [np.asarray(part.of(obs)).astype(dtype_name(port.dtype)).reshape(1, *part.shape) for part, port in each]


@dataclass(frozen=True)
class Parity:
    """How far a file is from what it was made of."""

    steps: int
    """decisions that were compared"""
    largest: float
    """the largest difference of any real number"""
    others: int
    """decisions in which a whole number (an option, its age, a choice) was another"""

    @property
    def holds(self) -> bool:
        """Whether that is rounding."""
        return self.largest <= CLOSE and not self.others


def compare(decides: Decides, answer: Answer, walk: Walk, rows: int = 1) -> Parity:
    """Both decide at the same observations, with the same memory and the same chance. The file is asked of each, and
    of so many `rows` at once, where it takes that."""
    largest, others, steps = 0.0, 0, 0
    group = list[tuple[list[NDArray], list[NDArray]]]()
    with compute_threads(1):
        seen = next(walk, None)
        while seen is not None:
            given, expected = decides(*seen)
            found = list(zip(answer(given), expected, strict=True))
            group.append((given, expected))
            if len(group) == rows:
                found += at_once(answer, group) if rows > 1 else []
                group.clear()
            largest = max(largest, *(distance(a, b) for a, b in found if b.dtype.kind == "f"), 0.0)
            others += any(distance(a, b) > 0 for a, b in found if b.dtype.kind != "f")
            steps += 1
            try:
                seen = walk.send(expected[0][0, ...])
            except StopIteration:
                seen = None
    return Parity(steps, largest, others)


def at_once(answer: Answer, group: Sequence[tuple[list[NDArray], list[NDArray]]]) -> list[tuple[NDArray, NDArray]]:
    """What a file answers to the rows of several decisions together, beside what should come out."""
    asked, wanted = ([np.concatenate(rows) for rows in zip(*side, strict=True)] for side in zip(*group, strict=True))
    return list(zip(answer(asked), wanted, strict=True))


def distance(a: NDArray, b: NDArray) -> float:
    """The largest difference; infinite between arrays of other shapes or types, and where one alone is NaN."""
    if a.shape != b.shape or a.dtype != b.dtype:
        return float("inf")
    far = np.abs(a.astype(np.float64) - b.astype(np.float64))
    return float(np.nan_to_num(np.where(np.isnan(a) & np.isnan(b), 0.0, far), nan=np.inf).max(initial=0.0))


def latency(decides: Decides, answer: Answer, obs: Any) -> tuple[float, float]:
    """Seconds of one decision on one core, the medians: (of the file, of what it was made of)."""
    given, _ = decides(obs, True)
    with compute_threads(1):
        return timed(lambda: answer(given)), timed(lambda: decides.plainly(obs))


def timed(call: Callable[[], Any]) -> float:
    """Its seconds: the median of many calls."""
    took = []
    for _ in range(TIMED):
        began = time.perf_counter()
        call()
        took.append(time.perf_counter() - began)
    return statistics.median(took)


# --- where observations come from


def probes(spaces: Spaces, encoded: Sequence[int], mean: NDArray, std: NDArray, count: int = PROBES) -> Walk:
    """Observations drawn at random, for want of an environment: numbers as the normaliser knows them, [D] each of all
    parts but those that are `encoded`, any byte in images, any choice. Episodes of ten."""
    rng, parts = np.random.default_rng(0), spaces.row.parts
    for step in range(count):
        drawn, at = list[NDArray](), 0
        for i, part in enumerate(parts):
            if part.kind == "choices":
                x: NDArray = np.asarray(part.starts) + rng.integers(part.counts)
            elif part.dtype == "uint8":
                x = rng.integers(256 if part.kind == "box" else 2, size=part.size)
            else:
                x = mean[at : at + part.size] + std[at : at + part.size] * rng.standard_normal(part.size)
            at += 0 if i in encoded else part.size
            drawn.append(x.reshape(part.shape))
        yield placed(parts, drawn), step % 10 == 0


def placed(parts: Sequence[Part], arrays: Sequence[NDArray]) -> Any:
    """The values of parts as the environment gives them: dicts and tuples of arrays."""
    if not parts[0].path:
        return arrays[0]
    inside: dict[Any, tuple[list[Part], list[NDArray]]] = {}
    for part, x in zip(parts, arrays, strict=True):
        own = inside.setdefault(part.path[0], ([], []))
        own[0].append(replace(part, path=part.path[1:]))
        own[1].append(x)
    made = {step: placed(*own) for step, own in inside.items()}
    return tuple(made.values()) if isinstance(parts[0].path[0], int) else made


def episodes(env: gym.Env[Any, Any], steps: int, holds: int = 1, seed: int = 0) -> Walk:
    """Observations of an environment in which what is decided is done, for `holds` steps each."""
    obs, _ = env.reset(seed=seed)
    first = True
    for _ in range(steps):
        action = yield obs, first
        first = False
        for _ in range(holds):
            obs, _, terminated, truncated, _ = env.step(action)
            if terminated or truncated:
                obs, first = env.reset()[0], True
                break
