"""Options for FetchPickAndPlace that are controls of `fetch.py`.

`SKILLED`: reach, grasp and move, reach being a skill of a FetchReach agent. What the two tasks observe differs, so it
is told what it knows: the gripper where it is, and the object as the goal. Where the fingers are it is not told, since
in FetchReach they are shut.

`PAID`: one option, which is paid for coming nearer to the object as reach is.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

import option_critic as oc
from option_critic.options.fetch import FETCH, GRIPPER, nearer

SKILL = "skills/option-0"
"""Where `option-critic skills export` put the skill."""
GRIP, OBJECT, SPEED = slice(6, 9), slice(9, 12), slice(26, 29)
"""In the flattened observation of FetchPickAndPlace: where the gripper is, where the object is, how fast the gripper
is."""
SIZE = 16
"""Of FetchReach's: achieved and desired goal, then gripper, fingers (2), its speed, theirs (2)."""


@cache
def skill() -> oc.Skill:
    """The skill, once."""
    return oc.Skill.load(SKILL)


def as_in_reach(obs: Any) -> Any:
    """Observations [..., 31] of FetchPickAndPlace -> [..., 16] of FetchReach, the goal being the object."""
    numpy = isinstance(obs, np.ndarray)
    shape = (*obs.shape[:-1], SIZE)
    told = np.zeros(shape, obs.dtype) if numpy else torch.zeros(shape, dtype=obs.dtype, device=obs.device)
    told[..., 0:3] = told[..., 6:9] = obs[..., GRIP]
    told[..., 3:6], told[..., 11:14] = obs[..., OBJECT], obs[..., SPEED]
    return told


def go(obs: Tensor) -> Any:
    """Actions [..., 4]: as the skill goes, with open fingers."""
    action = skill()(as_in_reach(obs))
    action[..., GRIPPER] = 1.0
    return action


REACH, *OTHERS = FETCH
SKILLED = (replace(REACH, policy=go, fixed=None, reward=None), *OTHERS)
PAID = (oc.Option(name="all", reward=nearer, arrays=True),)
