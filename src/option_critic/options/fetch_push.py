"""Approach and push for the Fetch arm of Gymnasium-Robotics, in tasks in which it pushes an object with shut fingers.

Written on the flattened observation, as `fetch.py`. Approach goes behind the object as the goal sees it, push goes on
from there. Both are paid for coming nearer to that place: while the object rests, every goal that hindsight finds is
where it lies already. Were only approach, they would go away and come back for ever. They read the goal, so hindsight
asks them anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from option_critic.options.ahead import DONE, from_behind, is_ahead, length
from option_critic.options.feature import Feature
from option_critic.options.fetch import BESIDE, BONUS, GOAL, NEARER, SPEED, TO_OBJECT
from option_critic.options.option import Option

if TYPE_CHECKING:
    from torch import Tensor

PLACED = 0.03
"""Nearer than so many m to the place behind the object approach has done its work."""
OBJECT_SPEED = Feature("object speed, from the gripper", (20, 21, 22))


def to_goal(obs: Tensor) -> Any:
    """From the object to the goal, seen from above, in m [..., 2]."""
    return obs[..., 3:5] - obs[..., 0:2]


def away(obs: Tensor) -> Any:
    """From the gripper to the place behind the object, in m."""
    return from_behind(obs[..., BESIDE], to_goal(obs))


def at_goal(obs: Tensor) -> Any:
    """Whether the object is there."""
    return length(to_goal(obs)) < DONE


def elsewhere(obs: Tensor) -> Any:
    """Where approach may run."""
    return (away(obs) > PLACED) & ~at_goal(obs)


def behind(obs: Tensor) -> Any:
    """Where push may run: the object lies before the gripper, on the way to the goal, or at it."""
    return is_ahead(obs[..., BESIDE], to_goal(obs)) | at_goal(obs)


def nearer(obs: Tensor, next_obs: Tensor) -> Any:
    """By how much the gripper came nearer to that place, a tenth of a metre as much as a step costs."""
    return NEARER * (away(obs) - away(next_obs))


FETCH_PUSH = (
    Option(
        name="approach",
        interest=elsewhere,
        sees=(TO_OBJECT, SPEED, GOAL),
        bonus=lambda obs: BONUS * ~behind(obs),
        reward=nearer,
        arrays=True,
        phase="approach",
    ),
    Option(
        name="push",
        interest=behind,
        sees=(TO_OBJECT, SPEED, OBJECT_SPEED, GOAL),
        bonus=lambda obs: BONUS * behind(obs),
        reward=nearer,
        arrays=True,
        phase="carry",
    ),
)
