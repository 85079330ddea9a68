"""The records that flow through the straight line, each field with its shape.

Dimensions: T steps, B environments, K options, D observation, A action. What an agent that acts holds in its
hands are numpy arrays; what is learned from are tensors. Records that both use say which.
Which option (arriving or chosen), which state (s, s' or the state after a reset) and which
mask are *fields* here, never conventions: published option-critic bugs are nearly all index bugs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Generic, Self, TypeVar

import numpy as np
import torch
from torch import Tensor

from option_critic.functional.arrays import NDArray, Numbers, xp

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


Record = TypeVar("Record", bound="DataclassInstance")


def each(record: Record, change: Callable[[Tensor], Tensor]) -> Record:
    """A record of tensors with every field changed; none stays none."""
    values = {f.name: getattr(record, f.name) for f in fields(record)}
    return type(record)(**{name: None if x is None else change(x) for name, x in values.items()})


@dataclass(frozen=True)
class Carry(Generic[Numbers]):
    """All the memory of an agent between two steps; passed by hand."""

    option: Numbers
    """[B] integer: the option that arrives."""
    option_age: Numbers
    """[B] integer: steps it has run since it was last chosen."""
    is_first: Numbers
    """[B] bool: the episode starts now, so there is no arriving option."""

    @staticmethod
    def start(num_envs: int) -> Carry[NDArray]:
        """The carry before the first step of `num_envs` fresh episodes."""
        zeros = np.zeros(num_envs, dtype=np.int64)
        return Carry(zeros, zeros, np.ones(num_envs, dtype=np.bool_))


@dataclass(frozen=True)
class Choice(Generic[Numbers]):
    """What an agent decided at s."""

    action: Numbers
    """[B, A] (Box, before clipping), [B] (Discrete) or [B, M] (MultiDiscrete, MultiBinary)"""
    option: Numbers
    """[B] the option that executes at s."""
    prev_option: Numbers
    """[B] the option that arrived at s, before any re-selection."""
    option_age: Numbers
    """[B] steps that the arriving option had run."""
    is_first: Numbers
    """[B] s is the first state of its episode."""
    ended: Numbers
    """[B] the arriving option ended at s (by learning or by force), so a choice was made."""
    forced: Numbers
    """[B] that end was forced: first step, maximum length, or no interest."""
    beta: Numbers
    """[B] effective termination probability of the arriving option."""

    @property
    def carry(self) -> Carry[Numbers]:
        """What arrived at s."""
        return Carry(self.prev_option, self.option_age, self.is_first)

    def next_carry(self, is_first: Numbers) -> Carry[Numbers]:
        """The carry at the next decision, where `is_first` [B] marks fresh episodes."""
        return Carry(self.option, self.next_age, is_first)

    @property
    def next_age(self) -> Numbers:
        """[B] age of the executing option when it arrives at s'."""
        return xp(self.ended).where(self.ended, 0, self.option_age) + 1  # type: ignore[no-any-return]


@dataclass(frozen=True)
class Decision(Choice[Tensor]):
    """A choice, and how likely it was."""

    log_pi: Tensor
    """[B] log pi_w(a|s)."""
    log_mu: Tensor
    """[B] log mu_I(w|s) of the option that executes."""
    log_arrival: Tensor
    """[B] log pi_hat(w|w_prev, s), the option and the decision to keep it taken together."""
    free: Tensor | None = None
    """[B, A] bool: the components of the action that the option decided (choices: [B], whether it did); none: all."""
    base: Tensor | None = None
    """[B, A] what of the policy's mean (or logits) the option was given; none: nothing."""

    @property
    def decides(self) -> Tensor | None:
        """[B] bool: rows in which the option decided anything, so that its policy can learn from them. None: all, as
        where no policy is given."""
        if self.base is None or self.free is None:
            return None
        return self.free if self.free.ndim == self.option.ndim else self.free.any(-1)


@dataclass(frozen=True)
class Interest(Generic[Numbers]):
    """What the user's definitions say of every option at a state, over the permitted options."""

    start: Numbers
    """[..., K] I_w(s), the weight of each option in a choice."""
    stay: Numbers
    """[..., K] the same for the option that arrives: 0, a forced end, also where its own end condition holds."""


