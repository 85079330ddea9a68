"""Intra-option policies pi_w as distributions with the options as a dimension, never a loop."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic

import numpy as np
import torch
from torch import Generator, Tensor

from option_critic.functional.arrays import NDArray, Numbers, log_softmax, take, xp
from option_critic.functional.options import pick

LOG_2PI = math.log(2 * math.pi)
IMPOSSIBLE = -1e9
"""The logit of a choice that there is not: its probability is 0, and that times its logarithm, too."""


@dataclass(frozen=True)
class DiagonalGaussian(Generic[Numbers]):
    """Normal actions with independent components: one per option, or one picked per row."""

    mean: Numbers
    """[..., K, A], or [..., A] once an option is picked"""
    log_std: Numbers
    """same shape as `mean`"""
    free: Numbers | None = None
    """bool, same shape: the components that the option decides; none: all. The others are in no likelihood."""
    base: Numbers | None = None
    """[..., A] what of the mean of the picked option was given; none: nothing"""

    def at(
        self, option: Numbers, free: Numbers | None = None, base: Numbers | None = None
    ) -> DiagonalGaussian[Numbers]:
        """The policy of `option` [...] at each row, where it decides the components `free` [..., A]; `base` [..., A]:
        what it was given to do, on top of which it learns."""
        mean = pick_row(self.mean, option)
        mean = mean if base is None else mean + self.before(base)
        return type(self)(mean, pick_row(self.log_std, option), free, base)

    def before(self, action: Numbers) -> Numbers:
        """What of the mean stands for an action: itself."""
        return action

    def deciding(self, free: Numbers) -> DiagonalGaussian[Numbers]:
        """It where the option decides the components `free` [..., A]."""
        return type(self)(self.mean, self.log_std, free, self.base)

    def sample(self, noise: Numbers) -> Numbers:
        """One action per row, from standard normal `noise` [..., A]: [..., A]."""
        return self.mean + xp(noise).exp(self.log_std) * noise

    def mode(self) -> Numbers:
        """The most likely action: [..., A]."""
        return self.mean

    def log_prob(self: DiagonalGaussian[Tensor], action: Tensor) -> Tensor:
        """log pi(action), of the action before any clipping: [..., A] -> [...]."""
        z = (action - self.mean) * torch.exp(-self.log_std)
        return -self._sum(0.5 * z * z + self.log_std + 0.5 * LOG_2PI)

    def distance(self: DiagonalGaussian[Tensor], option: Tensor) -> Tensor:
        """Hellinger distance, in [0, 1], of each option's policy [..., K, A] from that of `option` [...]: [..., K]."""
        own = self.at(option)
        spread, own_spread = self.log_std.exp(), own.log_std.exp().unsqueeze(-2)
        total = spread.square() + own_spread.square()
        exponent = -(self.mean - own.mean.unsqueeze(-2)).square() / (4 * total)
        overlap = (0.5 * torch.log(2 * spread * own_spread / total) + exponent).sum(-1).exp()
        return (1 - overlap).clamp(min=0).sqrt()

    def entropy(self: DiagonalGaussian[Tensor]) -> Tensor:
        """Differential entropy in nats: [...]."""
        return self._sum(self.log_std + 0.5 * (1 + LOG_2PI))

    def _sum(self: DiagonalGaussian[Tensor], x: Tensor) -> Tensor:
        """Over the components that are decided."""
        return (x if self.free is None else torch.where(self.free, x, 0.0)).sum(-1)


@dataclass(frozen=True)
class CategoricalActions(Generic[Numbers]):
    """Discrete actions: one distribution per option, or one picked per row."""

    log_probs: Numbers
    """[..., K, A], or [..., A] once an option is picked; normalised"""
    free: Numbers | None = None
    """bool [...], once an option is picked: it decides (the whole of) the action; none: everywhere. Elsewhere the
    action is in no likelihood."""
    base: Numbers | None = None
    """[..., A] logits that the picked option was given; none: nothing"""

    def at(
        self, option: Numbers, free: Numbers | None = None, base: Numbers | None = None
    ) -> CategoricalActions[Numbers]:
        """The policy of `option` [...] at each row, where it decides (`free` [...]), on top of `base` [..., A]."""
        log_probs = pick_row(self.log_probs, option)
        return CategoricalActions(log_probs if base is None else log_softmax(log_probs + base), free, base)

    def deciding(self, free: Numbers) -> CategoricalActions[Numbers]:
        """It where the option decides (`free` [...])."""
        return CategoricalActions(self.log_probs, free, self.base)

    def sample(self, noise: Numbers) -> Numbers:
        """One action per row, from Gumbel `noise` [..., A]: [...] long."""
        return sample_index(self.log_probs, noise)

    def mode(self) -> Numbers:
        """The most likely action: [...] long."""
        return self.log_probs.argmax(-1)

    def log_prob(self: CategoricalActions[Tensor], action: Tensor) -> Tensor:
        """log pi(action): [...] -> [...]."""
        return self._decided(pick(self.log_probs, action))

    def distance(self: CategoricalActions[Tensor], option: Tensor) -> Tensor:
        """Hellinger distance, in [0, 1], of each option's policy [..., K, A] from that of `option` [...]: [..., K]."""
        own = self.at(option).log_probs.unsqueeze(-2)
        overlap = (0.5 * (self.log_probs + own)).exp().sum(-1)
        return (1 - overlap).clamp(min=0).sqrt()

    def entropy(self: CategoricalActions[Tensor]) -> Tensor:
        """Entropy in nats: [...]."""
        return self._decided(-(self.log_probs.exp() * self.log_probs).sum(-1))

    def _decided(self: CategoricalActions[Tensor], x: Tensor) -> Tensor:
        return x if self.free is None else torch.where(self.free, x, 0.0)


