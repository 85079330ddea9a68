"""What a policy head says, as distributions; and squashed ones, which say their own spread."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from option_critic.functional.arrays import Numbers, clamp, log_softmax, xp
from option_critic.model.distributions import (
    IMPOSSIBLE,
    LOG_2PI,
    ActionDistribution,
    CategoricalActions,
    DiagonalGaussian,
    FactoredCategorical,
    Factors,
)

INNER = math.tanh(3)
"""Of a given action, what a squashed policy takes for its mean at most ..."""
EDGE = 1e-6
"""... and how near to +-1 an action lies whose density is asked."""
SPREADS = (-20.0, 2.0)
"""The least and largest log standard deviation of a squashed policy."""


@dataclass(frozen=True)
class SquashedGaussian(DiagonalGaussian[Numbers]):
    """tanh of normal numbers, so that all actions lie within (-1, 1)   [Haarnoja+18, 1812.05905, appendix C].

    `mean` and `log_std` are those of the normal numbers, and so is `distance`, which a bijection does not change.
    """

    def before(self, action: Numbers) -> Numbers:
        """The normal numbers that become an action, no further out than +-3: what is given can still be corrected."""
        return unsquashed(action)

    def sample(self, noise: Numbers) -> Numbers:
        """One action per row, from standard normal `noise` [..., A]: [..., A]."""
        lib = xp(noise)
        return lib.tanh(self.mean + lib.exp(self.log_std) * noise)

    def mode(self) -> Numbers:
        """What the mean becomes: [..., A]."""
        return xp(self.mean).tanh(self.mean)

    def drawn(self: SquashedGaussian[Tensor], noise: Tensor) -> tuple[Tensor, Tensor]:
        """(actions [..., A], their log-density [...]) from standard normal `noise`, with a gradient through both."""
        u = self.mean + self.log_std.exp() * noise
        return torch.tanh(u), -self._sum(0.5 * noise * noise + self.log_std + 0.5 * LOG_2PI + log_slope(u))

    def log_prob(self: SquashedGaussian[Tensor], action: Tensor) -> Tensor:
        """log pi(action), within what float32 tells apart from +-1: [..., A] -> [...]."""
        u = torch.atanh(action.clamp(-1 + EDGE, 1 - EDGE))
        z = (u - self.mean) * torch.exp(-self.log_std)
        return -self._sum(0.5 * z * z + self.log_std + 0.5 * LOG_2PI + log_slope(u))


def unsquashed(action: Numbers) -> Numbers:
    """What tanh makes an action of, at most +-3; [...]."""
    lib = xp(action)
    return lib.arctanh(lib.clip(action, -INNER, INNER))


def log_slope(u: Tensor) -> Tensor:
    """log(1 - tanh(u)^2), without the square that loses all digits; [...]."""
    return 2 * (math.log(2) - u - torch.nn.functional.softplus(-2 * u))


def intra_option_policies(
    outputs: Numbers,
    log_std: Numbers,
    discrete: bool,
    factors: Factors[Numbers] | None = None,
    squashed: bool = False,
) -> ActionDistribution[Numbers]:
    """What a policy head says [..., K A], or `squashed` [..., K 2A], as distributions; log_std [K, A]."""
    if squashed:
        return squashed_policies(outputs.reshape(*outputs.shape[:-1], len(log_std), -1), log_std)
    outputs = outputs.reshape(*outputs.shape[:-1], *log_std.shape)
    if factors is not None:
        return FactoredCategorical(log_softmax(factors.apart(outputs, IMPOSSIBLE)))
    if discrete:
        return CategoricalActions(log_softmax(outputs))
    return DiagonalGaussian(outputs, xp(outputs).broadcast_to(log_std, outputs.shape))


def squashed_policies(outputs: Numbers, log_std: Numbers, base: Numbers | None = None) -> SquashedGaussian[Numbers]:
    """Means and log standard deviations [..., 2A], the latter on top of log_std [..., A] -> policies."""
    a = log_std.shape[-1]
    mean, spread = outputs[..., :a], clamp(outputs[..., a:] + log_std, *SPREADS)
    pi = SquashedGaussian(mean, spread, None, base)
    return pi if base is None else replace(pi, mean=mean + pi.before(base))


def policy_of_one(
    outputs: Numbers,
    log_std: Numbers,
    discrete: bool,
    factors: Factors[Numbers] | None,
    base: Numbers | None,
    squashed: bool = False,
) -> ActionDistribution[Numbers]:
    """What the head says of the option that is picked at each row, as a distribution: outputs and log_std [..., A],
    on top of `base` [..., A]."""
    if squashed:
        return squashed_policies(outputs, log_std, base)
    if factors is not None:
        return FactoredCategorical(log_softmax(factors.apart(outputs, IMPOSSIBLE)))
    if base is not None:
        outputs = outputs + base
    return (
        CategoricalActions(log_softmax(outputs), None, base)
        if discrete
        else DiagonalGaussian(outputs, log_std, None, base)
    )
