"""A trace, packed for the page: numbers of one or two bytes, which is all that a screen can show."""

from __future__ import annotations

import base64
from collections.abc import Collection, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from option_critic.envs.contract import Array, Mask
from option_critic.evaluation.metaworld_protocol import LIFT
from option_critic.evaluation.trace import Trace
from option_critic.legible import legible
from option_critic.report.run_data import Evaluated

FLAGS = ("ended", "forced", "near", "grasped", "lifted", "success", "decided")
"""One bit each, from the lowest on."""
LEVELS = 65535
BYTE = 256
"""Options that a byte tells apart."""


def encode(evaluated: Evaluated, limit: int, filmed: Collection[int] = ()) -> dict[str, Any] | None:
    """At most `limit` episodes of an evaluation for the page's script; none where there is no trace, or no room.

    Steps of all episodes one after the other: option (a byte, two where there are many), flags (a byte), beta (a byte:
    0 to 255), and in two bytes each, between the bounds in `scale`, the K values of the options, the reward and the
    distance to the goal.
    """
    if evaluated.trace is None or limit < 1:
        return None
    chosen = worth_showing(evaluated, limit, filmed)
    trace = evaluated.trace.take(chosen)
    mask, steps = trace.mask, flags(trace)
    packed = {"q": trace.q[mask], "reward": trace.reward[mask]}
    far = tells_distance(trace)
    if far.any():
        packed["distance"] = trace.info["obj_to_target"][mask]
    scale = {name: [float(x.min()), float(x.max())] for name, x in packed.items()}
    bits = sum(steps[name][mask].astype(np.uint8) << i for i, name in enumerate(FLAGS))
    return {
        "key": evaluated.key,
        "title": evaluated.title,
        "total": len(evaluated.trace.length),
        "episodes": [{**episode(evaluated, steps, e, i), "far": bool(far[e])} for e, i in enumerate(chosen)],
        "K": trace.q.shape[-1],
        "scale": scale,
        "option": text(trace.option[mask].astype(np.uint8 if trace.q.shape[-1] <= BYTE else "<u2")),
        "flags": text(np.asarray(bits, dtype=np.uint8)),
        "beta": text(np.rint(np.clip(trace.beta[mask], 0, 1) * 255).astype(np.uint8)),
        **{name: text(levels(x, *scale[name])) for name, x in packed.items()},
    }


def size(trace: Trace) -> int:
    """Characters that the longest of its episodes takes on the page."""
    numbers = trace.q.shape[-1] + 1 + ("obj_to_target" in trace.info)
    return int(trace.length.max()) * (2 * int(numbers) + 4) * 4 // 3


def worth_showing(evaluated: Evaluated, limit: int, filmed: Collection[int]) -> list[int]:
    """Which episodes: all, or those filmed, the failed ones (up to half of the limit) and others, both spread evenly:
    where there are several tasks, over these."""
    rows = evaluated.result.episodes
    if len(rows) <= limit:
        return list(range(len(rows)))
    failed = spread([i for i, row in enumerate(rows) if row.any is False], limit // 2)
    first = [*dict.fromkeys([*filmed, *failed])][:limit]
    return sorted([*first, *spread([i for i in range(len(rows)) if i not in first], limit - len(first))])


def spread(numbers: Sequence[int], most: int) -> list[int]:
    """At most so many of them, evenly."""
    count = min(len(numbers), most)
    return [numbers[j * len(numbers) // count] for j in range(count)]


def episode(evaluated: Evaluated, steps: dict[str, Mask], e: int, number: int) -> dict[str, Any]:
    """What the list of episodes says of one: e among those shown, `number` among all."""
    row, success = evaluated.result.episodes[number], steps["success"][e]
    return {
        "number": number,
        "steps": row.length,
        "return": round(row.return_, 2),
        "success": int(success.argmax()) + 1 if success.any() else None,
        "held": row.held,
        "missed": row.any is False,
        "task": legible(row.task),
    }


def flags(trace: Trace) -> dict[str, Mask]:
    """Name -> [E, T]: ends of options (of an episode's first step none), the marks of the task, if it has any, and
    where the agent decided."""
    later = np.arange(trace.option.shape[1])[None] > 0
    nothing = np.zeros(trace.option.shape, dtype=np.bool_)
    info = trace.info
    lifted = nothing
    if {"object_height", "initial_height"} <= info.keys():
        lifted = info["object_height"] > info["initial_height"][:, :1] + LIFT
    return {
        "ended": trace.ended & later,
        "forced": trace.forced & trace.ended & later,
        "near": info["near_object"] > 0 if "near_object" in info else nothing,
        "grasped": info["grasp_success"] > 0 if "grasp_success" in info else nothing,
        "lifted": lifted,
        "success": info["success"] > 0 if "success" in info else nothing,
        "decided": trace.decided,
    }


def tells_distance(trace: Trace) -> Mask:
    """[E] whether each episode tells how far the object is from the goal. Of five tasks (assembly, box-close,
    disassemble, door-open, hammer) Meta-World says 0 all along."""
    if "obj_to_target" not in trace.info:
        return np.zeros(len(trace.length), dtype=np.bool_)
    told: Mask = np.any((trace.info["obj_to_target"] != 0) & trace.mask, axis=1)
    return told


def levels(x: Array, low: float, high: float) -> npt.NDArray[np.uint16]:
    """Numbers between `low` and `high` as 0 to 65535."""
    return np.rint((x.astype(np.float64) - low) / max(high - low, 1e-12) * LEVELS).astype("<u2")


def text(x: npt.NDArray[Any]) -> str:
    """Bytes as base64."""
    return base64.b64encode(np.ascontiguousarray(x).tobytes()).decode()
