"""Approach and operate: two options for what Meta-World's arm presses, turns, slides or pulls: buttons, handles, doors,
drawers, faucets, levers, windows.

Written on the hand and the part that moves, as observed; never on the simulator's `info`. Approach brings the hand to
the place from which the part can be moved; operate goes on from there, as long as the hand stays at it.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from option_critic.options.option import Option
from option_critic.options.reach_grasp_move import (
    BONUS,
    FINGERTIPS,
    GRIPPER_OPENING,
    HAND_SPEED,
    HAND_TO_OBJECT,
    OBJECT_TO_GOAL,
)

if TYPE_CHECKING:
    from torch import Tensor

Place = tuple[float, float, float]
"""Of the hand, from the part that moves, in m: to the side, forth and up."""
REACHED, LOST = 0.03, 0.1
"""Nearer than so many m to the place approach has done its work; farther than so many operate has lost it: what turns
carries the hand away from it by six to nine centimetres."""
NEARER = 20.0
"""What a metre is paid."""
ABOVE: Place = (0.0, 0.0, FINGERTIPS)
"""The fingertips are on it."""
CONTACTS: dict[str, Place] = {
    "button-press-v3": (0.0, -0.05, -0.063),
    "button-press-topdown-wall-v3": (0.0, -0.05, 0.045),
    "button-press-wall-v3": (0.0, -0.04, 0.032),
    "coffee-button-v3": (0.0, -0.05, -0.069),
    "dial-turn-v3": (0.038, 0.022, 0.091),
    "door-lock-v3": (-0.018, -0.021, 0.043),
    "door-open-v3": (0.005, 0.03, 0.0),
    "door-unlock-v3": (-0.026, -0.016, -0.03),
    "drawer-close-v3": (0.003, -0.023, -0.032),
    "drawer-open-v3": (0.0, -0.018, -0.016),
    "faucet-close-v3": (0.023, 0.042, 0.021),
    "faucet-open-v3": (-0.022, 0.034, 0.025),
    "handle-press-side-v3": (0.003, 0.003, 0.018),
    "handle-press-v3": (0.0, -0.018, 0.01),
    "handle-pull-side-v3": (-0.003, 0.001, 0.035),
    "handle-pull-v3": (0.0, -0.043, 0.023),
    "lever-pull-v3": (-0.005, -0.059, -0.115),
    "plate-slide-back-side-v3": (0.024, 0.0, 0.059),
    "plate-slide-back-v3": (0.003, -0.064, 0.057),
    "plate-slide-side-v3": (0.067, 0.002, 0.032),
    "plate-slide-v3": (0.0, -0.049, 0.058),
    "window-close-v3": (0.022, -0.024, -0.096),
    "window-open-v3": (-0.003, -0.028, -0.093),
}
"""Task -> where the hand of the official package's scripted expert is when the part begins to move, to a centimetre on
each of three goals. How a part can be got hold of is its shape's, which is not observed."""


def away(obs: Tensor, contact: Place) -> Any:
    """How far the hand is from the place at which it moves the part, in m [...]."""
    way = obs[..., 0:3] - obs[..., 4:7]
    side, forth, up = (way[..., i] - contact[i] for i in range(3))
    return (side * side + forth * forth + up * up) ** 0.5


def elsewhere(obs: Tensor, contact: Place) -> Any:
    """Where approach may run."""
    return away(obs, contact) > REACHED


def at_it(obs: Tensor, contact: Place) -> Any:
    """Where operate may run."""
    return away(obs, contact) < LOST


def nearer(obs: Tensor, next_obs: Tensor, contact: Place) -> Any:
    """What both are paid besides: by how much the hand came nearer to that place. Who goes away pays it back."""
    return NEARER * (away(obs, contact) - away(next_obs, contact))


def approach_operate(contact: Place = ABOVE) -> tuple[Option, ...]:
    """The two, for a part that the hand moves from the place `contact`."""
    elsewhere_, at_it_, nearer_ = (partial(part, contact=contact) for part in (elsewhere, at_it, nearer))
    return (
        Option(
            name="approach",
            interest=elsewhere_,
            sees=(GRIPPER_OPENING, HAND_TO_OBJECT, HAND_SPEED),
            bonus=lambda obs: BONUS * ~at_it_(obs),
            reward=nearer_,
            arrays=True,
        ),
        Option(
            name="operate",
            interest=at_it_,
            sees=(GRIPPER_OPENING, HAND_TO_OBJECT, HAND_SPEED, OBJECT_TO_GOAL),
            bonus=lambda obs: BONUS * at_it_(obs),
            reward=nearer_,
            arrays=True,
        ),
    )


APPROACH_OPERATE = approach_operate()
BY_TASK = {"": APPROACH_OPERATE} | {task: approach_operate(contact) for task, contact in CONTACTS.items()}
