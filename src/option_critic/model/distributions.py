"""Intra-option policies pi_w as distributions with the options as a dimension, never a loop."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from option_critic.model.fixed import FixedActions

LOG_2PI = math.log(2 * math.pi)


@dataclass(frozen=True)
class DiagonalGaussian:
    """Normal actions with independent components: one per option, or one picked per row."""

    mean: Tensor
    """[..., K, A], or [..., A] once an option is picked"""
    log_std: Tensor
    """same shape as `mean`"""

    def at(self, option: Tensor) -> DiagonalGaussian:
        """The policy of `option` [...] at each row."""
        index = option[..., None, None].expand(*option.shape, 1, self.mean.shape[-1])
        return DiagonalGaussian(self.mean.gather(-2, index).squeeze(-2), self.log_std.gather(-2, index).squeeze(-2))

    def sample(self, noise: Tensor) -> Tensor:
        """One action per row, from standard normal `noise` [..., A]: [..., A]."""
        return self.mean + self.log_std.exp() * noise

    def mode(self) -> Tensor:
        """The most likely action: [..., A]."""
        return self.mean

    def log_prob(self, action: Tensor) -> Tensor:
        """log pi(action), of the action before any clipping: [..., A] -> [...]."""
        z = (action - self.mean) * torch.exp(-self.log_std)
        return -(0.5 * z * z + self.log_std + 0.5 * LOG_2PI).sum(-1)

    def distance(self, option: Tensor) -> Tensor:
        """Hellinger distance, in [0, 1], of each option's policy [..., K, A] from that of `option` [...]: [..., K]."""
        own = self.at(option)
        spread, own_spread = self.log_std.exp(), own.log_std.exp().unsqueeze(-2)
        total = spread.square() + own_spread.square()
        exponent = -(self.mean - own.mean.unsqueeze(-2)).square() / (4 * total)
        overlap = (0.5 * torch.log(2 * spread * own_spread / total) + exponent).sum(-1).exp()
        return (1 - overlap).clamp(min=0).sqrt()

    def entropy(self) -> Tensor:
        """Differential entropy in nats: [...]."""
        return (self.log_std + 0.5 * (1 + LOG_2PI)).sum(-1)


@dataclass(frozen=True)
class CategoricalActions:
    """Discrete actions: one distribution per option, or one picked per row."""

    log_probs: Tensor
    """[..., K, A], or [..., A] once an option is picked; normalised"""

    def at(self, option: Tensor) -> CategoricalActions:
        """The policy of `option` [...] at each row."""
        index = option[..., None, None].expand(*option.shape, 1, self.log_probs.shape[-1])
        return CategoricalActions(self.log_probs.gather(-2, index).squeeze(-2))

    def sample(self, noise: Tensor) -> Tensor:
        """One action per row, from Gumbel `noise` [..., A]: [...] long."""
        return sample_index(self.log_probs, noise)

    def mode(self) -> Tensor:
        """The most likely action: [...] long."""
        return self.log_probs.argmax(-1)

    def log_prob(self, action: Tensor) -> Tensor:
        """log pi(action): [...] -> [...]."""
        return self.log_probs.gather(-1, action.unsqueeze(-1)).squeeze(-1)

    def distance(self, option: Tensor) -> Tensor:
        """Hellinger distance, in [0, 1], of each option's policy [..., K, A] from that of `option` [...]: [..., K]."""
        own = self.at(option).log_probs.unsqueeze(-2)
        overlap = (0.5 * (self.log_probs + own)).exp().sum(-1)
        return (1 - overlap).clamp(min=0).sqrt()

    def entropy(self) -> Tensor:
        """Entropy in nats: [...]."""
        return -(self.log_probs.exp() * self.log_probs).sum(-1)


ActionDistribution = DiagonalGaussian | CategoricalActions


def intra_option_policies(
    outputs: Tensor, log_std: Tensor, discrete: bool, fixed: FixedActions | None = None, obs: Tensor | None = None
) -> ActionDistribution:
    """What a policy head says [..., K A], as distributions; log_std [K, A].

    With `fixed` components they are in it as good as certain, at raw observations [..., D].
    """
    outputs = outputs.view(*outputs.shape[:-1], *log_std.shape)
    if discrete:
        return CategoricalActions(torch.log_softmax(outputs, -1))
    if fixed is not None and obs is not None:
        return DiagonalGaussian(*fixed(outputs, log_std, obs))
    return DiagonalGaussian(outputs, log_std.expand_as(outputs))


def gumbel(shape: tuple[int, ...], generator: Generator) -> Tensor:
    """Standard Gumbel noise of `shape`."""
    return -torch.log(-torch.log(torch.rand(shape, generator=generator, device=generator.device)))


def sample_index(log_probs: Tensor, noise: Tensor) -> Tensor:
    """Draw from [..., n] log-probabilities by the Gumbel trick, in log-space; noise [..., n] -> [...] long."""
    return (log_probs + noise).argmax(-1)
