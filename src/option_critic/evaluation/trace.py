"""The Trace: everything an evaluation saw, step by step. Diagnosis, pictures and tables read it and nothing else."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import load as safetensors_load
from safetensors.numpy import save

from option_critic.envs.contract import Array, Mask
from option_critic.errors import InputError
from option_critic.runs.paths import RunPath
from option_critic.runs.tensor_files import header, load


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

    def save(self, path: RunPath, meta: dict[str, Any]) -> None:
        """Write as safetensors, `meta` as JSON in its header: numbers with 32 bits, but goals in full, as the
        simulator starts from them."""
        arrays = {f.name: getattr(self, f.name) for f in fields(self) if f.name != "info"}
        small = {np.dtype(np.float64): np.float32, np.dtype(np.int64): np.int32}
        tensors = {
            name: np.ascontiguousarray(x if name == "goal" else x.astype(small.get(x.dtype, x.dtype)))
            for name, x in (arrays | {f"info/{n}": x for n, x in self.info.items()}).items()
        }
        path.write(save(tensors, metadata={"meta": json.dumps(meta)}))

    @staticmethod
    def load(path: RunPath, action_repeat: int | None = None) -> tuple[Trace, dict[str, Any]]:
        """Read what `save` wrote -> (trace, meta). Raises TraceError for what is damaged or of another version.

        Older files do not say which steps were decisions; `action_repeat`, that of their run, does.
        """
        try:
            _, written = header(path)
            arrays, meta = load(path, safetensors_load), json.loads(written["meta"])
        except (ValueError, KeyError) as error:
            raise TraceError(path, f"is missing or damaged ({type(error).__name__})") from error
        info = {name.removeprefix("info/"): x for name, x in arrays.items() if name.startswith("info/")}
        wanted, there = {f.name for f in fields(Trace)} - {"info"}, arrays.keys() - {f"info/{name}" for name in info}
        if wanted ^ there == {"decided"} and action_repeat is not None:
            steps = np.arange(arrays["option"].shape[1])
            arrays["decided"] = (steps % action_repeat == 0) & (steps < arrays["length"][:, None])
        elif wanted != there:
            names = ", ".join(sorted(wanted ^ there))
            raise TraceError(path, f"was written by another version (it differs in {names})")
        return Trace(**{name: arrays[name] for name in wanted}, info=info), meta
