"""Approach and push: two options for tasks in which Meta-World's arm pushes something over the table with shut fingers.

Written on hand, object and goal as they are observed; never on the simulator's `info`. Approach goes behind the object
as the goal sees it, push goes on from there and keeps it at the goal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from option_critic.options.ahead import DONE, from_behind, is_ahead, length
from option_critic.options.option import Option
from option_critic.options.reach_grasp_move import (
    BONUS,
    FINGERTIPS,
    GRIPPER,
    HAND_SPEED,
    HAND_TO_OBJECT,
    OBJECT_TO_GOAL,
)

if TYPE_CHECKING:
    from torch import Tensor

PLACED = 0.03
"""Nearer than so many m to the place behind the object approach has done its work."""
SHUT = 1.0
NEARER = 20.0
"""What a metre is paid."""


def to_goal(obs: Tensor) -> Any:
    """From the object to the goal, seen from above, in m [..., 2]."""
    return obs[..., 36:38] - obs[..., 4:6]


def to_object(obs: Tensor) -> Any:
    """From the fingertips to the object's middle, in m [..., 3]."""
    way = obs[..., 4:7] - obs[..., 0:3]
    way[..., 2] += FINGERTIPS
    return way


def at_goal(obs: Tensor) -> Any:
    """Whether the object is there."""
    return length(to_goal(obs)) < DONE


def away(obs: Tensor) -> Any:
    """From the fingertips to the place behind the object, in m."""
    return from_behind(to_object(obs), to_goal(obs))


def elsewhere(obs: Tensor) -> Any:
    """Where approach may run."""
    return (away(obs) > PLACED) & ~at_goal(obs)


def behind(obs: Tensor) -> Any:
    """Where push may run: the object lies before the fingers, on the way to the goal, or at it."""
    return is_ahead(to_object(obs), to_goal(obs)) | at_goal(obs)


def nearer(obs: Tensor, next_obs: Tensor) -> Any:
    """What both are paid besides: by how much the hand came nearer to that place. Who goes away pays it back."""
    return NEARER * (away(obs) - away(next_obs))


APPROACH_PUSH = (
    Option(
        name="approach",
        interest=elsewhere,
        sees=(HAND_TO_OBJECT, HAND_SPEED, OBJECT_TO_GOAL),
        fixed={GRIPPER: SHUT},
        bonus=lambda obs: BONUS * ~behind(obs),
        reward=nearer,
        arrays=True,
        phase="approach",
    ),
    Option(
        name="push",
        interest=behind,
        sees=(HAND_TO_OBJECT, HAND_SPEED, OBJECT_TO_GOAL),
        fixed={GRIPPER: SHUT},
        bonus=lambda obs: BONUS * behind(obs),
        reward=nearer,
        arrays=True,
        phase="carry",
    ),
)
