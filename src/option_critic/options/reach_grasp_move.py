"""Reach, grasp and move: three options for tasks in which Meta-World's arm lifts an object.

Written on hand, object and gripper as they are observed; never on the simulator's `info`. Where two of them are
interested, which one runs and when it ends is learned. In a band of one or two centimetres both would do, and nothing
in the task says which: a small bonus for the later one does.

Each lacks what makes its neighbours what they are. Reach opens the gripper, only grasp can close it (and not open it
again), move keeps it as it is. Forth goes reach with an open gripper, move with a closed one, grasp not at all. Reach
comes down straight above the object, so that where it ends grasp can begin, and lets grasp finish what it has between
the fingers. So none can do the work of another, nor undo it. Move lifts first and goes forth then, so that it carries
over what stands in between.
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
REST = 0.02
"""How high the middle of most objects of Meta-World rests (m)."""
ABOVE_PEG = 0.015
"""So near (m) to a peg's axis a ring slips over it."""
SHUT = 0.55
"""A gripper shows less than this once it is shut on an object."""


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


def between_fingers(obs: Tensor) -> Tensor:
    """Whether the gripper is about to close, or closed, around the object. The arm drifts by half a centimetre to the
    side meanwhile: a reach that took over then would drag the object away."""
    return (obs[..., 3] < 0.95) & (distance(obs) < 0.03) & (beside(obs) < 0.012)


def far(obs: Tensor, rest: float = REST) -> Tensor:
    """Where reach may run: away from the object, or not straight above it, while it lies on the table."""
    away = (distance(obs) > 0.028) | (beside(obs) > 0.005)
    return away & ~between_fingers(obs) & (raised(obs, rest) < 0.013)


def near(obs: Tensor, rest: float = REST) -> Tensor:
    """Where grasp may run: at the object, which lies there or was just raised."""
    return (distance(obs) < 0.04) & ((beside(obs) < 0.007) | between_fingers(obs)) & (raised(obs, rest) < 0.024)


def lifted(obs: Tensor, rest: float = REST) -> Tensor:
    """Where move may run: the object has left the table, or is held right above a goal that lies no higher than it:
    there it is put down, or into a hole."""
    held = ~is_open(obs) & (distance(obs) < 0.04)
    low_goal = (beside_goal(obs) < 0.05) & (obs[..., 38] - rest < 0.01)
    return (raised(obs, rest) > 0.012) | (held & low_goal)


def if_aligned(obs: Tensor) -> Any:
    """No speed up or down low beside the object; else as the option decides. In front of it or behind is worse than it
    seems: what lies in a hole has walls around it."""
    away = (beside(obs) > 0.007) | (abs(obs[..., 1] - obs[..., 5]) > 0.03)
    return where(away & (above(obs) < 0.07), 0.0, math.nan)


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


def if_high_enough(obs: Tensor) -> Any:
    """No speed forth with an open gripper, nor while the object is much lower than the goal; else as the option
    decides. What is carried upwards stands in front of walls and shelves first."""
    return where(is_open(obs) | (obs[..., 38] - obs[..., 6] > 0.03), 0.0, math.nan)


def down_on_peg(obs: Tensor, ring: tuple[float, float]) -> Any:
    """Straight down where the ring of what is held is above the peg; else as the option decides."""
    side, forth = obs[..., 4] + ring[0] - obs[..., 36], obs[..., 5] + ring[1] - obs[..., 37]
    above_peg = (side * side + forth * forth) ** 0.5 < ABOVE_PEG
    return where(above_peg & ~is_open(obs), -1.0, math.nan)


def up_off_peg(obs: Tensor) -> Any:
    """Straight up while what is shut in the gripper is lower than the goal; else as the option decides."""
    held = (obs[..., 3] < SHUT) & (distance(obs) < 0.04)
    return where(held & (obs[..., 6] < obs[..., 38]), 1.0, math.nan)


def nearer(obs: Tensor, next_obs: Tensor) -> Any:
    """What all three are paid besides, where an object is to be taken off a peg: by how much the hand came nearer to
    it. Who goes away pays it back."""
    return NEARER * (distance(obs) - distance(next_obs))


