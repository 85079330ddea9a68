"""What is observed, under names that a reader who knows nothing of the environment can use."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from option_critic.envs.metaworld import OBJECT_Z, OfficialTask
from option_critic.functional.arrays import NDArray
from option_critic.observation_space import Part
from option_critic.options.feature import Feature
from option_critic.options.reach_grasp_move import GRIPPER_OPENING, HAND_TO_OBJECT, OBJECT_TO_GOAL
from option_critic.planning.option_env import OptionEnv

Number = float | None
"""None: it is not finite, and JSON has no other word for that."""
Value = Number | list[Number]
LONG = 32
"""Numbers beyond which those of an array that are 0 are left out."""
MOST = 256
"""Numbers that are told of one array."""
ARM = (
    Feature("hand", (0, 1, 2)),
    GRIPPER_OPENING,
    Feature("object", (4, 5, 6)),
    Feature("second object", (11, 12, 13)),
    Feature("goal", (36, 37, 38)),
    HAND_TO_OBJECT,
    OBJECT_TO_GOAL,
)
"""Of every task of Meta-World: x (to the side), y (forth) and z (up) in m; the gripper's opening, 1: open."""


class Quantities:
    """Names what an environment of options observes."""

    def __init__(self, env: OptionEnv) -> None:
        self.env, self.task = env, env.env if isinstance(env.env, OfficialTask) else None
        seen = [feature for option in env.runner.options for feature in option.sees or ()]
        self.features = {f.name: f for f in (*(ARM if self.task else ()), *seen)}

    def at(self, obs: Any, most: int | None = MOST) -> dict[str, Value]:
        """Name -> value, of an observation as the environment has it: Meta-World's parts, or all parts by their paths,
        `most` numbers of each; and the features that options look at."""
        found = {} if self.task else dict(self._parts(obs, most))
        if self.features:
            row = self.env.spaces.flatten(obs, batched=False)[None]
            numbers = self.env.runner.numbers(row)[0]
            found |= {name: read(numbers, feature) for name, feature in self.features.items()}
        if self.task:
            found["height of the object above its start"] = told(obs[OBJECT_Z] - self.task.initial_height)
            if not any(found["second object"]):  # type: ignore[arg-type]
                del found["second object"]
        return found

    def _parts(self, obs: Any, most: int | None) -> list[tuple[str, Value]]:
        """All but images."""
        return [entry for part in self.env.spaces.row.parts if not part.is_image for entry in entries(part, obs)[:most]]


def entries(part: Part, obs: Any) -> list[tuple[str, Value]]:
    """The numbers of a part of an observation, each under its path."""
    name, values = f"obs{part.name}", np.asarray(part.of(obs))
    if not values.ndim:
        return [(name, told(values))]
    places = np.argwhere(values) if values.size > LONG else list(np.ndindex(values.shape))
    return [(name + "".join(f"[{i}]" for i in at), told(values[tuple(at)])) for at in places]


def read(numbers: NDArray, feature: Feature) -> Value:
    """A feature of an observation [D]."""
    values = numbers[list(feature.plus)].astype(np.float64)
    if feature.minus:
        values = values - numbers[list(feature.minus)]
    return [told(x) for x in values] if len(values) > 1 else told(values[0])


def told(x: Any) -> Number:
    """A number in five digits."""
    number = float(f"{float(x):.5g}")
    return number if math.isfinite(number) else None


def changes(before: dict[str, Value], after: dict[str, Value]) -> dict[str, tuple[Value, Value]]:
    """Name -> what it was and is, of all that is another. What is left out of long arrays is 0."""
    names = [*after, *(name for name in before if name not in after)]
    both = {name: (before.get(name, 0.0), after.get(name, 0.0)) for name in names}
    return {name: pair for name, pair in both.items() if pair[0] != pair[1]}
