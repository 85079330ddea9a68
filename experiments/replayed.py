"""Reach, grasp and move for agents that learn from replay: as they ship, but reach is paid for coming nearer.

    cd experiments && option-critic train pick-place --options-from replayed:OPTIONS --algorithm sac_oc ...

The definition lets reach sink only where it is within 7 mm of straight above the object, and all that the task pays for
getting there are hundredths, where success is paid 10: the hand circled 2 cm beside the object. Not trained yet as it
stands: a prototype that measured from the hand, not the fingertips, was, once (docs/results/pick-place.md).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from option_critic.options.reach_grasp_move import distance, reach_grasp_move

NEARER = 10.0
"""Paid for each m: a centimetre is a hundredth of what success pays a step."""


def nearer(obs: Any, next_obs: Any) -> Any:
    """By how much the fingertips came nearer to the object."""
    return NEARER * (distance(obs) - distance(next_obs))


reach, grasp, move = reach_grasp_move()
OPTIONS = (replace(reach, reward=nearer), grasp, move)