BONUS = 0.2
NEARER = 20.0
"""For each metre. The task itself pays a hand that stays away .4 a step, and one that tilted the object next to
nothing for the rest of the episode."""
SIDE, FORTH, UP, GRIPPER = 0, 1, 2, 3
"""Components of the action: the hand's speed to the side, forth and up; the gripper's effort, -1 (open) to 1."""

GRIPPER_OPENING = Feature("gripper", (3,))
HAND_TO_OBJECT = Feature("hand - object", (0, 1, 2), (4, 5, 6))
HAND_SPEED = Feature("hand speed", (0, 1, 2), (18, 19, 20))
OBJECT_TO_GOAL = Feature("object - goal", (4, 5, 6), (36, 37, 38))


def reach_grasp_move(
    rest: float = REST, ring: tuple[float, float] | None = None, on_peg: bool = False
) -> tuple[Option, ...]:
    """The three, for an object whose middle rests at the height `rest` (m), and whose `ring`, if it has one that is to
    be slipped over a peg, lies so far (m, to the side and forth) from where the object is held. `on_peg`: it sits on
    one, and is to be taken off."""
    far_, near_, lifted_ = (partial(part, rest=rest) for part in (far, near, lifted))
    at_hand = (GRIPPER_OPENING, HAND_TO_OBJECT, HAND_SPEED)
    down: dict[int, Any] = {} if ring is None else {UP: partial(down_on_peg, ring=ring)}
    up: dict[int, Any] = {UP: up_off_peg} if on_peg else {}
    reward = nearer if on_peg else None
    return (
        Option(
            name="reach",
            interest=far_,
            sees=at_hand,
            fixed={UP: if_aligned, GRIPPER: -1.0},
            bonus=lambda obs: BONUS * ~(near_(obs) | lifted_(obs)),
            reward=reward,
            arrays=True,
            phase="approach",
        ),
        Option(
            name="grasp",
            interest=near_,
            sees=at_hand,
            fixed=up | {FORTH: 0.0, GRIPPER: closing},
            bonus=lambda obs: BONUS * (near_(obs) & ~lifted_(obs)),
            reward=reward,
            arrays=True,
            phase="grasp",
        ),
        Option(
            name="move",
            interest=lifted_,
            sees=(GRIPPER_OPENING, HAND_TO_OBJECT, OBJECT_TO_GOAL),
            fixed={FORTH: if_high_enough, GRIPPER: as_it_is} | down | up,
            bonus=lambda obs: BONUS * lifted_(obs),
            reward=reward,
            arrays=True,
            phase="carry",
        ),
    )


RESTS = {
    "bin-picking-v3": 0.03,  # the bottom of the bin
    "basketball-v3": 0.03,  # a ball of that radius
    "hand-insert-v3": 0.067,  # a tall block
    "sweep-into-v3": 0.07,  # a tall block
    "sweep-v3": 0.0,  # told at its foot
    "coffee-push-v3": -0.003,  # the mug is told at its foot
    "coffee-pull-v3": -0.003,
    "soccer-v3": 0.026,  # a ball
    "peg-insert-side-v3": 0.0245,  # a peg is thicker than a puck
    "peg-unplug-side-v3": 0.131,  # the peg is in the side of a box
    "hammer-v3": 0.0315,  # its head lies on the table, the handle is in the air
    "box-close-v3": 0.016,  # a lid that lies on the table
}
"""Task -> how high the middle of its object rests (m), measured on the official package, where that is not 0.02, give
or take 4 mm, and it can be picked up or pushed."""
RINGS = {"assembly-v3": (-0.13, 0.0)}
"""Task -> where the nut's hole is, from the end of its handle, which is what is told (m, to the side and forth)."""
ON_PEG = ("disassemble-v3",)
"""Tasks whose object sits on a peg, off which it is to be taken."""
REACH_GRASP_MOVE = reach_grasp_move()
BY_TASK = {"": REACH_GRASP_MOVE} | {
    task: reach_grasp_move(RESTS.get(task, REST), RINGS.get(task), task in ON_PEG) for task in (*RESTS, *RINGS, *ON_PEG)
}
