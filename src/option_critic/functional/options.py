"""The equations of options as pure functions: when an option ends, what arriving with it is worth.

Symbols: w option, w- (prev_option) the option that arrived, mu policy over options, beta
termination, I interest, Q option value, V state value, U value on arrival, c deliberation cost.
Every function works on any leading shape `[...]`; `_w` marks a quantity picked at one option. What deciding needs
takes tensors and numpy arrays alike (`arrays.py`).

Sources: options [Sutton+99]; option-critic [Bacon+17, 1609.05140]; deliberation cost
[Harb+18, 1709.04571]; interest in the policy over options [Khetarpal+20, 2001.00271]; the arrival distribution
as one policy [Zhang+Whiteson 19, DAC, 1904.12691]. What interest does to terminations is ours.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from option_critic.functional.arrays import Numbers, log_softmax, xp


def pick(x: Numbers, option: Numbers) -> Numbers:
    """x_w: the entry of `x` [..., K] at `option` [...] -> [...]; of arrays [B, K] at [B]."""
    if isinstance(x, np.ndarray):
        return x[np.arange(len(x)), option]
    return x.gather(-1, option.unsqueeze(-1)).squeeze(-1)


def permitted_interest(interest: Numbers, available: Numbers | None = None) -> Numbers:
    """I_w(s) over the permitted options: [..., K] -> [..., K].

    Zero for options that are not `available` (bool [..., K]; default: all are). Where no permitted
    option is interested, interest counts as 1 for all permitted ones, so a choice always exists.
    """
    lib = xp(interest)
    if available is None:
        return lib.where(lib.any(interest > 0, -1)[..., None], interest, 1.0)
    masked = interest * available
    return lib.where(lib.any(masked > 0, -1)[..., None], masked, lib.ones_like(interest) * available)


def master_log_probs(mu_logits: Numbers, interest: Numbers | None) -> Numbers:
    """log mu_I(w|s) = log( I_w mu_w / sum_w' I_w' mu_w' )   [Khetarpal+20]; [..., K] -> [..., K].

    The most negative finite number stands for log 0, so that entropies and gradients stay finite. No interest: 1.
    """
    if interest is None:
        return log_softmax(mu_logits)
    log_interest = xp(interest).log(interest).clip(min=xp(interest).finfo(mu_logits.dtype).min)
    return log_softmax(mu_logits + log_interest)


def forced_end(
    is_first: Numbers, age: Numbers, interest_w: Numbers | None, max_length: Numbers | int | None = None
) -> Numbers:
    """Where the arriving option must end, whatever beta says: [...] -> bool [...].

    At an episode's first step (nothing has arrived), at its maximum length, or without interest (in going on:
    it is 0, too, where the option's own end condition holds; ours, not [Khetarpal+20]; none: it is 1).
    """
    forced = is_first if interest_w is None else is_first | (interest_w <= 0)
    return forced if max_length is None else forced | (age >= max_length)


def effective_termination(
    beta_w: Numbers,
    interest_w: Numbers | None,
    age: Numbers,
    forced: Numbers,
    min_length: Numbers | int | None = None,
    bounds: tuple[float, float] = (0.0, 1.0),
    alone: Numbers | None = None,
    given: Numbers | None = None,
) -> Numbers:
    """beta_eff = 1 if forced, else 0 if age < min_length, else 1 - I_w (1 - b),  b = low + (high - low) beta_w; [...].

    `bounds`, low and high: beta is mapped between them, not clipped: a clipped one has no gradient where it is stuck.

    That less interest makes an end likelier is ours: [Khetarpal+20] weigh the policy over options alone.
    The one termination that U, the arrival distribution, log-probabilities and masks all read.
    A forced end beats the minimum length. Where w is `alone` (bool; no other option is interested) an end
    could only choose w again: it counts as none, which changes no behaviour, value or gradient (but spares the
    price where every end has one). Where its end is `given` (bool) nothing is learned of it: b = 0, and the interest in
    going on says all.
    """
    where = xp(beta_w).where
    if bounds != (0.0, 1.0):
        low, high = bounds
        beta_w = low + (high - low) * beta_w
    if given is not None:
        beta_w = where(given, 0.0, beta_w)
    goes_on = 1 - beta_w
    beta = 1 - (goes_on if interest_w is None else interest_w * goes_on)
    if min_length is not None:
        beta = where(age < min_length, 0.0, beta)
    if alone is not None:
        beta = where(alone, 0.0, beta)
    return where(forced, 1.0, beta)


def state_value(q: Tensor, mu: Tensor) -> Tensor:
    """V(s) = sum_w mu_I(w|s) Q(s, w); [..., K] -> [...]."""
    return (mu * q).sum(-1)


def expected_charge(mu_w: Tensor, forced: Tensor, cost: float, every_end: bool = False) -> Tensor:
    """C (1 - mu_I(w|s')): the expected price of a *change* of option on ending w; forced ends are free.

    With this price K = 1 is flat for every c, and pi_hat's own policy gradient trains beta and mu.
    With `every_end` c itself: the price of each termination, also of one that chooses w again [Harb+18]. Then K = 1
    is not flat: each of its learned ends is charged.
    """
    return torch.where(forced, 0.0, cost * torch.ones_like(mu_w) if every_end else cost * (1 - mu_w))


def realised_charge(paid: Tensor, forced: Tensor, cost: float) -> Tensor:
    """C 1[paid]: the price at s where the option changed (or, with `every_end`, ended); forced ends are free.

    In float64: bits have no precision of their own.
    """
    return cost * (paid & ~forced).double()


def arrival_value(q_w: Tensor, v: Tensor, beta_w: Tensor, charge: Tensor) -> Tensor:
    """U(w, s') = Q(s', w) + beta_w (V(s') - charge - Q(s', w))   [Bacon+17, eq. 3; charge: Harb+18]; [...].

    In this form U = Q exactly, also in floating point, when V = Q and nothing is charged (K = 1).
    """
    return q_w + beta_w * (v - charge - q_w)


def arrival_probs(prev_option: Tensor, beta_w: Tensor, mu: Tensor) -> Tensor:
    """pi_hat(w'|w, s) = (1 - beta_w) 1[w' = w] + beta_w mu_I(w'|s)   [Zhang+Whiteson 19]; -> [..., K]."""
    keep = torch.zeros_like(mu).scatter(-1, prev_option.unsqueeze(-1), 1.0)
    beta = beta_w.unsqueeze(-1)
    return (1 - beta) * keep + beta * mu


def arrival_log_prob(option: Tensor, prev_option: Tensor, beta_w: Tensor, log_mu: Tensor) -> Tensor:
    """log pi_hat(option | prev_option, s), the entry of `arrival_probs` at `option`; -> [...]."""
    keep = (option == prev_option).to(log_mu.dtype)
    return torch.log((1 - beta_w) * keep + beta_w * pick(log_mu, option).exp())


def choice_bonus(arrival_probs: Tensor, bonus: Tensor) -> Tensor:
    """E b = sum_w' pi_hat(w'|w, s) b_w'(s): what a user's bonus is worth in one step; [..., K] -> [...].

    Nothing is carried over to later steps: an option can be changed at each of them, so the best choice for
    the bonus is the best one now.
    """
    return (arrival_probs * bonus).sum(-1)


def termination_advantage(q_w: Tensor, v: Tensor, charge: Tensor) -> Tensor:
    """Q(s', w) - V(s') + charge: what is lost by ending w on arrival at s'   [Bacon+17, thm. 2; Harb+18]; [...]."""
    return q_w - v + charge
