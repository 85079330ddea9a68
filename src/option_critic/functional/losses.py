"""Losses as pure functions of log-probabilities, probabilities, values and (constant) advantages."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def clipped_surrogate(log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, clip: float) -> Tensor:
    """-E min( r A, clip(r, 1 - e, 1 + e) A ),  r = exp(log_prob - old)   [PPO, 1707.06347, eq. 7]; [N] -> []."""
    loss: Tensor = _ClippedSurrogate.apply(log_prob, old_log_prob, advantage, clip)  # type: ignore[no-untyped-call]
    return loss


class _ClippedSurrogate(torch.autograd.Function):
    """With its own gradient, -E A r where r lies within the clip or the clip makes it no better: bit for bit what
    autograd finds, in half its operations."""

    @staticmethod
    def forward(ctx: Any, log_prob: Tensor, old_log_prob: Tensor, advantage: Tensor, clip: float) -> Tensor:
        ratio = torch.exp(log_prob - old_log_prob)
        clipped = torch.clamp(ratio, 1 - clip, 1 + clip)
        free, held = ratio * advantage, clipped * advantage
        ctx.save_for_backward(ratio, clipped, free, held, advantage)
        return -torch.min(free, held).mean()

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None, None]:
        ratio, clipped, free, held, advantage = ctx.saved_tensors
        half = ratio.new_full((), 0.5)  # of two equal numbers each is the smaller one, by half
        share = torch.where(clipped == ratio, 1.0, torch.heaviside(held - free, half))
        return -grad / ratio.numel() * share * advantage * ratio, None, None, None


def termination_loss(beta_w: Tensor, advantage: Tensor, old_beta_w: Tensor, clip: float) -> Tensor:
    """E max( beta_w A, clip(beta_w, old - e, old + e) A ),  A = Q - V + charge of the option that ARRIVED; [N] -> [].

    The termination gradient [Bacon+17, thm. 2]: beta itself is differentiated, the expected termination,
    not its sampled bit and not log beta. Like PPO's clip, the bound takes effect on reused samples only.
    """
    held = torch.clamp(beta_w, old_beta_w - clip, old_beta_w + clip)
    return torch.max(beta_w * advantage, held * advantage).mean()


def value_loss(value: Tensor, target: Tensor) -> Tensor:
    """1/2 E (value - target)^2; [N] -> []."""
    return 0.5 * (value - target).square().mean()


def entropy(log_probs: Tensor) -> Tensor:
    """H = -sum_w p_w log p_w; log-probabilities [..., K] -> [...]."""
    return -(log_probs.exp() * log_probs).sum(-1)


def standardise(x: Tensor, among: Tensor | None = None) -> Tensor:
    """(x - mean) / std: for action advantages; [N] -> [N].

    `among` (bool [N]): the rows that take part; the result is 0 elsewhere.
    """
    if among is None:
        return (x - x.mean()) / (x.std() + 1e-8)
    n = among.sum().clamp(min=1)
    away = torch.where(among, x - torch.where(among, x, 0.0).sum() / n, 0.0)
    return away / ((away.square().sum() / (n - 1).clamp(min=1)).sqrt() + 1e-8)


def scale(x: Tensor, among: Tensor | None = None) -> Tensor:
    """x / std: for option advantages, whose mean is information. Subtracting it flips signs; [N] -> [N].

    `among` (bool [N]): the rows that take part; the result is 0 elsewhere, and x where fewer than two do.
    """
    if among is None:
        return x / (x.std() + 1e-8)
    some = x[among]
    spread = some.std() + 1e-8 if len(some) > 1 else x.new_ones(())
    return torch.where(among, x / spread, 0.0)


def clip_fraction(log_prob: Tensor, old_log_prob: Tensor, clip: float) -> Tensor:
    """The share of rows whose ratio lies outside of 1 -+ clip; [N] -> []."""
    return (torch.expm1(log_prob - old_log_prob).abs() > clip).float().mean()


def approximate_kl(log_prob: Tensor, old_log_prob: Tensor) -> Tensor:
    """E[(r - 1) - log r]: unbiased, non-negative estimate of KL(old || new)   [Schulman 2020]; [N] -> []."""
    log_ratio = log_prob - old_log_prob
    return (torch.expm1(log_ratio) - log_ratio).mean()
