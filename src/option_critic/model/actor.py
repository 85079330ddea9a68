"""The network as acting reads it: fewer and larger operations, no gradients, no option values.

A simulator leaves the processor's caches cold, and then it is the number of operations that costs, not
their size: a decision for 32 environments takes half the time this way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from option_critic.model.distributions import ActionDistribution, intra_option_policies
from option_critic.model.fixed import FixedActions
from option_critic.model.normalize import ObservationNormalizer
from option_critic.model.option_model import OptionModel

Affine = tuple[Tensor, Tensor]
"""Weights [out, in] and biases [out]."""


@dataclass(frozen=True)
class Actor:
    """A snapshot: of `OptionModel`, the heads that acting needs. Made anew after each update."""

    norm: ObservationNormalizer
    """for its part that does not learn"""
    center: Tensor
    """[D] mean of the observations"""
    width: Tensor
    """[D] their standard deviation"""
    clip: float
    first: Affine
    """first hidden layers of both trunks side by side"""
    activation: nn.Module
    policy: list[Affine]
    """the other hidden layers under the intra-option policies ..."""
    option: list[Affine]
    """... and under the policy over options and the terminations"""
    pi_head: Affine
    option_head: Affine
    """mu and beta side by side"""
    fixed: FixedActions | None
    """what the options do not decide"""
    log_std: Tensor
    """[K, A]"""
    discrete: bool

    @classmethod
    @torch.no_grad()
    def of(cls, model: OptionModel) -> Self:
        """The snapshot of `model` as it is now."""
        center, width, clip = model.obs_norm.scaling()
        policy, option = _layers(model.policy_trunk), _layers(model.option_trunk)
        return cls(
            norm=model.obs_norm,
            center=center,
            width=width,
            clip=clip,
            first=_side_by_side(policy[0], option[0]),
            activation=model.policy_trunk[1],
            policy=policy[1:],
            option=option[1:],
            pi_head=_affine(model.pi_head),
            option_head=_side_by_side(_affine(model.mu_head), _affine(model.beta_head)),
            fixed=model.fixed,
            log_std=model.log_std.clone(),
            discrete=model.discrete,
        )

    def __call__(self, obs: Tensor, wished: Tensor | None = None) -> tuple[ActionDistribution, Tensor, Tensor]:
        """Raw observations [..., D] -> (pi, mu_logits, beta_logits), each over K options.

        `wished`: the interests of the options that the network watches, if they are known.
        """
        x = ((self.norm.prepare(obs, wished) - self.center) / self.width).clamp_(-self.clip, self.clip)
        policy, option = self.activation(linear(x, *self.first)).chunk(2, -1)
        for layer in self.policy:
            policy = self.activation(linear(policy, *layer))
        for layer in self.option:
            option = self.activation(linear(option, *layer))
        outputs = linear(policy, *self.pi_head)
        pi = intra_option_policies(outputs, self.log_std, self.discrete, self.fixed, obs)
        mu_logits, beta_logits = linear(option, *self.option_head).chunk(2, -1)
        return pi, mu_logits, beta_logits


def _affine(layer: nn.Linear) -> Affine:
    return layer.weight.detach().clone(), layer.bias.detach().clone()


def _layers(trunk: nn.Sequential) -> list[Affine]:
    return [_affine(layer) for layer in trunk if isinstance(layer, nn.Linear)]


def _side_by_side(a: Affine, b: Affine) -> Affine:
    return torch.cat([a[0], b[0]]), torch.cat([a[1], b[1]])
