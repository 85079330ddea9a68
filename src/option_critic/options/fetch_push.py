"""Approach and push for the Fetch arm of Gymnasium-Robotics, in tasks in which it pushes an object with shut fingers.

Written on the flattened observation, as `fetch.py`. Approach goes behind the object as the goal sees it, push goes on
from there. Both are paid for coming nearer to that place: while the object rests, every goal that hindsight finds is
where it lies already. Were only approach, they would go away and come back for ever. They read the goal, so hindsight
asks them anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from option_critic.options.feature import Feature
from option_critic.options.fetch import BONUS, GOAL, NEARER, SPEED, TO_OBJECT
from option_critic.options.option import Option

if TYPE_CHECKING:
    from torch import Tensor

BEHIND = 0.055
"""How far behind the object's middle the fingers touch it (m)."""
PLACED, DONE = 0.03, 0.05
"""Nearer than so many m to that place approach has done its work; an object so near to the goal (m) is at it."""
OBJECT_SPEED = Feature("object speed, from the gripper", (20, 21, 22))


def ahead(obs: Tensor) -> tuple[Any, Any]:
    """Way from the object to the goal, seen from above: (its direction [..., 2], 0 at the goal; its length in m)."""
    way = obs[..., 3:5] - obs[..., 0:2]
    length = (way**2).sum(-1) ** 0.5
    return way / (length[..., None] + 0.001), length


def away(obs: Tensor) -> Any:
    """From the gripper to the place behind the object, in m."""
    direction, _ = ahead(obs)
    level = obs[..., 12:14] - BEHIND * direction
    return ((level**2).sum(-1) + obs[..., 14] ** 2) ** 0.5


def at_goal(obs: Tensor) -> Any:
    """Whether the object is there."""
    return ahead(obs)[1] < DONE


def elsewhere(obs: Tensor) -> Any:
    """Where approach may run."""
    return (away(obs) > PLACED) & ~at_goal(obs)


def behind(obs: Tensor) -> Any:
    """Where push may run: the object lies before the gripper, on the way to the goal, or at it."""
    direction, _ = ahead(obs)
    forth = (obs[..., 12:14] * direction).sum(-1)
    aside = obs[..., 12] * direction[..., 1] - obs[..., 13] * direction[..., 0]
    placed = (forth > 0.02) & (forth < 0.1) & (abs(aside) < 0.04) & (abs(obs[..., 14]) < 0.04)
    return placed | at_goal(obs)


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
