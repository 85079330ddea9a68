"""Where a search looks for the value of a setting; the ranges themselves lie beside the settings, as SEARCH."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any


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


@dataclass(frozen=True)
class Among:
    """One of a few."""

    choices: tuple[Any, ...]

    def with_start(self, value: Any) -> Among:
        """With the one where the search starts."""
        return self if value in self.choices else Among((*self.choices, value))

    def nearest(self, value: Any) -> Any:
        """It is one of them."""
        return value
