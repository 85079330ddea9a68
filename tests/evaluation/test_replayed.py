"""Reach, grasp and move as agents that learn from replay have them."""

import pytest
import torch
from replayed import OPTIONS

from option_critic.options.reach_grasp_move import FINGERTIPS, reach_grasp_move


def test_reach_is_paid_for_coming_nearer_and_all_else_is_as_it_ships():
    reach, *others = OPTIONS
    obs, next_obs = torch.zeros(2, 39), torch.zeros(2, 39)
    obs[:, 2] = next_obs[:, 2] = FINGERTIPS  # the fingertips are at the height of the object ...
    obs[0, 0], next_obs[0, 0] = 0.05, 0.02  # ... 5 cm beside it, and come 3 cm nearer
    next_obs[1, 1] = 0.01  # at it, and go a centimetre away
    assert reach.reward(obs, next_obs).tolist() == pytest.approx([0.3, -0.1])
    for ours, shipped in zip(OPTIONS, reach_grasp_move(), strict=True):
        assert (ours.name, ours.sees, ours.phase) == (shipped.name, shipped.sees, shipped.phase)
        assert torch.equal(ours.interest(obs), shipped.interest(obs))
    assert all(option.reward is None for option in others)