@dataclass(frozen=True)
class Factors(Generic[Numbers]):
    """M choices that are made at once, of up to N each: where the numbers of each stand among all A."""

    index: Numbers
    """[M N] whole numbers"""
    exists: Numbers
    """[M, N] bool: the factor has so many choices"""

    @staticmethod
    def of(counts: Sequence[int]) -> Factors[NDArray]:
        """For M factors of so many choices."""
        sizes = np.asarray(counts, dtype=np.int64)
        number, first = np.arange(sizes.max()), (np.cumsum(sizes) - sizes)[:, None]
        exists = number < sizes[:, None]
        return Factors(np.where(exists, first + number, first).flatten(), exists)

    def apart(self, x: Numbers, missing: float) -> Numbers:
        """[..., A] -> [..., M, N], with `missing` for the choices that a factor does not have."""
        rows = take(x, self.index).reshape(*x.shape[:-1], *self.exists.shape)
        return xp(x).where(self.exists, rows, missing)


@dataclass(frozen=True)
class FactoredCategorical(Generic[Numbers]):
    """Several choices at once, independent of each other: one distribution per option, or one picked per row."""

    log_probs: Numbers
    """[..., K, M, N], or [..., M, N] once an option is picked; each factor normalised"""
    free: None = None
    """An option decides all the choices ..."""
    base: None = None
    """... and is given none."""

    def at(
        self, option: Numbers, _free: Numbers | None = None, _base: Numbers | None = None
    ) -> FactoredCategorical[Numbers]:
        """The policy of `option` [...] at each row."""
        *lead, m, n = self.log_probs.shape
        return FactoredCategorical(pick_row(self.log_probs.reshape(*lead, m * n), option).reshape(*lead[:-1], m, n))

    def sample(self, noise: Numbers) -> Numbers:
        """One action per row, from Gumbel `noise` [..., M, N], -inf where there is no choice: [..., M] long."""
        return sample_index(self.log_probs, noise)

    def mode(self) -> Numbers:
        """The most likely action: [..., M] long."""
        return self.log_probs.argmax(-1)

    def log_prob(self: FactoredCategorical[Tensor], action: Tensor) -> Tensor:
        """log pi(action): [..., M] -> [...]."""
        return pick(self.log_probs, action).sum(-1)

    def distance(self: FactoredCategorical[Tensor], option: Tensor) -> Tensor:
        """Hellinger distance, in [0, 1], of each option's policy [..., K] from that of `option` [...]: [..., K]."""
        own = self.at(option).log_probs.unsqueeze(-3)
        overlap = (0.5 * (self.log_probs + own)).exp().sum(-1).prod(-1)
        return (1 - overlap).clamp(min=0).sqrt()

    def entropy(self: FactoredCategorical[Tensor]) -> Tensor:
        """Entropy in nats: [...]."""
        return -(self.log_probs.exp() * self.log_probs).sum((-2, -1))


ActionDistribution = DiagonalGaussian[Numbers] | CategoricalActions[Numbers] | FactoredCategorical[Numbers]


def pick_row(x: Numbers, option: Numbers) -> Numbers:
    """`x` [..., K, A] at `option` [...] -> [..., A]; of arrays [B, K, A] at [B]."""
    if isinstance(x, np.ndarray):
        return x[np.arange(len(x)), option]
    index = option[..., None, None].expand(*option.shape, 1, x.shape[-1])
    return x.gather(-2, index).squeeze(-2)


def gumbel(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Standard Gumbel noise of `shape`."""
    uniform = torch.rand(shape, generator=generator, device=generator.device, dtype=torch.float32)
    uniform.clamp_(min=torch.finfo(torch.float32).tiny)  # 0 is drawn, once in millions
    return -torch.log(-torch.log(uniform))


def sample_index(log_probs: Numbers, noise: Numbers) -> Numbers:
    """Draw from [..., n] log-probabilities by the Gumbel trick, in log-space; noise [..., n] -> [...] long."""
    return (log_probs + noise).argmax(-1)
