"""What options do not decide: components of the action that their definitions fix."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from option_critic.errors import InputError
from option_critic.functional.arrays import Numbers, single, xp
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
    value: Tensor
    middle: Tensor
    half_width: Tensor

    def __init__(self, spaces: Spaces, options: Sequence[Option], device: str = "cpu") -> None:
        """Raises InputError where a definition fixes what the environment's actions do not have."""
        super().__init__()
        free = torch.ones(len(options), spaces.action_size, dtype=torch.bool, device=device)
        value = torch.zeros(len(options), spaces.action_size, dtype=torch.float32, device=device)
        self.functions: list[tuple[int, int, Option, StateFunction]] = []
        for k, option in enumerate(options):
            for a, what in (option.fixed or {}).items():
                check(option.name, a, what, spaces)
                free[k, a] = False
                if callable(what):
                    self.functions.append((k, a, option, what))
                else:
                    value[k, a] = what
        middle, half = (torch.tensor(x, dtype=torch.float32, device=device) for x in spaces.stretch)
        self.register_buffer("free", free, persistent=False)
        self.register_buffer("value", (value - middle) / half, persistent=False)
        self.register_buffer("middle", middle, persistent=False)
        self.register_buffer("half_width", half, persistent=False)

    def write(self, action: Numbers, obs: Numbers, option: Numbers) -> tuple[Numbers, Numbers]:
        """(actions of `option` [...] with fixed components in their place, which are not: bool), [..., A] each."""
        free, value = (pick_row(x, option) for x in self(obs))
        return xp(obs).where(free, action, value), free

    def written(self, pi: DiagonalGaussian[Tensor], obs: Tensor) -> DiagonalGaussian[Tensor]:
        """Policies of K options as they act at raw observations [..., D]: certain of what is fixed."""
        free, value = self(obs)
        return DiagonalGaussian(torch.where(free, pi.mean, value), torch.where(free, pi.log_std, CERTAIN))

    def forward(self, obs: Numbers) -> tuple[Numbers, Numbers]:
        """At raw observations [..., D]: (whether options decide, else the value), [..., K, A] each, in the policies'
        units."""
        obs = single(obs)
        lib, parts = xp(obs), (self.free, self.value, self.middle, self.half_width)
        free, value, middle, half_width = parts if lib is torch else (part.numpy() for part in parts)
        shape = (*obs.shape[:-1], *self.free.shape)
        free, value = lib.broadcast_to(free, shape), lib.broadcast_to(value, shape)
        if self.functions:
            free, value = (lib.asarray(x, copy=True) for x in (free, value))
        for k, a, option, function in self.functions:
            value[..., k, a] = option.ask(function, obs)
            said = (value[..., k, a] - middle[a]) / half_width[a]
            undecided = lib.isnan(said)
            free[..., k, a] = undecided
            value[..., k, a] = lib.where(undecided, 0.0, said)
        return free, value


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
