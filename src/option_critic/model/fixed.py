"""What options do not decide: components of the action that their definitions fix."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from option_critic.errors import InputError
from option_critic.functional.anew import ask_anew
from option_critic.functional.arrays import NDArray, Numbers, pick_each, single, take, xp
from option_critic.model.distributions import DiagonalGaussian
from option_critic.options.option import Option, StateFunction
from option_critic.spaces import Spaces

CERTAIN = -20.0
"""Log standard deviation of a component that is fixed, where policies are compared: as good as no spread."""


class FixedActions(nn.Module):
    """Components that K options do not decide. Nothing in it is learned, or saved.

    They are written into actions, not into policies: what an option does not decide is in no likelihood, no entropy and
    no divergence. Which those were is kept with each decision, so learning asks nothing of the definitions again.
    """

    values: Tensor
    """[C] all that is written, each once, in the policies' units: F that functions say, numbers, and NaN at the end,
    which stands for what an option decides"""
    at: Tensor
    """[K, A] which of these it is"""
    middle: Tensor
    half_width: Tensor
    """[F] what makes the functions' answers the policies' units"""

    def __init__(self, spaces: Spaces, options: Sequence[Option], device: str = "cpu") -> None:
        """Raises InputError where a definition fixes what the environment's actions do not have."""
        super().__init__()
        said = [(k, a, what) for k, o in enumerate(options) for a, what in (o.fixed or {}).items()]
        said.sort(key=lambda one: not callable(one[2]))
        self.functions: list[tuple[Option, int]] = []  # whose, of which component: functions are not copied with us
        self.unstretched = spaces.unstretched
        middle, half = (torch.tensor(x, dtype=torch.float32, device=device) for x in spaces.stretch)
        half = torch.where(half > 0, half, 1.0)  # where there is one value, it is in the middle
        at = torch.full((len(options), spaces.action_size), len(said), dtype=torch.long, device=device)
        values = torch.full((len(said) + 1,), math.nan, dtype=torch.float32, device=device)
        for i, (k, a, what) in enumerate(said):
            check(options[k].name, a, what, spaces)
            at[k, a] = i
            if callable(what):
                self.functions.append((options[k], a))
            else:
                values[i] = (what - middle[a]) / half[a]
        components = [a for _, a, what in said if callable(what)]
        constants = {"values": values, "at": at, "middle": middle[components], "half_width": half[components]}
        for name, x in constants.items():
            self.register_buffer(name, x, persistent=False)

    @cached_property
    def in_numpy(self) -> tuple[NDArray, ...]:
        """The constants as arrays; they do not change."""
        return tuple(x.cpu().numpy() for x in self._constants)

    @property
    def _constants(self) -> tuple[Tensor, ...]:
        return self.values, self.at, self.middle, self.half_width

    def write(self, action: Numbers, obs: Numbers, option: Numbers | None = None) -> tuple[Numbers, Numbers]:
        """(actions of `option` [...] with fixed components in their place, which are not: bool), [..., A] each. Without
        `option` they are the first one's."""
        said, at = self._said(obs)
        own = take(said, at[0]) if option is None else pick_each(said, at[option])
        free = xp(own).isnan(own)
        return xp(own).where(free, action, own), free

    def written(self, pi: DiagonalGaussian[Tensor], obs: Tensor) -> DiagonalGaussian[Tensor]:
        """Policies of K options as they act at raw observations [..., D]: certain of what is fixed."""
        free, value = self(obs)
        mean = torch.where(free, pi.mean, pi.before(value))
        return replace(pi, mean=mean, log_std=torch.where(free, pi.log_std, CERTAIN))

    def forward(self, obs: Numbers) -> tuple[Numbers, Numbers]:
        """At raw observations [..., D]: (whether options decide, else the value), [..., K, A] each, in the policies'
        units."""
        value = ask_anew(self._values, obs)
        free = xp(value).isnan(value)
        return free, xp(value).where(free, 0.0, value)

    def _values(self, obs: Numbers) -> Numbers:
        """[..., K, A], NaN where options decide."""
        said, at = self._said(obs)
        return take(said, at.reshape(-1)).reshape(*said.shape[:-1], *at.shape)

    def _said(self, obs: Numbers) -> tuple[Numbers, Any]:
        """(all that is written at raw observations [..., D], [..., C]; `at`)."""
        obs = single(obs)
        lib: Any = xp(obs)
        values, at, middle, half_width = self._constants if lib is torch else self.in_numpy
        said = lib.empty((*obs.shape[:-1], len(values)), dtype=obs.dtype, device=obs.device)
        said[...] = values
        for i, (option, a) in enumerate(self.functions):
            said[..., i] = option.ask((option.fixed or {})[a], obs)  # type: ignore[arg-type]
        if self.functions and not self.unstretched:
            answers = said[..., : len(self.functions)]
            answers -= middle
            answers /= half_width
        return said, at


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
