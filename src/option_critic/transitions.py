"""The record of the second line: transitions that were kept, drawn again to learn from.

Dimensions as in `records.py`; N transitions, of any time and environment.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import torch
from torch import Tensor

from option_critic.records import Carry


@dataclass(frozen=True)
class Transitions:
    """N whole transitions. Observations and rewards are raw; the model normalises.

    What definitions say of them (interests, ends, given and fixed actions) is no part of it: it is a function of the
    observations, asked anew, as it must be where a goal was replaced.
    """

    obs: Tensor
    """[N, D]"""
    next_obs: Tensor
    """[N, D] the true successor."""
    action: Tensor
    """[N, A] (Box) or [N] (Discrete), as the policy did it."""
    option: Tensor
    """[N] the option that executed."""
    prev_option: Tensor
    """[N] the option that arrived at s."""
    option_age: Tensor
    """[N] decisions that the arriving one had run."""
    ended: Tensor
    """[N] it ended at s."""
    is_first: Tensor
    """[N] s was the first state of its episode."""
    reward: Tensor
    """[N] the environment's"""
    terminated: Tensor
    """[N] the task ended: nothing to bootstrap."""
    truncated: Tensor
    """[N] cut by a limit: bootstrap from `next_obs`."""

    def __len__(self) -> int:
        return len(self.obs)

    @property
    def carry(self) -> Carry[Tensor]:
        """What arrived at s."""
        return Carry(self.prev_option, self.option_age, self.is_first)

    def next_ages(self, num_options: int) -> Tensor:
        """[N, K] the age of each option as it arrives at s', had it executed at s: the one that had arrived would have
        gone on, unless it ended; any other would have been chosen."""
        options = torch.arange(num_options, device=self.option.device)
        going_on = (options == self.prev_option.unsqueeze(-1)) & ~(self.ended | self.is_first).unsqueeze(-1)
        return torch.where(going_on, self.option_age.unsqueeze(-1), 0) + 1

    def tensors(self) -> dict[str, Tensor]:
        """Every field by its name, for a file."""
        return {f.name: getattr(self, f.name).cpu().contiguous() for f in fields(self)}
