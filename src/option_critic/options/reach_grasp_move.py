"""Reach, grasp and move: three options for tasks in which Meta-World's arm lifts an object.

Written on hand, object and gripper as they are observed; never on the simulator's `info`. Where two of them are
interested, which one runs and when it ends is learned. In a band of one or two centimetres both would do, and nothing
in the task says which: a small bonus for the later one does.

Each lacks what makes its neighbours what they are. Reach opens the gripper, only grasp can close it (and not open it
again), move keeps it as it is. Grasp goes up and down only; forth goes reach with an open gripper, move with a closed
one. Reach comes down straight above the object, so that where it ends grasp can begin. So none can do the work of
another, nor undo it.
"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

from option_critic.options.feature import Feature
from option_critic.options.option import Option, where

if TYPE_CHECKING:
    from torch import Tensor

FINGERTIPS = 0.045
"""The fingers hold an object so far (m) below the observed hand."""


def above(obs: Tensor) -> Tensor:
    """How far the fingertips are above the object's middle, in m."""
    return obs[..., 2] - obs[..., 6] - FINGERTIPS


def distance(obs: Tensor) -> Any:
    """Between the fingertips and the first object, in m."""
    side, forth, up = obs[..., 0] - obs[..., 4], obs[..., 1] - obs[..., 5], above(obs)
    return (side * side + forth * forth + up * up) ** 0.5


def raised(obs: Tensor, rest: float) -> Tensor:
    """How far the object is above where it rests, in m."""
    return obs[..., 6] - rest


def beside(obs: Tensor) -> Tensor:
    """How far the hand is to the side of the object, in m. Fingers close in the other direction and centre it there;
    what they hold beside its middle creeps out of them within some hundred steps."""
    return abs(obs[..., 0] - obs[..., 4])


def beside_goal(obs: Tensor) -> Any:
    """How far the object is from the goal, seen from above, in m."""
    side, forth = obs[..., 4] - obs[..., 36], obs[..., 5] - obs[..., 37]
    return (side * side + forth * forth) ** 0.5


def far(obs: Tensor, rest: float) -> Tensor:
    """Where reach may run: away from the object, or not straight above it, while it lies on the table."""
    return ((distance(obs) > 0.022) | (beside(obs) > 0.004)) & (raised(obs, rest) < 0.013)


def near(obs: Tensor, rest: float) -> Tensor:
    """Where grasp may run: at the object, which lies there or was just raised."""
    return (distance(obs) < 0.04) & (beside(obs) < 0.007) & (raised(obs, rest) < 0.03)


def lifted(obs: Tensor, rest: float) -> Tensor:
    """Where move may run: the object has left the table, or is held where the goal is. There it may be put down, or
    into a hole that lies lower."""
    return (raised(obs, rest) > 0.012) | (~is_open(obs) & (beside_goal(obs) < 0.05))


def if_aligned(obs: Tensor) -> Any:
    """No speed up or down low beside the object; else as the option decides."""
    return where((beside(obs) > 0.007) & (above(obs) < 0.05), 0.0, math.nan)


def is_open(obs: Tensor) -> Tensor:
    """Whether the gripper is: open it shows 1, closed on an object 0.45."""
    return obs[..., 3] > 0.7


def as_it_is(obs: Tensor) -> Any:
    """The effort that keeps the gripper open or closed, whichever it is."""
    return where(is_open(obs), -1.0, 1.0)


def closing(obs: Tensor) -> Any:
    """The gripper in grasp: open above the object, then as the option decides, and shut once it has begun to close.

    It decides where the fingertips are half a centimetre below the object's middle: what they hold higher creeps out,
    too.
    """
    return where(obs[..., 3] < 0.95, 1.0, where(above(obs) < -0.005, math.nan, -1.0))


def if_closed(obs: Tensor) -> Any:
    """No speed with an open gripper; else as the option decides."""
    return where(is_open(obs), 0.0, math.nan)


BONUS = 0.2
SIDE, FORTH, UP, GRIPPER = 0, 1, 2, 3
"""Components of the action: the hand's speed to the side, forth and up; the gripper's effort, -1 (open) to 1."""

GRIPPER_OPENING = Feature("gripper", (3,))
HAND_TO_OBJECT = Feature("hand - object", (0, 1, 2), (4, 5, 6))
OBJECT_TO_GOAL = Feature("object - goal", (4, 5, 6), (36, 37, 38))


def reach_grasp_move(rest: float = 0.02) -> tuple[Option, ...]:
    """The three, for an object whose middle rests at the height `rest` (m)."""
    far_, near_, lifted_ = (partial(part, rest=rest) for part in (far, near, lifted))
    at_hand = (GRIPPER_OPENING, HAND_TO_OBJECT)
    return (
        Option(
            name="reach",
            interest=far_,
            sees=at_hand,
            fixed={UP: if_aligned, GRIPPER: -1.0},
            bonus=lambda obs: BONUS * ~(near_(obs) | lifted_(obs)),
            arrays=True,
            phase="approach",
        ),
        Option(
            name="grasp",
            interest=near_,
            sees=at_hand,
            fixed={SIDE: 0.0, FORTH: 0.0, GRIPPER: closing},
            bonus=lambda obs: BONUS * (near_(obs) & ~lifted_(obs)),
            arrays=True,
            phase="grasp",
        ),
        Option(
            name="move",
            interest=lifted_,
            sees=(*at_hand, OBJECT_TO_GOAL),
            fixed={FORTH: if_closed, GRIPPER: as_it_is},
            bonus=lambda obs: BONUS * lifted_(obs),
            arrays=True,
            phase="carry",
        ),
    )


RESTS = {
    "bin-picking-v3": 0.03,
    "basketball-v3": 0.03,
    "hand-insert-v3": 0.067,
    "sweep-into-v3": 0.07,
    "soccer-v3": 0.026,
    "peg-insert-side-v3": 0.0245,
}
"""Task -> how high the middle of its object rests (m), measured on the official package, where it is not 0.02: larger
objects lie higher."""
REACH_GRASP_MOVE = reach_grasp_move()
BY_TASK = {"": REACH_GRASP_MOVE} | {task: reach_grasp_move(rest) for task, rest in RESTS.items()}
