"""What the options did: figures of a Trace, and of nothing else.

Where the task tells success they are taken over the steps up to the first one and ten more: later an arm only holds,
and that would look like one option for everything. Elsewhere over whole episodes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt

from option_critic.envs.contract import Array, Mask
from option_critic.evaluation.metaworld_protocol import LIFT
from option_critic.evaluation.trace import Trace
from option_critic.options.settings import OptionSettings

PHASES = ("approach", "grasp", "carry")
"""Of tasks in which an object is lifted."""
AFTER = 10
"""Steps behind the first success that still count."""
SATURATED = 0.01
"""A termination probability this close to 0 or 1 hardly learns."""
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class OptionFigures:
    """What one option did."""

    name: str
    share: float
    """of all steps"""
    phases: dict[str, float]
    """phase -> share of the option's steps in it; empty where the task has none"""
    meant_for: str
    """the phase of its definition; empty: none was named"""
    duration: float | None
    """mean steps of the runs that it ended; none: it ended none"""
    runs: int
    """such runs"""
    cut_duration: float | None
    """mean steps of the runs that the end of the window cut short (censored)"""
    cut_runs: int
    distance: dict[str, float | None]
    """other option -> mean Hellinger distance of its policy where this one decided and both were interested"""

    @property
    def mean_duration(self) -> float | None:
        """Of all its runs, a cut one counted with the steps that it had (so at least this)."""
        count = self.runs + self.cut_runs
        total = self.runs * (self.duration or 0.0) + self.cut_runs * (self.cut_duration or 0.0)
        return total / count if count else None

    @property
    def main_phase(self) -> str:
        """The phase of most of its steps."""
        return max(self.phases, key=self.phases.__getitem__) if any(self.phases.values()) else ""


@dataclass(frozen=True)
class Diagnosis:
    """What all options did together."""

    episodes: int
    steps: int
    options: tuple[OptionFigures, ...]
    nmi: float | None
    """mutual information of option and phase, over the root of both entropies; none: the task has no phases"""
    effective_number: float
    """exp of the entropy of the options' shares, 1 to K"""
    ends: int
    """ends of options, episode starts apart"""
    learned_ends: float | None
    """share of them by the learned termination; the others were forced (interest, own end, length)"""
    decisions: int
    """choices of an option, episode starts included"""
    choices: float
    """share of them with two or more interested options"""
    choice_entropy: float
    """mean entropy of the policy over options at decisions, in nats"""
    saturation: float | None
    """share of termination probabilities below 0.01 or above 0.99, where an end was free: at a decision, not forced,
    and another option interested"""

    @property
    def agrees(self) -> bool:
        """Whether every option that is meant for a phase spends most of its steps in it."""
        return all(o.main_phase == o.meant_for for o in self.options if o.meant_for)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def diagnose(
    trace: Trace, names: tuple[str, ...], meant_for: tuple[str, ...], rules: OptionSettings | None = None
) -> Diagnosis:
    """The figures of a trace with the options `names`, each meant for a phase ('' for none).

    Shares, phases and durations are of steps; what is said of policies, choices and ends is of decisions. `rules` say
    whose ends are given, and how long none can end.
    """
    steps, phase = window(trace), phases(trace)
    option, numbers = trace.option[steps], range(len(names))
    share = np.bincount(option, minlength=len(names)) / len(option)
    first = np.zeros_like(trace.ended)
    first[:, 0] = True
    ended, chosen = trace.ended & steps & ~first, trace.ended & steps
    decided, interested = trace.decided & steps, trace.interest > 0
    given, young = bound(trace, rules)
    free = decided & ~trace.forced & ~given & ~young & ((interested.sum(-1) > 1) | (len(names) == 1))
    done, cut = durations(trace.option, steps, len(names))
    return Diagnosis(
        episodes=len(trace.length),
        steps=int(steps.sum()),
        options=tuple(
            OptionFigures(
                name=names[k],
                share=float(share[k]),
                phases={} if phase is None else phase_shares(phase[steps & (trace.option == k)]),
                meant_for=meant_for[k] if phase is not None else "",
                duration=average(done[k]),
                runs=len(done[k]),
                cut_duration=average(cut[k]),
                cut_runs=len(cut[k]),
                distance={
                    names[j]: average(trace.distance[decided & (trace.option == k) & interested[..., k]
                                                     & interested[..., j], j])
                    for j in numbers if j != k
                },
            )
            for k in numbers
        ),
        nmi=None if phase is None else mutual_information(option, phase[steps]),
        effective_number=float(np.exp(entropy(share))),
        ends=int(ended.sum()),
        learned_ends=average(~trace.forced[ended] & ~given[ended]),
        decisions=int(chosen.sum()),
        choices=float((interested.sum(-1) > 1)[chosen].mean()),
        choice_entropy=float(entropy(trace.mu[chosen]).mean()),
        saturation=average(np.abs(trace.beta[free] - 0.5) > 0.5 - SATURATED),
    )  # fmt: skip