@dataclass(frozen=True)
class Rollout:
    """T rows of B environments. Observations and rewards are raw; the model normalises."""

    obs: Tensor
    """[T, B, D]"""
    next_obs: Tensor
    """[T, B, D] the true successor."""
    interest: Interest[Tensor]
    """at s, fields [T, B, K]"""
    next_interest: Interest[Tensor]
    """at s'"""
    decision: Decision
    """fields [T, B, ...]"""
    reward: Tensor
    """[T, B] the environment's"""
    own_reward: Tensor
    """[T, B] what the option that executes adds to it, by its definition."""
    terminated: Tensor
    """[T, B]"""
    truncated: Tensor
    """[T, B]"""
    valid: Tensor
    """[T, B] rows that are real steps; nothing may learn from the others."""
    success: Tensor | None
    """[T, B] the task's own success flag, at any of a row's steps; none where it told nothing. For diagnosis: nothing
    learns from it."""
    steps: Tensor
    """[T, B] the environment's own steps in each row: more than one where actions are held."""
    success_last: Tensor | None = None
    """[T, B] the same at the last of a row's steps."""
    seen: Tensor | None = None
    """[T, B, S] what the networks saw at s, where images are encoded: the values need not encode them again."""
    task: Tensor | None = None
    """[T, B] integer: the task, where there are several."""
    unstable: int = 0
    """Steps in which MuJoCo reset a simulation that became unstable; they are truncated."""
    env_seconds: float = 0.0
    """Time that went into waiting for the environments."""

    @property
    def cut(self) -> Tensor:
        """[T, B] where no trace may pass: an episode or a run of valid rows ends."""
        return self.terminated | self.truncated | ~self.valid

    @property
    def env_steps(self) -> int:
        """Environment steps in this rollout."""
        return int((self.steps * self.valid).sum())


@dataclass(frozen=True)
class Values:
    """What the model says before the update, at s and at the true s' (no gradient)."""

    reward: Tensor
    """[T, B] scaled"""
    q: Tensor
    """[T, B, K] Q(s, w)"""
    log_mu: Tensor
    """[T, B, K] log mu_I(w|s)"""
    beta: Tensor
    """[T, B] beta_eff of the option that arrived at s."""
    next_q: Tensor
    """[T, B, K] Q(s', w)"""
    next_log_mu: Tensor
    """[T, B, K] log mu_I(w|s')"""
    next_beta: Tensor
    """[T, B] beta_eff at s' of the option that executed at s."""
    next_forced: Tensor
    """[T, B] the end at s' would be forced."""


@dataclass(frozen=True)
class Targets:
    """What the update moves towards (no gradient)."""

    adv_action: Tensor
    """[T, B] advantage of the action within the option that executed."""
    adv_option: Tensor
    """[T, B] advantage of the option decision: to keep, or to end and choose."""
    adv_master: Tensor
    """[T, B] advantage of the option that was chosen, over V(s); means something where one ended."""
    adv_term: Tensor
    """[T, B] what is lost by ending the option that ARRIVED at s."""
    q_target: Tensor
    """[T, B] regression target of Q(s, w)."""


@dataclass(frozen=True)
class Batch:
    """Valid rows of a rollout beside their targets, flattened to [N, ...]."""

    obs: Tensor
    interest: Interest[Tensor]
    decision: Decision
    targets: Targets

    def __len__(self) -> int:
        return len(self.obs)

    def tensors(self) -> dict[str, Tensor]:
        """Every field by its name, for a file."""
        parts = {"interest/": vars(self.interest), "decision/": vars(self.decision), "targets/": vars(self.targets)}
        named = {
            f"{part}{name}": x.cpu().contiguous()
            for part, xs in parts.items()
            for name, x in xs.items()
            if x is not None
        }
        return {"obs": self.obs.cpu().contiguous()} | named

    def flat(self) -> list[Tensor]:
        """Every field, in one order."""
        parts = (self.interest, self.decision, self.targets)
        return [self.obs, *(x for part in parts for x in vars(part).values() if x is not None)]

    def like(self, flat: Sequence[Tensor]) -> Self:
        """The same with other tensors, in the order of `flat`."""
        obs, *others = flat
        left = iter(others)

        def fill(_: Tensor) -> Tensor:
            return next(left)

        return type(self)(obs, each(self.interest, fill), each(self.decision, fill), each(self.targets, fill))

    def split(self, parts: int) -> list[tuple[Tensor, ...]]:
        """Consecutive parts of (nearly) equal length: views, in the order of `flat`."""
        length, longer = divmod(len(self), parts)
        lengths = [length + 1] * longer + [length] * (parts - longer)
        return list(zip(*(torch.split(x, lengths) for x in self.flat()), strict=True))

    def rows(self, index: Tensor | slice) -> Self:
        """The rows in `index` [M] (long, a mask [N], or a slice)."""

        def at(x: Tensor) -> Tensor:
            if isinstance(index, Tensor) and index.dtype == torch.long and x.is_contiguous():
                return x.index_select(0, index)  # in a quarter of the time
            return x[index]

        return type(self)(at(self.obs), each(self.interest, at), each(self.decision, at), each(self.targets, at))

    @classmethod
    def of(cls, rollout: Rollout, targets: Targets) -> Batch:
        """Flatten time and environments and drop the rows that are not real steps."""

        def join(x: Tensor) -> Tensor:
            return x.flatten(0, 1)

        flat = cls(join(rollout.obs), each(rollout.interest, join), each(rollout.decision, join), each(targets, join))
        valid = rollout.valid.flatten()
        return flat if bool(valid.all()) else flat.rows(valid)
