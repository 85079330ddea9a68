"""Reach, grasp and move for the Fetch arm of Gymnasium-Robotics, in tasks in which it lifts an object.

Written on the flattened observation: achieved goal (the object), desired goal, then gripper, object, their difference
and both fingers. As in `reach_grasp_move.py` each lacks what makes its neighbours what they are: reach keeps the
gripper open, move keeps it closed, grasp stays above the object. They read the goal, so hindsight asks them anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from option_critic.options.feature import Feature
from option_critic.options.option import Option

if TYPE_CHECKING:
    from torch import Tensor

BESIDE = slice(12, 15)
"""Object minus gripper, in m."""
LEFT, RIGHT = 15, 16
"""How far each finger is open, in m."""
SIDE, FORTH, UP, GRIPPER = 0, 1, 2, 3
"""Components of the action: the gripper's way to each side and up; its effort, -1 (close) to 1 (open)."""
AT, LOST, HELD = 0.02, 0.03, 0.055
"""Within so many m of the object's middle it can be grasped; beyond so many it is lost; fingers that are no further
apart hold it (they are 0.1 apart where they are open)."""


def distance(obs: Tensor) -> Any:
    """Between gripper and object, in m."""
    return (obs[..., BESIDE] ** 2).sum(-1) ** 0.5


def closed(obs: Tensor) -> Any:
    """Whether the fingers are as near to each other as with the object between them."""
    return obs[..., LEFT] + obs[..., RIGHT] < HELD


def far(obs: Tensor) -> Any:
    """Where reach may run: not at the object yet, or it was lost."""
    return distance(obs) > AT


def near(obs: Tensor) -> Any:
    """Where grasp may run: at the object, which is not held yet."""
    return (distance(obs) < LOST) & ~closed(obs)


def held(obs: Tensor) -> Any:
    """Where move may run: the object is between closed fingers."""
    return (distance(obs) < LOST) & closed(obs)


def nearer(obs: Tensor, next_obs: Tensor) -> Any:
    """What reach is paid besides: by how much it came nearer to the object, a tenth of a metre as much as a step
    costs. While nothing is moved, every goal that hindsight finds is where the object lies already, and the task pays
    the same wherever the gripper goes."""
    return NEARER * (distance(obs) - distance(next_obs))


BONUS = 0.2
NEARER = 10.0
TO_OBJECT = Feature("object - gripper", (12, 13, 14))
FINGERS = Feature("fingers", (LEFT, RIGHT))
SPEED = Feature("gripper speed", (26, 27, 28))
AT_HAND = (TO_OBJECT, FINGERS, SPEED)
GOAL = Feature("object - goal", (0, 1, 2), (3, 4, 5))
FETCH = (
    Option(
        name="reach",
        interest=far,
        sees=AT_HAND,
        fixed={GRIPPER: 1.0},
        bonus=lambda obs: BONUS * ~(near(obs) | held(obs)),
        reward=nearer,
        arrays=True,
        phase="approach",
    ),
    Option(
        name="grasp",
        interest=near,
        sees=AT_HAND,
        fixed={SIDE: 0.0, FORTH: 0.0},
        bonus=lambda obs: BONUS * near(obs),
        arrays=True,
        phase="grasp",
    ),
    Option(
        name="move",
        interest=held,
        sees=(*AT_HAND, GOAL),
        fixed={GRIPPER: -1.0},
        bonus=lambda obs: BONUS * held(obs),
        arrays=True,
        phase="carry",
    ),
)
