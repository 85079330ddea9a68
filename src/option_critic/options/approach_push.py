"""Approach and push: two options for tasks in which Meta-World's arm pushes something over the table with shut fingers.

Written on hand, object and goal as they are observed; never on the simulator's `info`. Approach goes behind the object
as the goal sees it, push goes on from there and keeps it at the goal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from option_critic.options.ahead import Pushing
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


PUSHING = Pushing(to_object, to_goal, NEARER)
APPROACH_PUSH = (
    Option(
        name="approach",
        interest=PUSHING.elsewhere,
        sees=(HAND_TO_OBJECT, HAND_SPEED, OBJECT_TO_GOAL),
        fixed={GRIPPER: SHUT},
        bonus=lambda obs: BONUS * ~PUSHING.behind(obs),
        reward=PUSHING.nearer,
        arrays=True,
    ),
    Option(
        name="push",
        interest=PUSHING.behind,
        sees=(HAND_TO_OBJECT, HAND_SPEED, OBJECT_TO_GOAL),
        fixed={GRIPPER: SHUT},
        bonus=lambda obs: BONUS * PUSHING.behind(obs),
        reward=PUSHING.nearer,
        arrays=True,
    ),
)
