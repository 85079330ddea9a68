"""Reach, grasp and move as agents that learn from replay have them."""

import pytest
import torch
from replayed import BELOW, OPTIONS

from option_critic.options.reach_grasp_move import FINGERTIPS, GRIPPER, reach_grasp_move


def observations(*rows):
    """Observations [N, 39]: fingertips (side, forth, up from the object's middle, in m) and the gripper's opening."""
    obs = torch.zeros(len(rows), 39)
    obs[:, :4] = torch.tensor(rows)
    obs[:, 2] += FINGERTIPS
    return obs


def test_reach_and_grasp_are_paid_for_coming_nearer_to_where_fingers_close():
    obs = observations((0.05, 0, -2 * BELOW, 1), (0, 0, -2 * BELOW, 1), (0, 0, 0.06, 1))
    next_obs = observations((-0.02, 0, -2 * BELOW, 1), (0, 0.01, -2 * BELOW, 1), (0, 0, 0, 1))
    reach, grasp, move = OPTIONS
    for option in (reach, grasp):
        assert option.reward(obs, next_obs).tolist() == pytest.approx([0.3, -0.1, 0.6])
    assert move.reward is None


def test_grasp_closes_where_it_may_and_stays_closed():
    obs = observations((0, 0, 0.02, 1), (0, 0, -0.006, 1), (0, 0, 0.02, 0.6))
    assert OPTIONS[1].fixed[GRIPPER](obs).tolist() == [-1.0, 1.0, 1.0]


def test_all_else_is_as_it_ships():
    obs = observations((0.05, 0, 0.1, 1), (0, 0, 0, 1), (0, 0, 0, 0.6))
    for ours, shipped in zip(OPTIONS, reach_grasp_move(), strict=True):
        assert (ours.name, ours.sees, ours.phase) == (shipped.name, shipped.sees, shipped.phase)
        assert ours.fixed.keys() == shipped.fixed.keys()
        assert torch.equal(ours.interest(obs), shipped.interest(obs))
