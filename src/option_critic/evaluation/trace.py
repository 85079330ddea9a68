"""The Trace: everything an evaluation saw, step by step. Diagnosis, pictures and tables read it and nothing else."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
from safetensors.numpy import load as safetensors_load
from safetensors.numpy import save

from option_critic.envs.contract import Array, Mask
from option_critic.errors import InputError
from option_critic.runs.paths import RunPath
from option_critic.runs.tensor_files import Form, header, load


class TraceError(InputError):
    """A trace cannot be read."""

    def __init__(self, path: RunPath, why: str) -> None:
        self.why = f"{why}; run `option-critic evaluate` again"
        super().__init__(f"the trace {path} {self.why}")


@dataclass(frozen=True)
class Trace:
    """E episodes of up to T steps with K options; rows behind an episode's end are zero."""

    length: npt.NDArray[np.int64]
    """[E] steps of each episode"""
    option: npt.NDArray[np.int64]
    """[E, T] the option that executed"""
    decided: Mask
    """[E, T] the agent decided here; in other steps it went on with the action that it holds, and nothing could end"""
    ended: Mask
    """[E, T] the arriving option ended here"""
    forced: Mask
    """[E, T] ... by force (first step, length, no interest)"""
    beta: Array
    """[E, T] effective termination probability of the option that arrived at the last decision"""
    q: Array
    """[E, T, K] option values"""
    mu: Array
    """[E, T, K] policy over options"""
    interest: Array
    """[E, T, K] in being chosen, over the permitted options"""
    distance: Array
    """[E, T, K] Hellinger distance of each option's policy from that of the one that executed"""
    action: Array
    """[E, T, A] as the environment took it (A = 1 where actions are numbered)"""
    goal: Array
    """[E, G] the task's random vector (positions of object and goal); G = 0 where there is none"""
    reward: Array
    """[E, T] raw"""
    info: dict[str, Array]
    """name -> [E, T]: success, near_object, grasp_success, obj_to_target, object_height and
    initial_height, where the task has them; cut: the evaluation's own limit ended the episode here"""

    @property
    def mask(self) -> Mask:
        """[E, T] real steps."""
        steps: Mask = np.arange(self.option.shape[1])[None] < self.length[:, None]
        return steps

    def take(self, episodes: npt.NDArray[np.int64] | list[int]) -> Trace:
        """The trace of some of the episodes."""
        picked = {f.name: getattr(self, f.name)[episodes] for f in fields(self) if f.name != "info"}
        return Trace(**picked, info={name: x[episodes] for name, x in self.info.items()})

    def save(self, path: Path | RunPath, meta: dict[str, Any]) -> None:
        """Write as safetensors, `meta` as JSON in its header: numbers with 32 bits, but goals in full, as the
        simulator starts from them."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "info"}
        small = {np.dtype(np.float64): np.float32, np.dtype(np.int64): np.int32}
        tensors = {
            name: np.ascontiguousarray(x if name == "goal" else x.astype(small.get(x.dtype, x.dtype)))
            for name, x in (arrays | {f"info/{n}": x for n, x in self.info.items()}).items()
        }
        RunPath.of_file(path).write(save(tensors, metadata={"meta": json.dumps(meta)}))

    @staticmethod
    def load(place: Path | RunPath, action_repeat: int | None = None) -> tuple[Trace, dict[str, Any]]:
        """Read what `save` wrote -> (trace, meta). Raises TraceError for what is damaged or of another version.

        Older files do not say which steps were decisions; `action_repeat`, that of their run, does.
        """
        path = RunPath.of_file(place)
        try:
            forms, written = header(path)
            check_names(path, forms, action_repeat is not None)
            check_forms(path, forms)
            arrays = load(path, safetensors_load)
            meta = msgspec.json.decode(written["meta"], type=dict[str, Any])
        except TraceError:
            raise
        except (ValueError, KeyError, RecursionError, msgspec.MsgspecError) as error:
            raise TraceError(path, f"is missing or damaged ({said(path, error)})") from error
        for name in arrays.keys() & TRUTHS:  # a byte that is neither 0 nor 1 means anything to numpy
            arrays[name] = arrays[name].view(np.uint8) > 0
        info = {name.removeprefix(INFO): x for name, x in arrays.items() if name.startswith(INFO)}
        if "decided" not in arrays and action_repeat is not None:
            steps = np.arange(arrays["option"].shape[1])
            arrays["decided"] = (steps % action_repeat == 0) & (steps < arrays["length"][:, None])
        trace = Trace(**{name: arrays[name] for name in FORMS}, info=info)
        check_values(path, trace)
        return trace, meta


INFO = "info/"
TRUTHS = ("decided", "ended", "forced")
WHOLE, TRUTH, REAL = ("I32", "I64"), ("BOOL",), ("F32", "F64")
FORMS: dict[str, tuple[tuple[str, ...], str]] = {
    "length": (WHOLE, "E"),
    "option": (WHOLE, "ET"),
    **dict.fromkeys(TRUTHS, (TRUTH, "ET")),
    **dict.fromkeys(("beta", "reward"), (REAL, "ET")),
    **dict.fromkeys(("q", "mu", "interest", "distance"), (REAL, "ETK")),
    "action": (REAL, "ETA"),
    "goal": (REAL, "EG"),
}
"""Array -> how its numbers may be written, and its dimensions: the same letter is the same number everywhere."""
MOST = {"E": 100_000, "K": 1_000, "A": 10_000, "G": 1_000}
"""Of each dimension; a trace's steps are bounded by the file, which says for each whether it was a decision."""
MAX_INFO = 100
MAX_BYTES = 1 << 30
LARGEST = 1e30
"""Of all numbers: their sums and squares stay finite."""


