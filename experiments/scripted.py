"""The scripted policies of the official Meta-World package as options: approach, close and carry.

    cd experiments
    option-critic train Meta-World/pick-place-v3 --options-from scripted:PICK_PLACE

An example of given options, and a control: hands that know the task, without anything learned. All three ask the one
script of the task. Their interests cut it, the same for every task: *approach* until the hand is at the object, *close*
while it is there with an open gripper, *carry* (or push) once the gripper is closed on it. Exactly one is interested
everywhere, so an agent hands over as the interests say, and does what the script does, untrained too.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from option_critic import Option
from option_critic.evaluation.expert import scripted_actions

ASIDE = 0.04
"""At the object, the hand is no further from it than this (m), from above, ..."""
ABOVE = 0.1
"""... and no further up or down: from there on the scripts close the gripper as they come down."""
OPEN = 0.73
"""Opening of the gripper down to which the script of pick-place waits for it; on an object it shows 0.3 to 0.65."""


def is_at(obs: Tensor) -> Any:
    """Whether the hand is at the object."""
    side, forth, up = (obs[..., i] - obs[..., i + 4] for i in range(3))
    return (side * side + forth * forth <= ASIDE**2) & (abs(up) <= ABOVE)


def away(obs: Tensor) -> Any:
    """Where approach may run."""
    return ~is_at(obs)


def at_it_and_open(obs: Tensor) -> Any:
    """Where close may run."""
    return is_at(obs) & (obs[..., 3] > OPEN)


def at_it_and_closed(obs: Tensor) -> Any:
    """Where carry may run."""
    return is_at(obs) & (obs[..., 3] <= OPEN)


def scripted(task: str) -> tuple[Option, ...]:
    """The three options of a task of Meta-World: `scripted("push-v3")`."""
    actions = scripted_actions(task)

    def policy(obs: Tensor) -> Any:
        """Tensors or arrays [..., 39] -> actions [..., 4], the same."""
        if isinstance(obs, np.ndarray):
            return actions(obs).astype(obs.dtype)
        return torch.from_numpy(actions(obs.detach().cpu().numpy())).to(obs)

    return (
        Option(name="approach", policy=policy, interest=away, arrays=True, phase="approach"),
        Option(name="close", policy=policy, interest=at_it_and_open, arrays=True, phase="grasp"),
        Option(name="carry", policy=policy, interest=at_it_and_closed, arrays=True, phase="carry"),
    )


PICK_PLACE = scripted("pick-place-v3")
PUSH = scripted("push-v3")
PICK_PLACE_WALL = scripted("pick-place-wall-v3")
SHELF_PLACE = scripted("shelf-place-v3")
BIN_PICKING = scripted("bin-picking-v3")
BASKETBALL = scripted("basketball-v3")
HAND_INSERT = scripted("hand-insert-v3")
SWEEP_INTO = scripted("sweep-into-v3")
PICK_OUT_OF_HOLE = scripted("pick-out-of-hole-v3")
