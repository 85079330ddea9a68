"""Running normalisation that lives inside the model, so that no checkpoint can lose it.

Statistics change only when `update` is called, which the training loop does once, after `improve`:
all log-probabilities and values of one iteration are taken under the same normalisation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from option_critic.options.interest import wishes
from option_critic.options.option import Option

EPSILON = 1e-8
CLIP_REWARD = 10.0
"""Bound of scaled rewards: the first success of a sparse task must not throw the critic."""


class RunningMoments(nn.Module):
    """Mean and variance of a stream of vectors [N, D] in float64, by batches   [Chan+79]."""

    count: Tensor
    mean: Tensor
    var: Tensor

    def __init__(self, size: int, device: str = "cpu") -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros((), dtype=torch.float64, device=device))
        self.register_buffer("mean", torch.zeros(size, dtype=torch.float64, device=device))
        self.register_buffer("var", torch.ones(size, dtype=torch.float64, device=device))

    @torch.no_grad()
    def update(self, batch: Tensor) -> None:
        """Merge the rows of `batch` [N, D]."""
        x = batch.to(torch.float64)
        n, mean, var = len(x), x.mean(0), x.var(0, correction=0)
        total = self.count + n
        shift = mean - self.mean
        spread = self.var * self.count + var * n + shift.square() * self.count * n / total
        self.mean += shift * n / total
        self.var.copy_(spread / total)
        self.count.copy_(total)


class OneSign(nn.Module):
    """Of the two unit quaternions (x, y, z, w) that mean one rotation, the one with w >= 0.

    Without it an agent of one simulator cannot be judged in another: EnvPool's Meta-World keeps the sign of w,
    the official package makes the largest of the four positive, and so jumps where two are equally large.
    """

    w: Tensor
    """[D] for each entry the w of its quaternion"""
    below: Tensor
    """[D] it turns where that is less than this: 0, and minus infinity outside of quaternions"""

    def __init__(self, size: int, starts: tuple[int, ...], device: str = "cpu") -> None:
        super().__init__()
        w, self.enabled = torch.arange(size, device=device), bool(starts)
        for start in starts:
            w[start : start + 4] = start + 3
        self.register_buffer("w", w, persistent=False)
        below = torch.full((size,), -math.inf, dtype=torch.float32, device=device)
        below[[start + i for start in starts for i in range(4)]] = 0.0
        self.register_buffer("below", below, persistent=False)

    def forward(self, obs: Tensor) -> Tensor:
        """[..., D] -> [..., D]."""
        if not self.enabled:
            return obs
        return torch.where(obs.index_select(-1, self.w) < self.below, -obs, obs)


class ObservationNormalizer(nn.Module):
    """(x - mean) / std, clipped, with one sign for each quaternion. The identity until the first update.

    `differences` between entries (minuend and subtrahend in turn) and the interests of `watched` options are further
    entries of x. What comes out is [..., S].
    """

    minuend: Tensor
    subtrahend: Tensor

    def __init__(
        self,
        size: int,
        clip: float,
        enabled: bool,
        quaternions: tuple[int, ...] = (),
        differences: tuple[int, ...] = (),
        watched: Sequence[Option] = (),
        device: str = "cpu",
    ) -> None:
        super().__init__()
        self.one_sign = OneSign(size, quaternions, device)
        for name, entries in (("minuend", differences[::2]), ("subtrahend", differences[1::2])):
            self.register_buffer(name, torch.tensor(entries, dtype=torch.long, device=device), persistent=False)
        self.size = size + len(self.minuend) + len(watched)
        self.moments = RunningMoments(self.size, device)
        self.clip, self.enabled, self.watched = clip, enabled, tuple(watched)

    def prepare(self, obs: Tensor, wished: Tensor | None = None) -> Tensor:
        """All of the normalisation that does not learn: raw [..., D] -> [..., S]. `wished`: the interests [..., W] of
        the watched options there, if they are known.
        """
        x: Tensor = self.one_sign(obs if obs.is_floating_point() else obs.float())
        parts = [x]
        if len(self.minuend):
            parts.append(x.index_select(-1, self.minuend) - x.index_select(-1, self.subtrahend))
        if self.watched:
            parts.append(wishes(obs, self.watched) if wished is None else wished)
        return torch.cat(parts, -1) if len(parts) > 1 else x

    def update(self, obs: Tensor) -> None:
        """Merge raw observations [N, D]."""
        if self.enabled:
            self.moments.update(self.prepare(obs))

    def scaling(self, dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, float]:
        """(mean [S], std [S], bound) of the normalisation as it is now."""
        mean = self.moments.mean.to(dtype)
        std = (self.moments.var + EPSILON).sqrt().to(dtype)
        return (mean, std, self.clip) if self.enabled else (torch.zeros_like(mean), torch.ones_like(std), math.inf)

    def forward(self, obs: Tensor) -> Tensor:
        """Raw [..., D] -> normalised [..., S] in float32. Observations in float64 are normalised in it: far from zero
        (a timestamp) float32 would leave nothing of what varies."""
        x = self.prepare(obs)
        if not self.enabled:
            return x.float()
        mean, std, clip = self.scaling(x.dtype)
        return ((x - mean) / std).clamp(-clip, clip).float()


class RewardScaler(nn.Module):
    """Divides rewards by the running std of the discounted return; never shifts them.

    Shifting would change what an episode's length is worth. The reward then has the unit of the
    deliberation cost: standard deviations of the return.
    """

    def __init__(self, enabled: bool, device: str = "cpu") -> None:
        super().__init__()
        self.moments = RunningMoments(1, device)
        self.enabled = enabled

    @torch.no_grad()
    def update(self, reward: Tensor, cut: Tensor, valid: Tensor, gamma: float, total: Tensor | None = None) -> Tensor:
        """Merge the discounted returns-so-far of a rollout: reward, cut, valid [T, B].

        `total` [B]: what they had come to when the rollout began (none: episodes began with it). Returns what they have
        come to, to be passed with the next rollout: the scale may not depend on where rollouts are cut.
        """
        total = torch.zeros_like(reward[0]) if total is None else total
        returns = torch.empty_like(reward)
        for t in range(len(reward)):
            total = total * gamma + reward[t]
            returns[t] = total
            total = torch.where(cut[t], 0.0, total)
        if self.enabled:
            self.moments.update(returns[valid].unsqueeze(-1))
        return total

    def forward(self, reward: Tensor) -> Tensor:
        """Raw [...] -> scaled [...]."""
        if not self.enabled:
            return reward
        var = self.moments.var[0]
        # until a reward was seen there is no scale
        std = torch.where(var > EPSILON, var + EPSILON, 1.0).sqrt().to(reward.dtype)
        return (reward / std).clamp(-CLIP_REWARD, CLIP_REWARD)
