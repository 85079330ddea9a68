"""Controls for named options on pick-place: what do names, knowledge and learned ends each contribute?

    cd experiments
    option-critic train pick-place --seeds 0..4 --num-options 1 --out runs/flat
    option-critic train pick-place --seeds 0..4 --num-options 1 --observe-interest reach-grasp-move --out runs/told
    option-critic train pick-place --seeds 0..4 --options-from controls:DISJOINT --out runs/disjoint
    option-critic train pick-place --seeds 0..4 --options-from controls:MISPLACED --out runs/misplaced

FLAT has one option; TOLD also sees the interests. DISJOINT cuts the interests of the shipped options so that
exactly one is interested everywhere: nothing is left to choose, and no end to learn. MISPLACED keeps their shapes,
neighbours that overlap, in a place that means nothing: three bands beside each other along the hand's x (and nothing
fixed: who cannot close the gripper cannot grasp, wherever it runs).
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from option_critic import Option
from option_critic.options.reach_grasp_move import REACH_GRASP_MOVE, lifted, near

REACH, GRASP, MOVE = REACH_GRASP_MOVE

DISJOINT = (
    replace(REACH, interest=lambda obs: ~near(obs) & ~lifted(obs), bonus=None),
    replace(GRASP, interest=lambda obs: near(obs) & ~lifted(obs), bonus=None),
    replace(MOVE, interest=lifted, bonus=None),
)


def right(obs: Tensor) -> Tensor:
    """The hand is on the right."""
    return obs[..., 0] > 0.025


def middle(obs: Tensor) -> Tensor:
    """The hand is in the middle."""
    return obs[..., 0].abs() < 0.04


def left(obs: Tensor) -> Tensor:
    """The hand is on the left."""
    return obs[..., 0] < -0.025


MISPLACED = (
    Option(name="right", interest=right, bonus=lambda obs: 0.2 * ~(middle(obs) | left(obs))),
    Option(name="middle", interest=middle, bonus=lambda obs: 0.2 * (middle(obs) & ~left(obs))),
    Option(name="left", interest=left, bonus=lambda obs: 0.2 * left(obs)),
)
