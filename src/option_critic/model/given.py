"""Policies that options are given: skills and functions, frozen or with a correction that is learned on top."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from option_critic.errors import InputError, RunError
from option_critic.functional.anew import ask_anew
from option_critic.functional.arrays import NDArray, Numbers, single, xp
from option_critic.model.distributions import ActionDistribution, CategoricalActions, DiagonalGaussian
from option_critic.model.fixed import CERTAIN
from option_critic.options.option import Option
from option_critic.spaces import Spaces

MARGIN = 5.0
"""By how much the logit of a choice that is given exceeds the others: a correction begins with it in 0.97 of four."""


class GivenPolicies(nn.Module):
    """What K options are given to do. Nothing in it is learned, or saved with the weights.

    A given action is the *base* of a policy, in its units: added to the mean that the network says (to the logits of
    choices), 0 where nothing is given. A frozen option's action is the base itself, and no part of it is free (as what
    is `fixed`): it is in no likelihood, no entropy and no divergence. Base and free parts are kept with each decision,
    so learning asks nothing of skills again.
    """

    middle: Tensor
    half_width: Tensor
    """[A] what makes actions the policies' units"""
    low: Tensor
    high: Tensor
    """[A] the bounds of actions, in these"""
    frozen: Tensor
    """[K] bool: the option does what is given, and nothing else"""
    free: Tensor
    """[K, A] bool, or [K] of choices: the parts of an action of which it learns something"""

    def __init__(self, spaces: Spaces, options: Sequence[Option], device: str = "cpu") -> None:
        """Raises InputError where actions are of a kind that cannot be given."""
        super().__init__()
        if spaces.action_factors:
            given = next(o.name for o in options if o.policy)
            raise InputError(
                f"option {given} is given a policy, but here an action is {len(spaces.action_factors)} choices at once;"
                " policies can be given where it is one choice, or numbers"
            )
        self.options, self.discrete, self.size = tuple(options), spaces.discrete, spaces.action_size
        self.unstretched = not spaces.discrete and spaces.unstretched
        self.start, self.given = spaces.action_start, [k for k, o in enumerate(options) if o.policy is not None]
        middle, half = (torch.tensor(x, dtype=torch.float32, device=device) for x in spaces.stretch)
        low, high = (torch.tensor(x, dtype=torch.float32, device=device) for x in spaces.policy_bounds)
        frozen = torch.tensor([o.frozen for o in options], dtype=torch.bool, device=device)
        half = torch.where(half > 0, half, 1.0)
        free = ~frozen if self.discrete else ~frozen[:, None].expand(-1, self.size)
        constants = {"middle": middle, "half_width": half, "low": low, "high": high, "frozen": frozen, "free": free}
        for name, x in constants.items():
            self.register_buffer(name, x.contiguous(), persistent=False)

    def check(self, obs: Tensor) -> None:
        """Raise InputError, naming the option, unless what is given answers observations [N, D] with actions."""
        for k in self.given:
            what, shape = f"policy of option {self.options[k].name}", list(obs.shape[:-1])
            shape = shape if self.discrete else [*shape, self.size]
            try:
                answer = self._ask(k, single(obs))
            except Exception as error:
                raise InputError(f"{what} failed on observations {list(obs.shape)}: {error}") from error
            got = list(answer.shape) if isinstance(answer, Tensor) else type(answer).__name__
            if got != shape:
                raise InputError(
                    f"{what} must give a tensor {shape} of actions for observations {list(obs.shape)}, got {got}"
                )

    def base(self, obs: Numbers, option: Numbers) -> Numbers:
        """What is given to `option` [B] at raw observations [B, D]: [B, A]. Each is asked at its own rows only.

        Raises RunError for what is not finite: else the environment would be blamed for what it makes of it.
        """
        obs = single(obs)
        lib: Any = xp(obs)
        base = lib.zeros((*obs.shape[:-1], self.size), dtype=obs.dtype, device=obs.device)
        for k in self.given:
            (rows,) = lib.where(option == k)
            if len(rows):
                said = self._ask(k, obs if len(rows) == len(obs) else obs[rows])
                base[rows] = self.in_units(said, obs)
                if self.discrete and not (base[rows] > 0).any(-1).all():
                    raise RunError(
                        f"the policy of option {self.options[k].name} answers a choice that there is none of: they are "
                        f"{self.start} to {self.start + self.size - 1}"
                    )
        if not lib.isfinite(base).all():
            k = int(option[~lib.isfinite(base).all(-1)][0])
            raise RunError(f"the policy that option {self.options[k].name} is given answers NaN or infinity")
        return base

    def bases(self, obs: Tensor) -> Tensor:
        """The same of all K options at raw observations [..., D]: [..., K, A]."""
        return ask_anew(self._bases, single(obs))

    def _bases(self, obs: Tensor) -> Tensor:
        base = torch.zeros((*obs.shape[:-1], len(self.options), self.size), dtype=obs.dtype, device=obs.device)
        for k in self.given:
            base[..., k, :] = self.in_units(self._ask(k, obs), obs)
        return base

    def write(self, action: Numbers, base: Numbers, option: Numbers) -> tuple[Numbers, Numbers]:
        """(actions of `option` [B] with those of frozen ones in their place, which parts they decided: bool)."""
        lib: Any = xp(base)
        free: Any = (self._constants if lib is torch else self.in_numpy)[2][option]
        return lib.where(free, action, base.argmax(-1) if self.discrete else base), free

    def behaviour(self, pi: ActionDistribution[Tensor], obs: Tensor) -> ActionDistribution[Tensor]:
        """Policies of K options as they act at raw observations [..., D]: with what is given, certain where frozen."""
        base, frozen = self.bases(obs), self.frozen[:, None]
        if isinstance(pi, DiagonalGaussian):
            log_std = torch.where(frozen, CERTAIN, pi.log_std)
            before = pi.before(base)
            return replace(pi, mean=torch.where(frozen, before, pi.mean + before), log_std=log_std)
        assert isinstance(pi, CategoricalActions)
        certain = torch.where(base == base.amax(-1, keepdim=True), 0.0, CERTAIN)
        return CategoricalActions(torch.log_softmax(torch.where(frozen, certain, pi.log_probs + base), -1))

    def _ask(self, k: int, obs: Any) -> Any:
        option = self.options[k]
        return option.ask(option.policy, obs)  # type: ignore[arg-type]

    def in_units(self, action: Any, like: Numbers) -> Any:
        """Actions as the environment takes them -> the base of a policy [..., A], clipped to its bounds: a correction
        would else have to bring them back first."""
        lib: Any = xp(like)
        if not self.discrete:
            middle, half, _, low, high = self._constants if lib is torch else self.in_numpy
            return lib.clip(single(action) if self.unstretched else (single(action) - middle) / half, low, high)
        number = lib.arange(self.size, device=like.device)
        return single(lib.where(action[..., None] - self.start == number, MARGIN, 0.0))

    @cached_property
    def in_numpy(self) -> tuple[NDArray, ...]:
        """The constants as arrays; they do not change."""
        return tuple(x.cpu().numpy() for x in self._constants)

    @property
    def _constants(self) -> tuple[Tensor, ...]:
        return self.middle, self.half_width, self.free, self.low, self.high


def given_policies(spaces: Spaces, options: Sequence[Option], device: str = "cpu") -> GivenPolicies | None:
    """None where all options learn what they do from nothing."""
    return GivenPolicies(spaces, options, device) if any(o.policy is not None for o in options) else None
