"""Running normalisation that lives inside the model, so that no checkpoint can lose it.

Statistics change only when `update` is called, which the training loop does once, after `improve`:
all log-probabilities and values of one iteration are taken under the same normalisation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from option_critic.model.network import View
from option_critic.model.settings import Sign
from option_critic.options.feature import Feature
from option_critic.options.option import Option

EPSILON = 1e-8
CLIP_REWARD = 10.0
"""Bound of scaled rewards: the first success of a sparse task must not throw the critic."""
FREE_ROWS, FAR = 10_000, 3.0
"""Once so many rows are known, no entry counts as more than so many times the largest of all that is usual."""


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

    def update(self, batch: Tensor) -> None:
        """Merge the rows of `batch` [N, D]; there may be none, where a backend only reset."""
        if len(batch):
            self.merge(*moments_of(batch))

    @torch.no_grad()
    def merge(self, n: int, mean: Tensor, var: Tensor) -> None:
        """Add what `moments_of` says of other rows."""
        total = self.count + n
        shift = mean - self.mean
        spread = self.var * self.count + var * n + shift.square() * self.count * n / total
        self.mean += shift * n / total
        self.var.copy_(spread / total)
        self.count.copy_(total)


@torch.no_grad()
def moments_of(batch: Tensor) -> tuple[int, Tensor, Tensor]:
    """(N, mean [D], variance [D]) of the rows [N, D], in float64: all that has to be known of them elsewhere."""
    x = batch.to(torch.float64)
    return len(x), x.mean(0), x.var(0, correction=0)


def turned_by(starts: Sequence[int], sign: Sign) -> list[tuple[int, int, int]]:
    """(where a quaternion starts, the components whose sum is to be positive; the same twice: that one) of each."""
    first = 0 if sign == "first" else 3
    return [(start, start + first, start + (0 if sign == "either" else first)) for start in starts]


class ObservationNormalizer(nn.Module):
    """What the networks see of observations (`network.py: View`), and the statistics of it. The identity until the
    first update.

    `differences` between entries (minuend and subtrahend in turn), the interests of `watched` options and the
    `features` at which single options look are further entries, the latter at the end. What comes out is [..., S].
    """

    key: Tensor
    beside: Tensor
    below: Tensor
    minuend: Tensor
    subtrahend: Tensor
    plus: Tensor
    minus: Tensor
    less: Tensor

    def __init__(
        self,
        size: int,
        clip: float,
        enabled: bool,
        quaternions: Sequence[tuple[int, int, int]] = (),
        differences: tuple[int, ...] = (),
        watched: Sequence[Option] = (),
        device: str = "cpu",
        features: Sequence[Feature] = (),
    ) -> None:
        super().__init__()
        key = torch.arange(size, device=device)
        beside = key.clone()
        below = torch.full((size,), -math.inf, dtype=torch.float32, device=device)
        for start, first, second in quaternions:
            own = slice(start, start + 4)
            key[own], beside[own], below[own] = first, second, 0.0
        self.register_buffer("key", key, persistent=False)
        self.register_buffer("beside", beside, persistent=False)
        self.register_buffer("below", below, persistent=False)
        for name, entries in (("minuend", differences[::2]), ("subtrahend", differences[1::2])):
            self.register_buffer(name, torch.tensor(entries, dtype=torch.long, device=device), persistent=False)
        columns = [(a, b, bool(f.minus)) for f in features for a, b in zip(f.plus, f.minus or f.plus, strict=True)]
        for i, (name, dtype) in enumerate((("plus", torch.long), ("minus", torch.long), ("less", torch.float32))):
            self.register_buffer(
                name, torch.tensor([c[i] for c in columns], dtype=dtype, device=device), persistent=False
            )
        self.size = size + len(self.minuend) + len(watched) + len(columns)
        self.moments = RunningMoments(self.size, device)
        self.clip, self.enabled, self.watched, self.has_quaternions = clip, enabled, tuple(watched), bool(quaternions)
        self.by_sum = any(first != second for _, first, second in quaternions)
        self.whole = True

    @property
    def view(self) -> View[Tensor]:
        """With the statistics as they are now."""
        return View(
            quaternions=(self.key, self.beside if self.by_sum else None, self.below) if self.has_quaternions else None,
            differences=(self.minuend, self.subtrahend) if len(self.minuend) else None,
            watched=self.watched,
            features=(self.plus, self.minus, self.less) if len(self.plus) else None,
            scaling=self.scaling if self.enabled else None,
            clip=self.clip,
            whole=self.whole,
        )

    def look_away(self) -> None:
        """From the observation itself, before the first update: what is left is what stands beside it."""
        self.whole, self.size = False, self.size - len(self.key)
        self.moments = RunningMoments(self.size, self.key.device.type)

    def update(self, obs: Tensor) -> None:
        """Merge raw observations [N, D]."""
        if self.enabled and self.size:
            self.moments.update(self.in_bounds(self.view.prepare(obs)))

    def in_bounds(self, x: Tensor) -> Tensor:
        """What the statistics are told of prepared observations [N, S]. A simulator can hurl an object away, tens of
        metres where all else is less than two: one such episode would change what all others look like, and what was
        learned of them would be lost. So no entry counts as more than `FAR` times the largest |mean| + 3 std.
        """
        if self.moments.count < FREE_ROWS:
            return x
        most = FAR * float((self.moments.mean.abs() + 3 * self.moments.var.sqrt()).max())
        return x.clamp(-most, most) if most else x

    def scaling(self, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """(mean, standard deviation), [S] each."""
        return self.moments.mean.to(dtype), (self.moments.var + EPSILON).sqrt().to(dtype)

    def forward(self, obs: Tensor) -> Tensor:
        """Raw [..., D] -> [..., S] in float32."""
        return self.view(obs)


class TaskMoments(RunningMoments):
    """Mean and variance of one number for each of N tasks, each with a count of its own: `count`, `mean`, `var` [N]."""

    def __init__(self, tasks: int, device: str = "cpu") -> None:
        super().__init__(tasks, device)
        self.count = torch.zeros(tasks, dtype=torch.float64, device=device)

    @torch.no_grad()
    def update_tasks(self, values: Tensor, task: Tensor) -> None:
        """Merge numbers [M], each of a task [M]. Tasks of which there is none stay as they are."""
        for i in range(len(self.mean)):
            own = values[task == i]
            if len(own):
                one = RunningMoments(1, str(values.device))
                for name, x in one.named_buffers():
                    x.copy_(getattr(self, name)[i])
                one.update(own.unsqueeze(-1))
                for name, x in one.named_buffers():
                    getattr(self, name)[i] = x.squeeze()


class RewardScaler(nn.Module):
    """Divides rewards by the running std of the discounted return; never shifts them.

    Shifting would change what an episode's length is worth. The reward then has the unit of the
    deliberation cost: standard deviations of the return. Of several tasks each has its own, so that the critic sees
    returns of one size: else tasks that pay much win (BRC, ARS).
    """

    moments: RunningMoments

    def __init__(self, enabled: bool, device: str = "cpu", tasks: int = 1) -> None:
        super().__init__()
        self.moments = RunningMoments(1, device) if tasks == 1 else TaskMoments(tasks, device)
        self.enabled = enabled

    def forget(self) -> None:
        """As new: steps are paid in another way from now on."""
        self.moments.count.zero_()
        self.moments.mean.zero_()
        self.moments.var.fill_(1.0)

    @torch.no_grad()
    def update(
        self,
        reward: Tensor,
        cut: Tensor,
        valid: Tensor,
        gamma: float,
        total: Tensor | None = None,
        task: Tensor | None = None,
    ) -> Tensor:
        """Merge the discounted returns-so-far of a rollout: reward, cut, valid and, of several tasks, task [T, B].

        `total` [B]: what they had come to when the rollout began (none: episodes began with it). Returns what they have
        come to, to be passed with the next rollout: the scale may not depend on where rollouts are cut.
        """
        total = torch.zeros_like(reward[0]) if total is None else total
        returns = torch.empty_like(reward)
        for t in range(len(reward)):
            total = total * gamma + reward[t]
            returns[t] = total
            total = torch.where(cut[t], 0.0, total)
        if self.enabled and isinstance(self.moments, TaskMoments):
            assert task is not None
            self.moments.update_tasks(returns[valid], task[valid])
        elif self.enabled:
            self.moments.update(returns[valid].unsqueeze(-1))
        return total

    def forward(self, reward: Tensor, task: Tensor | None = None) -> Tensor:
        """Raw [...], of several tasks those `task` [...] -> scaled [...]."""
        if not self.enabled:
            return reward
        var = self.moments.var[0] if task is None else self.moments.var[task]
        # until a reward was seen there is no scale
        std = torch.where(var > EPSILON, var + EPSILON, 1.0).sqrt().to(reward.dtype)
        return (reward / std).clamp(-CLIP_REWARD, CLIP_REWARD)
