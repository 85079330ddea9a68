"""Approach and push for the Fetch arm of Gymnasium-Robotics, in tasks in which it pushes an object with shut fingers.

Written on the flattened observation, as `fetch.py`. Approach goes behind the object as the goal sees it, push goes on
from there. Both are paid for coming nearer to that place: while the object rests, every goal that hindsight finds is
where it lies already. Were only approach, they would go away and come back for ever. They read the goal, so hindsight
asks them anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from option_critic.options.ahead import Pushing
from option_critic.options.feature import Feature
from option_critic.options.fetch import BESIDE, BONUS, GOAL, NEARER, SPEED, TO_OBJECT
from option_critic.options.option import Option

if TYPE_CHECKING:
    from torch import Tensor

OBJECT_SPEED = Feature("object speed, from the gripper", (20, 21, 22))


def to_goal(obs: Tensor) -> Any:
    """From the object to the goal, seen from above, in m [..., 2]."""
    return obs[..., 3:5] - obs[..., 0:2]


def to_object(obs: Tensor) -> Any:
    """From the gripper to the object, in m [..., 3]."""
    return obs[..., BESIDE]


PUSHING = Pushing(to_object, to_goal, NEARER)
"""A tenth of a metre is paid as much as a step costs."""
FETCH_PUSH = (
    Option(
        name="approach",
        interest=PUSHING.elsewhere,
        sees=(TO_OBJECT, SPEED, GOAL),
        bonus=lambda obs: BONUS * ~PUSHING.behind(obs),
        reward=PUSHING.nearer,
        arrays=True,
        phase="approach",
    ),
    Option(
        name="push",
        interest=PUSHING.behind,
        sees=(TO_OBJECT, SPEED, OBJECT_SPEED, GOAL),
        bonus=lambda obs: BONUS * PUSHING.behind(obs),
        reward=PUSHING.nearer,
        arrays=True,
        phase="carry",
    ),
)
