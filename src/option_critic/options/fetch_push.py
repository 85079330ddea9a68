"""Approach and push for the Fetch arm of Gymnasium-Robotics, in tasks in which it pushes an object with shut fingers.

Written on the flattened observation, as `fetch.py`. While the object rests every goal that hindsight finds is where it
lies, so approach is paid for coming nearer; push sees where the object is to go, and is paid by the task alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from option_critic.options.feature import Feature
from option_critic.options.fetch import GOAL, SPEED, TO_OBJECT, distance, nearer
from option_critic.options.option import Option

if TYPE_CHECKING:
    from torch import Tensor

TOUCHING, APART = 0.06, 0.09
"""Within so many m of its middle the fingers touch the object at its side; beyond so many they are away from it."""
OBJECT_SPEED = Feature("object speed, from the gripper", (20, 21, 22))


def away(obs: Tensor) -> Any:
    """Where approach may run."""
    return distance(obs) > TOUCHING


def beside(obs: Tensor) -> Any:
    """Where push may run."""
    return distance(obs) < APART


BONUS = 0.2
FETCH_PUSH = (
    Option(
        name="approach",
        interest=away,
        sees=(TO_OBJECT, SPEED, GOAL),
        bonus=lambda obs: BONUS * ~beside(obs),
        reward=nearer,
        arrays=True,
        phase="approach",
    ),
    Option(
        name="push",
        interest=beside,
        sees=(TO_OBJECT, SPEED, OBJECT_SPEED, GOAL),
        bonus=lambda obs: BONUS * beside(obs),
        arrays=True,
        phase="carry",
    ),
)
