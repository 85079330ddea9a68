"""Reach, grasp and move for agents that learn from replay: as they ship, with two things more.

    cd experiments && option-critic train pick-place --options-from replayed:OPTIONS --algorithm sac_oc ...

Reach and grasp are paid for coming nearer: all that the task pays up to there are hundredths, where success is paid 10,
and the hand circled beside the object. And grasp closes the gripper where it may: agents that were free to had learned
to keep it open before closing had paid once (docs/results/pick-place.md, "From replay").
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from option_critic.options.option import where
from option_critic.options.reach_grasp_move import FORTH, GRIPPER, above, reach_grasp_move

NEARER = 10.0
"""Paid for each m: a centimetre is a hundredth of what success pays a step."""
BELOW = 0.005
"""So far below the object's middle (m) the fingertips close, and twice as far they are paid to go."""


def apart(obs: Any) -> Any:
    """Between the fingertips and where they are to close, in m: the sum of side, forth and up. The straight line, of
    which 2 cm to the side are 3 mm at a height of 6, would not pay for what is missing there."""
    side, forth = abs(obs[..., 0] - obs[..., 4]), abs(obs[..., 1] - obs[..., 5])
    return side + forth + abs(above(obs) + 2 * BELOW)


def nearer(obs: Any, next_obs: Any) -> Any:
    """What coming nearer is paid."""
    return NEARER * (apart(obs) - apart(next_obs))


def shut(obs: Any) -> Any:
    """The gripper in grasp: open until it is low enough, then closed, and closed it stays."""
    return where((obs[..., 3] < 0.95) | (above(obs) < -BELOW), 1.0, -1.0)


reach, grasp, move = reach_grasp_move()
OPTIONS = (
    replace(reach, reward=nearer),
    replace(grasp, reward=nearer, fixed={FORTH: 0.0, GRIPPER: shut}),
    move,
)
