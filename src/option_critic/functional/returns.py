"""Advantages by one recursion. Option algorithms differ only in what stands at its two ends."""

from __future__ import annotations

import torch
from torch import Tensor


def risk_sensitive(delta: Tensor, risk_seeking: float) -> Tensor:
    """(1 + kappa) delta where delta > 0, (1 - kappa) delta elsewhere   [Mihatsch+Neuneier 02, with their -kappa].

    Values whose errors are 0 in this mean lie above the expected return, if kappa > 0, by what one's own noise and
    the environment's spoil; where nothing is left to chance they are the return itself. kappa in (-1, 1); 0: the
    errors as they are. [...] -> [...]
    """
    if risk_seeking == 0.0:
        return delta
    return torch.where(delta > 0, (1.0 + risk_seeking) * delta, (1.0 - risk_seeking) * delta)


def gae(
    reward: Tensor,
    value: Tensor,
    next_value: Tensor,
    terminated: Tensor,
    cut: Tensor,
    gamma: float,
    lam: float,
    risk_seeking: float = 0.0,
) -> Tensor:
    """A_t = delta_t + gamma lam (1 - cut_t) A_{t+1},   delta_t = r_t + gamma (1 - terminated_t) v'_t - v_t.

    Generalised advantage estimation [Schulman+16, 1506.02438, eq. 16], with the two masks kept apart:
    `terminated` stops the bootstrap, `cut` (terminated, truncated or a reset row) stops the trace.
    `next_value` belongs to the true successor, so no reward is edited for time limits [1712.00378].

        action advantage: value = Q(s_t, w_t),    next_value = U(w_t, s_{t+1})
        option advantage: value = U(w_{t-1}, s_t), next_value = U(w_t, s_{t+1}), reward less the realised charge

    `risk_seeking` weighs good surprises more than bad ones: each delta_t is `risk_sensitive`.

    All arguments [T, ...] -> [T, ...].
    """
    delta = reward + gamma * torch.where(terminated, 0.0, next_value) - value
    delta = risk_sensitive(delta, risk_seeking)
    decay = gamma * lam * (~cut).to(delta.dtype)
    advantage = torch.empty_like(delta)
    trace = torch.zeros_like(delta[0])
    for t in range(len(delta) - 1, -1, -1):
        trace = delta[t] + decay[t] * trace
        advantage[t] = trace
    return advantage
