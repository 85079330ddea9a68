"""Unstable simulations: MuJoCo resets one silently, and what follows looks like a step.

Such a step is cut where it began, with nothing paid: what comes back is MuJoCo's default pose, and a reward for having
got there. It is told as `info["unstable"]`; where nothing happened the entry is absent.
"""

from __future__ import annotations

from typing import Any

import gymnasium as gym

BADQPOS, BADQVEL, BADQACC = 4, 5, 6
"""Kinds of `mjData.warning` (mjtWarning) that end in a reset: a huge or NaN position, velocity, acceleration."""


def became_unstable(data: Any) -> bool:
    """Whether MuJoCo reset the simulation since this was last asked; `data`: mjData.

    The count is set to zero each time: MuJoCo's own reset does the same before it counts, so a count that
    stood at one would stand at one again.
    """
    count = data.warning.number
    if count[BADQACC] or count[BADQVEL] or count[BADQPOS]:
        count[BADQPOS : BADQACC + 1] = 0
        return True
    return False


class CutUnstable(gym.Wrapper[Any, Any, Any, Any]):
    """Truncates the steps in which MuJoCo reset the simulation."""

    def __init__(self, env: gym.Env[Any, Any]) -> None:
        super().__init__(env)
        self.simulator: Any = env.unwrapped
        self.last: Any = None

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Reset; what was unstable before the first step counts for no step."""
        result = self.env.reset(seed=seed, options=options)
        became_unstable(self.simulator.data)
        self.last = result[0]
        return result

    def step(self, action: Any) -> tuple[Any, Any, bool, bool, dict[str, Any]]:
        """Step, and look at MuJoCo's counters."""
        result = self.env.step(action)
        if not became_unstable(self.simulator.data):
            self.last = result[0]
            return result
        return self.last, 0.0, False, True, {"unstable": 1.0}


def shows_warnings(env: gym.Env[Any, Any]) -> bool:
    """Whether an environment has MuJoCo's data, with its counters, where Gymnasium's own have it."""
    return hasattr(getattr(getattr(env.unwrapped, "data", None), "warning", None), "number")
