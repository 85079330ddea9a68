"""What options do not decide: components of the action that their definitions fix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from option_critic.errors import InputError
from option_critic.functional.arrays import NDArray, Numbers, single, xp
from option_critic.model.distributions import DiagonalGaussian, pick_row
from option_critic.options.option import Option, StateFunction
from option_critic.spaces import Spaces

CERTAIN = -20.0
"""Log standard deviation of a component that is fixed, where policies are compared: as good as no spread."""


class FixedActions(nn.Module):
    """Components that K options do not decide. Nothing in it is learned, or saved.

    They are written into actions, not into policies: what an option does not decide is in no likelihood, no entropy and
    no divergence. Which those were is kept with each decision, so learning asks nothing of the definitions again.
    """

    free: Tensor
    """[K A] bool: not fixed"""
    value: Tensor
    """[K A] in the policies' units, where it is a number"""
    columns: Tensor
    """[F] of these, where a function says it"""
    middle: Tensor
    half_width: Tensor
    """[F] what makes their answers the policies' units"""

    def __init__(self, spaces: Spaces, options: Sequence[Option], device: str = "cpu") -> None:
        """Raises InputError where a definition fixes what the environment's actions do not have."""
        super().__init__()
        self.shape = (len(options), spaces.action_size)
        free = torch.ones(self.shape, dtype=torch.bool, device=device)
        value = torch.zeros(self.shape, dtype=torch.float32, device=device)
        self.functions: list[tuple[Option, StateFunction]] = []
        columns: list[int] = []
        for k, option in enumerate(options):
            for a, what in (option.fixed or {}).items():
                check(option.name, a, what, spaces)
                free[k, a] = False
                if callable(what):
                    self.functions.append((option, what))
                    columns.append(k * spaces.action_size + a)
                else:
                    value[k, a] = what
        middle, half = (torch.tensor(x, dtype=torch.float32, device=device) for x in spaces.stretch)
        half = torch.where(half > 0, half, 1.0)  # where there is one value, it is in the middle
        at = torch.tensor(columns, dtype=torch.long, device=device)
        component = at % spaces.action_size
        constants = {"free": free.flatten(), "value": ((value - middle) / half).flatten(), "columns": at,
                     "middle": middle[component], "half_width": half[component]}  # fmt: skip
        for name, x in constants.items():
            self.register_buffer(name, x, persistent=False)

    @cached_property
    def in_numpy(self) -> tuple[NDArray, ...]:
        """The constants as arrays; they do not change."""
        return tuple(x.cpu().numpy() for x in self._constants)

    @property
    def _constants(self) -> tuple[Tensor, ...]:
        return self.free, self.value, self.columns, self.middle, self.half_width

    def write(self, action: Numbers, obs: Numbers, option: Numbers) -> tuple[Numbers, Numbers]:
        """(actions of `option` [...] with fixed components in their place, which are not: bool), [..., A] each."""
        free, value = (pick_row(x, option) for x in self(obs))
        return xp(obs).where(free, action, value), free

    def written(self, pi: DiagonalGaussian[Tensor], obs: Tensor) -> DiagonalGaussian[Tensor]:
        """Policies of K options as they act at raw observations [..., D]: certain of what is fixed."""
        free, value = self(obs)
        mean = torch.where(free, pi.mean, pi.before(value))
        return replace(pi, mean=mean, log_std=torch.where(free, pi.log_std, CERTAIN))

    def forward(self, obs: Numbers) -> tuple[Numbers, Numbers]:
        """At raw observations [..., D]: (whether options decide, else the value), [..., K, A] each, in the policies'
        units."""
        obs = single(obs)
        lib: Any = xp(obs)
        lead: tuple[int, ...] = tuple(obs.shape[:-1])
        constants = self._constants if lib is torch else self.in_numpy
        fixed_free, fixed_value, columns, middle, half_width = constants
        free = lib.empty((*lead, len(fixed_free)), dtype=fixed_free.dtype, device=obs.device)
        value = lib.empty_like(free, dtype=obs.dtype)
        free[...], value[...] = fixed_free, fixed_value
        if self.functions:
            said = lib.empty((*lead, len(columns)), dtype=obs.dtype, device=obs.device)
            for i, (option, function) in enumerate(self.functions):
                said[..., i] = option.ask(function, obs)
            said = (said - middle) / half_width
            undecided = lib.isnan(said)
            free[..., columns], value[..., columns] = undecided, lib.where(undecided, 0.0, said)
        return free.reshape(*lead, *self.shape), value.reshape(*lead, *self.shape)


def fixed_actions(spaces: Spaces, options: Sequence[Option], device: str = "cpu") -> FixedActions | None:
    """None where every option decides the whole action."""
    return FixedActions(spaces, options, device) if any(o.fixed for o in options) else None


def check(name: str, component: int, value: float | StateFunction, spaces: Spaces) -> None:
    """Raise InputError unless actions have this component, and it can take this value."""
    if spaces.discrete:
        raise InputError(
            f"option {name} fixes components of the action, but here actions are discrete; leave `fixed` out"
        )
    if component >= spaces.action_size:
        raise InputError(
            f"option {name} fixes component {component} of the action, which has {spaces.action_size}: "
            f"0 to {spaces.action_size - 1}"
        )
    low, high = spaces.action_low[component], spaces.action_high[component]
    if not callable(value) and not low <= value <= high:
        raise InputError(f"fixed[{component}] of option {name} must lie in [{low:g}, {high:g}], got {value:g}")
