"""Geometry of pushing: where an object has to go, and whether something is behind it on that way.

Ways [..., 2] and [..., 3] in m, seen from above where they have two components; tensors or arrays.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

BEHIND = 0.055
"""How far behind the object's middle the fingers touch it (m)."""
DONE = 0.05
"""An object so near to its goal (m) is at it."""
PLACED = 0.03
"""Nearer than so many m to the place behind the object approach has done its work."""


def length(way: Any) -> Any:
    """Of ways [..., n] -> [...]."""
    return (way**2).sum(-1) ** 0.5


def ahead(to_goal: Any) -> Any:
    """The direction [..., 2] of a way from an object to its goal [..., 2]; 0 at the goal."""
    return to_goal / (length(to_goal)[..., None] + 0.001)


def from_behind(to_object: Any, to_goal: Any) -> Any:
    """How far fingers are from the place behind an object from which they push it to its goal [...].

    `to_object` [..., 3]: from the fingers to the object's middle; `to_goal` [..., 2]: from there to the goal.
    """
    level = to_object[..., :2] - BEHIND * ahead(to_goal)
    return ((level**2).sum(-1) + to_object[..., 2] ** 2) ** 0.5


def is_ahead(to_object: Any, to_goal: Any) -> Any:
    """Whether an object lies before the fingers, on the way to its goal [...]; ways as in `from_behind`."""
    direction = ahead(to_goal)
    forth = (to_object[..., :2] * direction).sum(-1)
    aside = to_object[..., 0] * direction[..., 1] - to_object[..., 1] * direction[..., 0]
    return (forth > 0.02) & (forth < 0.1) & (abs(aside) < 0.04) & (abs(to_object[..., 2]) < 0.04)


@dataclass(frozen=True)
class Pushing:
    """Where approach and push may run, and what both are paid besides, on one kind of observations [..., D]."""

    to_object: Callable[[Any], Any]
    """Observations -> from the fingers to the object's middle, in m [..., 3]."""
    to_goal: Callable[[Any], Any]
    """Observations -> from the object to its goal, seen from above, in m [..., 2]."""
    paid: float
    """For each metre that the fingers come nearer to the place behind the object."""

    def away(self, obs: Any) -> Any:
        """How far the fingers are from the place behind the object, in m."""
        return from_behind(self.to_object(obs), self.to_goal(obs))

    def at_goal(self, obs: Any) -> Any:
        """Whether the object is there."""
        return length(self.to_goal(obs)) < DONE

    def elsewhere(self, obs: Any) -> Any:
        """Where approach may run."""
        return (self.away(obs) > PLACED) & ~self.at_goal(obs)

    def behind(self, obs: Any) -> Any:
        """Where push may run: the object lies before the fingers, on the way to the goal, or at it."""
        return is_ahead(self.to_object(obs), self.to_goal(obs)) | self.at_goal(obs)

    def nearer(self, obs: Any, next_obs: Any) -> Any:
        """What both are paid besides. Who goes away pays it back."""
        return self.paid * (self.away(obs) - self.away(next_obs))
