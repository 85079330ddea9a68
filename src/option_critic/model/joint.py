"""Several choices that are made at once, as one choice among all that they can be together.

Critics of actions say a value of each, so that expectations over them are exact; policies choose each on its own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn

from option_critic.errors import InputError
from option_critic.model.distributions import CategoricalActions, FactoredCategorical

MAX_JOINT = 4096
"""Of which a critic says the value, for each option."""


class JointChoices(nn.Module):
    """M choices of up to N each, all J combinations numbered; the last one counts fastest."""

    place: Tensor
    """[J, M] where each choice of a combination stands among M N numbers"""
    stride: Tensor
    """[M] by how much a choice moves the number of the combination"""

    def __init__(self, counts: Sequence[int], device: str) -> None:
        """For M factors of so many choices. Raises InputError for more than MAX_JOINT combinations."""
        super().__init__()
        self.size = math.prod(counts)
        if self.size > MAX_JOINT:
            raise InputError(
                f"sac_oc has a critic of all that an action can be; {len(counts)} choices at once come to "
                f"{self.size:,}, {MAX_JOINT:,} are the most: take algorithm dac"
            )
        each = np.indices(tuple(counts)).reshape(len(counts), -1).T
        stride = np.array([math.prod(counts[m + 1 :]) for m in range(len(counts))])
        place = each + np.arange(len(counts)) * max(counts)
        for name, x in (("place", place), ("stride", stride)):
            self.register_buffer(name, torch.from_numpy(x).to(device), persistent=False)

    def policy(self, pi: FactoredCategorical[Tensor]) -> CategoricalActions[Tensor]:
        """The same policy, of combinations: log pi [..., M, N] -> [..., J]."""
        return CategoricalActions(pi.log_probs.flatten(-2)[..., self.place].sum(-1))

    def number(self, action: Tensor) -> Tensor:
        """The combination that is [..., M] choices: [...]."""
        return (action * self.stride).sum(-1)
