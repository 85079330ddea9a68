"""Named features of raw observations: what an option looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from option_critic.errors import InputError
from option_critic.value_types import check_name, conformed, shown

MAX_COMPONENT = 1_000_000
"""The highest number of a component of an observation."""


@dataclass(frozen=True)
class Feature:
    """Some components of an observation, or how far they are from others: `Feature("hand - object", (0, 1, 2), (4, 5,
    6))`. It is data, so it travels with what was learned from it: of [..., D] it reads [..., n], as the agent-space of
    Konidaris and Barto [2007]. Raises InputError where the two differ in length.
    """

    name: str
    plus: tuple[int, ...]
    """Components, counted from 0, ..."""
    minus: tuple[int, ...] = ()
    """... less these, one for each; none: the components themselves."""

    def __post_init__(self) -> None:
        check_name("the name of a feature", self.name)
        for part in ("plus", "minus"):
            what = f"{part} of feature {self.name}"
            numbers = conformed(what, tuple[int, ...], getattr(self, part))
            if any(not 0 <= i <= MAX_COMPONENT for i in numbers):
                raise InputError(f"{what} must be numbers of components, from 0 on, got {shown(numbers)}")
            object.__setattr__(self, part, numbers)
        if not self.plus or (self.minus and len(self.minus) != len(self.plus)):
            raise InputError(
                f"feature {self.name} must have components, and as many in minus or none; "
                f"got {len(self.plus)} and {len(self.minus)}"
            )

    def __len__(self) -> int:
        return len(self.plus)

    @property
    def last(self) -> int:
        """The highest component that it reads."""
        return max(self.plus + self.minus)


def read_features(what: str, features: Any) -> tuple[Feature, ...] | None:
    """What an option says that it sees, checked. Raises InputError, `what` in its words."""
    if features is None:
        return None
    if not isinstance(features, Sequence) or not features or not all(isinstance(f, Feature) for f in features):
        raise InputError(f"{what} must be a tuple of Feature(name, components), got {shown(features)}")
    if len({f.name for f in features}) < len(features):
        raise InputError(f"{what} must have features of different names, got {', '.join(f.name for f in features)}")
    return tuple(features)