def bound(trace: Trace, rules: OptionSettings | None) -> tuple[Mask, Mask]:
    """[E, T] each: the end of the option that arrives is given; it has not made as many decisions as it has to."""
    nothing, steps = np.zeros(trace.option.shape, dtype=np.bool_), np.arange(trace.option.shape[1])
    if rules is None:
        return nothing, nothing
    arriving = np.roll(trace.option, 1, axis=1)
    given = nothing if rules.given_ends is None else np.array(rules.given_ends)[arriving]
    if rules.least is None:
        return given, nothing
    made: Ints = np.cumsum(trace.decided, axis=1) - trace.decided  # decisions before each step
    began = np.roll(np.maximum.accumulate(np.where(trace.ended, steps, 0), axis=1), 1, axis=1)
    age: Ints = made - np.take_along_axis(made, began, axis=1)
    return given, (age < np.array(rules.least)[arriving]) & (steps > 0)


def averaged(each: Sequence[Diagnosis]) -> Diagnosis:
    """Of several tasks: counts are summed, all other figures are means over the tasks, each of which counts alike. Not
    of all steps together: a policy over options that reads nothing but the task would seem to follow phases."""
    return Diagnosis(**{f.name: together([getattr(d, f.name) for d in each]) for f in fields(Diagnosis)})


def together(values: Sequence[Any]) -> Any:
    """The sum of counts, the mean of other numbers that are there; in records, lists and tables one by one."""
    first = values[0]
    if isinstance(first, OptionFigures):
        ran = [v for v in values if any(v.phases.values())] or values  # phases: of tasks in which it ran
        return OptionFigures(
            **{
                f.name: together([getattr(v, f.name) for v in (ran if f.name == "phases" else values)])
                for f in fields(OptionFigures)
            }
        )
    if isinstance(first, tuple):
        return tuple(together(each) for each in zip(*values, strict=True))
    if isinstance(first, dict):
        return {key: together([v[key] for v in values if key in v]) for key in first}
    if isinstance(first, str):
        return first
    if isinstance(first, int):
        return sum(values)
    there = [v for v in values if v is not None and not math.isnan(v)]
    return sum(there) / len(there) if there else None


def window(trace: Trace) -> Mask:
    """[E, T] the steps that count: up to the first success and ten more, where the task tells success."""
    if "success" not in trace.info:
        return trace.mask
    before = np.cumsum((trace.info["success"] > 0) & trace.mask, axis=1) == 0
    last = np.where(before.all(1), before.shape[1], before.sum(1) + AFTER)
    steps: Mask = trace.mask & (np.arange(before.shape[1])[None] <= last[:, None])
    return steps


def phases(trace: Trace) -> Ints | None:
    """[E, T] number of the phase: carry once the object is 2 cm above its start, else grasp once the hand has
    been near it, else approach. None where the task does not tell, or all is approach.
    """
    if not {"near_object", "object_height", "initial_height"} <= set(trace.info):
        return None
    lifted = trace.info["object_height"] > trace.info["initial_height"][:, :1] + LIFT
    near = np.logical_or.accumulate(trace.info["near_object"] > 0, axis=1)
    phase = np.where(lifted, 2, near.astype(np.int64))
    return phase if phase[trace.mask].any() else None


def phase_shares(phase: Ints) -> dict[str, float]:
    """Phase -> its share of the steps `phase` [N]."""
    counts = np.bincount(phase, minlength=len(PHASES))
    return {name: float(n / max(1, len(phase))) for name, n in zip(PHASES, counts, strict=True)}


def durations(option: Ints, steps: Mask, num_options: int) -> tuple[list[list[int]], list[list[int]]]:
    """Per option, the lengths of its runs within `steps` [E, T]: those that it ended, and those cut short.

    A run lasts until another option takes over: to end and be chosen again does not end it.
    """
    done: list[list[int]] = [[] for _ in range(num_options)]
    cut: list[list[int]] = [[] for _ in range(num_options)]
    for sequence, mask in zip(option, steps, strict=True):
        ran = sequence[mask]
        bounds = [0, *(np.flatnonzero(np.diff(ran)) + 1), len(ran)]
        for begin, end in pairwise(bounds):
            (cut if end == len(ran) else done)[int(ran[begin])].append(int(end - begin))
    return done, cut


def mutual_information(a: Ints, b: Ints) -> float:
    """I(a; b) / sqrt(H(a) H(b)) of two labellings [N]; 0 where one of them never changes."""
    joint = np.zeros((a.max() + 1, b.max() + 1))
    np.add.at(joint, (a, b), 1.0 / len(a))
    h_a, h_b, h_ab = entropy(joint.sum(1)), entropy(joint.sum(0)), entropy(joint.ravel())
    return float((h_a + h_b - h_ab) / np.sqrt(h_a * h_b)) if min(h_a, h_b) > 1e-9 else 0.0


def entropy(p: Array) -> Any:
    """- sum p log p over the last axis, in nats."""
    return -(p * np.log(np.where(p > 0, p, 1.0))).sum(-1)


def average(x: Any) -> float | None:
    """The mean; none of nothing."""
    return float(np.mean(x)) if len(x) else None
