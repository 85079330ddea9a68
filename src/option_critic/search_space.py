"""Where a search looks for the value of a setting; the ranges themselves lie beside the settings, as SEARCH."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, replace
from typing import Any

AROUND = 0.15
"""Standard deviation of a draw around a value, as a share of the range."""


@dataclass(frozen=True)
class Between:
    """Numbers from `low` to `high`, both included."""

    low: float
    high: float
    log: bool = False
    """equally often in each decade"""
    whole: bool = False

    def with_start(self, value: Any) -> Between:
        """Wide enough for where the search starts."""
        if not isinstance(value, int | float) or not math.isfinite(value) or (self.log and value <= 0):
            return self
        return replace(self, low=min(self.low, value), high=max(self.high, value))

    def nearest(self, value: Any) -> Any:
        """The same in the range."""
        return min(self.high, max(self.low, value)) if isinstance(value, int | float) else self.low

    def around(self, value: Any, chance: random.Random) -> Any:
        """A draw around a value of the range."""
        if self.log:
            drawn = value * math.exp(chance.gauss(0, AROUND * math.log(self.high / self.low)))
        else:
            drawn = value + chance.gauss(0, AROUND * (self.high - self.low))
        return self.nearest(round(drawn) if self.whole else drawn)


@dataclass(frozen=True)
class Among:
    """One of a few."""

    choices: tuple[Any, ...]

    def with_start(self, value: Any) -> Among:
        """With the one where the search starts."""
        if value in self.choices:
            return self
        more = (*self.choices, value)
        return Among(tuple(sorted(more)) if all(isinstance(x, int | float) for x in more) else more)

    def nearest(self, value: Any) -> Any:
        """It is one of them."""
        return value

    def around(self, value: Any, chance: random.Random) -> Any:
        """It, or, as often, one beside it."""
        place = self.choices.index(value) + chance.choice((-1, 0, 0, 1))
        return self.choices[min(len(self.choices) - 1, max(0, place))]
