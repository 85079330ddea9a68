"""The figures that a run keeps in JSON files, checked while they are read: a stranger may have written them.

What is not said here is ignored; what older versions did not write has a default. Text is only ever shown, and may be
anything; what becomes the name of a file, or decides something, has a pattern.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from option_critic.runs.files import MAX_EVALUATION, read_as
from option_critic.runs.paths import RunPath

LARGEST = 1e30
"""Of the numbers on a page: their squares and sums stay finite."""
MOST_OPTIONS = 1_000

Number = Annotated[float, Meta(ge=-LARGEST, le=LARGEST)]
Count = Annotated[int, Meta(ge=0, lt=1 << 53)]
Goals = Annotated[str, Meta(pattern=r"\A[A-Za-z0-9-]{1,40}\Z")]
"""A goal set's name: A, B, C, D, seed-N; `episodes` where there are no goals."""
Names = Annotated[tuple[str, ...], Meta(max_length=MOST_OPTIONS)]


class Interval(Struct, frozen=True):
    """A figure with its 95 % interval."""

    value: Number
    low: Number
    high: Number
    n: Count


class TaskRow(Struct, frozen=True):
    """What was found of one of several tasks."""

    summary: Annotated[dict[str, Interval | None], Meta(max_length=100)]
    shares: Annotated[dict[str, Number], Meta(max_length=MOST_OPTIONS)] = {}
    """option -> share of the steps"""


class EpisodeRow(Struct, frozen=True):
    """What is told of one episode; success as far as the task has it."""

    length: Annotated[int, Meta(ge=1, lt=1 << 53)]
    return_: Number = msgspec.field(name="return")
    goal: Annotated[tuple[Number, ...], Meta(max_length=1_000)] | None = None
    any: bool | None = None
    held: bool | None = None
    task: str = ""
    """Of several."""


class Result(Struct, frozen=True):
    """One evaluation: a goal set (or plain episodes) in one mode."""

    training_steps: Count
    goals: Goals
    mode: Literal["deterministic", "stochastic"]
    summary: Annotated[dict[str, Interval | None], Meta(max_length=100)]
    episodes: Annotated[tuple[EpisodeRow, ...], Meta(min_length=1, max_length=100_000)]
    tasks: Annotated[dict[str, TaskRow], Meta(max_length=100)] = {}
    """of several; empty: it was one"""

    @property
    def key(self) -> str:
        """Under which it stands in evaluation.json; what belongs to it begins with it: trace, pictures, videos."""
        return f"{self.training_steps:012d}-{self.goals}-{self.mode}"


class Evaluation(Struct, frozen=True):
    """evaluation.json."""

    results: Annotated[dict[str, msgspec.Raw], Meta(max_length=1_000)]
    env_id: str = ""
    option_names: Names = ()

    def sound(self) -> dict[str, Result]:
        """The results that are what `evaluate` writes, each under its own key."""
        found = dict[str, Result]()
        for key, raw in self.results.items():
            try:
                result = msgspec.json.decode(raw, type=Result)
            except (ValueError, RecursionError, msgspec.MsgspecError):
                continue
            if result.key == key:
                found[key] = result
        return found


class OptionRow(Struct, frozen=True):
    """What one option did."""

    name: str
    share: Number
    phases: Annotated[dict[str, Number], Meta(max_length=20)]
    duration: Number | None
    cut_duration: Number | None = None
    meant_for: str = ""


class Together(Struct, frozen=True):
    """What all options did together."""

    options: Annotated[tuple[OptionRow, ...], Meta(max_length=MOST_OPTIONS)]
    episodes: Count | None = None
    nmi: Number | None = None
    effective_number: Number | None = None
    learned_ends: Number | None = None
    choices: Number | None = None
    choice_entropy: Number | None = None
    saturation: Number | None = None


class Value(Struct, frozen=True):
    """A figure of an ablation; older ones are without an interval."""

    value: Number
    low: Number | None = None
    high: Number | None = None
    n: Count = 0


class Diagnosis(Struct, frozen=True):
    """diagnosis.json."""

    diagnosis: Together
    ablations: Annotated[
        dict[str, Annotated[dict[str, Value | None], Meta(max_length=20)]], Meta(max_length=3 * MOST_OPTIONS + 1)
    ]
    env_id: str = ""
    training_steps: Count | None = None
    goals: Goals | None = None


Versions = Annotated[dict[str, str], Meta(max_length=200)]


def read_evaluation(path: RunPath) -> Evaluation:
    """Raises CheckpointError where it is missing or damaged."""
    found: Evaluation = read_as(path, Evaluation, MAX_EVALUATION)
    return found


def read_diagnosis(path: RunPath) -> Diagnosis:
    """Raises CheckpointError where it is missing or damaged."""
    found: Diagnosis = read_as(path, Diagnosis)
    return found


def read_versions(path: RunPath) -> dict[str, str]:
    """What a run was made with. Raises CheckpointError where it is missing or damaged."""
    found: dict[str, str] = read_as(path, Versions)
    return found
