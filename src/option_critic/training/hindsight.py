"""Goals in hindsight: transitions as if what was reached later had been desired all along.

[Andrychowicz+17, 1707.01495], strategy `future`: a goal that the same episode achieved at this step or after it. Reward
and, with the observation, all that definitions say follow from the goal; which option arrived, which executed and for
how long stays as it was.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Generator

from option_critic.envs.goals import Goals
from option_critic.training.replay import Index, Replay
from option_critic.transitions import Transitions


def in_hindsight(
    batch: Transitions, replay: Replay, row: Index, env: Index, goals: Goals, share: float, generator: Generator
) -> Transitions:
    """The transitions of `row` and `env` [N] with the goals of the first `share` of them replaced. They are drawn at
    random, so any will do. An episode whose beginning is no longer kept keeps its goal."""
    count = round(share * len(batch))
    row, env = row[:count], env[:count]
    later, known = replay.later(row, env, generator)
    reached = replay.columns["next_obs"][later % replay.rows, env][known, goals.achieved]
    which = torch.from_numpy(known.nonzero()[0])
    achieved = replay.columns["next_obs"][row % replay.rows, env][known, goals.achieved]
    reward = torch.from_numpy(goals.reward(achieved, reached)).to(batch.reward)
    at, desired = which.to(batch.obs.device), torch.from_numpy(reached).to(batch.obs)
    obs, next_obs, paid = batch.obs.clone(), batch.next_obs.clone(), batch.reward.clone()
    obs[at, goals.desired] = desired
    next_obs[at, goals.desired] = desired
    paid[at] = reward
    return replace(batch, obs=obs, next_obs=next_obs, reward=paid)