def check_names(path: RunPath, forms: dict[str, Form], decided_is_known: bool) -> None:
    """Raise TraceError unless the arrays are those of a trace; older ones lack `decided`."""
    there = {name for name in forms if not name.startswith(INFO)}
    differs = FORMS.keys() ^ there
    if differs and not (differs == {"decided"} and "decided" in FORMS.keys() - there and decided_is_known):
        names = ", ".join(sorted(differs)[:20])
        raise TraceError(path, f"was written by another version (it differs in {names:.300})")
    if len(forms) - len(there) > MAX_INFO:
        raise TraceError(path, f"is damaged: it has {len(forms) - len(there):,} arrays of what environments tell")


def check_forms(path: RunPath, forms: dict[str, Form]) -> None:
    """Raise TraceError unless the arrays that a file claims to hold belong together, before any of them is read."""
    sizes = dict[str, int]()
    for name, (dtype, shape) in sorted(forms.items(), key=lambda item: item[0] != "option"):
        dtypes, letters = FORMS.get(name, ((*REAL, *WHOLE), "ET"))
        fits = dtype in dtypes and len(shape) == len(letters)
        if not fits or any(sizes.setdefault(x, n) != n for x, n in zip(letters, shape, strict=True)):
            raise TraceError(
                path, f"is damaged: {name:.80} is {dtype:.10} {list(shape[:5])}, which does not fit the rest"
            )
    for x, n in sizes.items():
        if not (x == "G" or n >= 1) or n > MOST.get(x, MAX_BYTES):
            raise TraceError(path, f"is damaged: it has {n:,} {DIMENSIONS[x]}")
    if (size := path.status()) is not None and size.st_size > MAX_BYTES:
        raise TraceError(path, "is larger than 1 GB: more than can be shown")


DIMENSIONS = {
    "E": "episodes",
    "T": "steps",
    "K": "options",
    "A": "numbers in an action",
    "G": "numbers in a goal",
}


def check_values(path: RunPath, trace: Trace) -> None:
    """Raise TraceError unless lengths, options and probabilities are such, and all numbers finite."""
    steps, options = trace.q.shape[1:]
    if trace.length.min() < 1 or trace.length.max() > steps:
        raise TraceError(path, f"is damaged: the length of an episode is not between 1 and {steps}")
    if trace.option.min() < 0 or trace.option.max() >= options:
        raise TraceError(path, f"is damaged: the number of an option is not between 0 and {options - 1}")
    real = {name: getattr(trace, name) for name, (dtypes, _) in FORMS.items() if dtypes is REAL}
    for name, x in (real | trace.info).items():
        low, high = (-SLACK, 1 + SLACK) if name in ("beta", "mu") else (-LARGEST, LARGEST)
        if x.size and not (x.min() >= low and x.max() <= high):  # NaN is neither
            raise TraceError(path, f"is damaged: {name:.80} holds a number that is not between {low:g} and {high:g}")


SLACK = 1e-3
"""Of probabilities in 32 bits."""


def said(path: RunPath, error: Exception) -> str:
    """What is wrong, without naming the file once more."""
    return str(error).replace(f"{path} ", "")
