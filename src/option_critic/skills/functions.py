"""A skill's networks, and all that stands around them, as functions of arrays or of a device's tensors."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic

import numpy as np
import torch

from option_critic.functional.arrays import Numbers
from option_critic.model.acting import in_numpy, view_in_numpy
from option_critic.model.distributions import Factors
from option_critic.model.fixed import FixedActions, fixed_actions
from option_critic.model.given import GivenPolicies, given_policies
from option_critic.model.network import View
from option_critic.options.option import Option
from option_critic.skills.network import SkillNetwork
from option_critic.skills.record import SkillRecord
from option_critic.spaces import Spaces


@dataclass(frozen=True)
class SkillFunctions(Generic[Numbers]):
    """What a skill is made of."""

    see: View[Numbers]
    policy: Callable[[Numbers], Numbers] | None
    """what is seen [..., S] -> [..., A] in the policies' units; none: its base does all"""
    termination: Callable[[Numbers], Numbers] | None
    """[..., S] -> [..., 1] logits; none: its end is given"""
    given: GivenPolicies | None
    """what makes the actions of its base the policies' units"""
    fixed: FixedActions | None
    """what it does not decide"""
    factors: Factors[Numbers] | None
    start: Any
    """number of the first choice, of each factor where there are several"""
    stretch: tuple[Numbers, Numbers, Numbers, Numbers]
    """[A] each: lowest and highest action of a policy, middle and half width of the environment's"""


def functions(network: SkillNetwork, record: SkillRecord, own: Option, where: str) -> SkillFunctions[Any]:
    """Of a network on the CPU, for arrays (`where`: numpy) or a device. `own`: its base and its fixed components."""
    spaces, arrays = Spaces.from_dict(record.spaces), where == "numpy"
    device = "cpu" if arrays else where

    def here(x: Any) -> Any:
        return x if arrays else torch.from_numpy(x).to(device)

    if device != "cpu":
        network = copy.deepcopy(network).to(device)
    see, policy, termination = network.see.view, network.policy, network.termination
    factors = Factors.of(spaces.action_factors) if spaces.action_factors else None
    return SkillFunctions(
        see=view_in_numpy(see) if arrays else see,
        policy=in_numpy(policy) if arrays and policy is not None else policy,
        termination=in_numpy(termination) if arrays and termination is not None else termination,
        given=given_policies(spaces, (own,), device) if record.policy != "learned" else None,
        fixed=fixed_actions(spaces, (own,), device),
        factors=None if factors is None else Factors(here(factors.index), here(factors.exists)),
        start=here(np.asarray(spaces.action_starts)) if spaces.action_factors else spaces.action_start,
        stretch=tuple(here(x.astype(np.float32)) for x in (*spaces.policy_bounds, *spaces.stretch)),
    )
