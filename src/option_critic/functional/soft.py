"""Soft option values as pure functions: entropies at both levels, and the losses that learn from replayed transitions.

Symbols as in `options.py`; besides: Q_U(s, w, a) value of an action within an option, alpha temperature of the
intra-option policies, kappa that of the policy over options, p(w|s) = I_w / sum I_w' what mu is compared with.

    Q(s, w)      = E_a [ Q_U(s, w, a) - alpha log pi_w(a|s) ]
    V(s)         = sum_w mu_I(w|s) ( Q(s, w) - kappa log( mu_I(w|s) / p(w|s) ) )
    U(s', w)     = Q(s', w) + beta_eff ( V(s') - charge - Q(s', w) )            `options.py: arrival_value`
    Q_U(s, w, a) = r + gamma (1 - terminated) E U(s', w)

With one option V = U = Q, and this is soft actor-critic [Haarnoja+18, 1812.05905], its twin critics [Fujimoto+18,
1802.09477] included; choices of actions by exact expectation [Christodoulou 19, 1910.07207]. That the policy over
options is compared with the interests, and not paid its entropy outright, is ours: an end that is paid kappa H(mu)
would always be worth more than going on, and options would last a step.
"""

from __future__ import annotations

import torch
from torch import Tensor

from option_critic.functional.options import termination_advantage


def log_relative(log_mu: Tensor, interest: Tensor | None) -> Tensor:
    """log( mu_I(w|s) / p(w|s) ), 0 where an option is not interested; [..., K] -> [..., K]. No interest: 1."""
    k = log_mu.shape[-1]
    if interest is None:
        return log_mu + torch.log(log_mu.new_tensor(k))
    interested = interest > 0
    log_prior = torch.log(torch.where(interested, interest / interest.sum(-1, keepdim=True), 1.0))
    return torch.where(interested, log_mu - log_prior, 0.0)


def soft_option_value(q_u: Tensor, log_pi: Tensor, alpha: Tensor) -> Tensor:
    """One sample of Q(s, w): Q_U(s, w, a) - alpha log pi_w(a|s) at an action a ~ pi_w; [...] -> [...]."""
    return q_u - alpha * log_pi


def soft_choice_value(q_u: Tensor, log_pi: Tensor, alpha: Tensor) -> Tensor:
    """Q(s, w) exactly, where an action is one of A choices: sum_a pi ( Q_U - alpha log pi ); [..., A] -> [...]."""
    return (log_pi.exp() * (q_u - alpha * log_pi)).sum(-1)


def divergence(log_mu: Tensor, relative: Tensor) -> Tensor:
    """KL( mu_I || p ) at a state, 0 to log K; [..., K] -> [...]."""
    return (log_mu.exp() * relative).sum(-1)


def soft_state_value(q: Tensor, log_mu: Tensor, relative: Tensor, kappa: Tensor) -> Tensor:
    """V(s) = sum_w mu_I(w|s) ( Q(s, w) - kappa log(mu_I / p) ), of `log_relative`; [..., K] -> [...].

    It lies between the mean of Q under p and its maximum, so where all options are worth the same it is that.
    """
    return (log_mu.exp() * (q - kappa * relative)).sum(-1)


def arrival_values(q: Tensor, v: Tensor, beta: Tensor, charge: Tensor) -> Tensor:
    """U(s', w) for all K options that might arrive: q, beta and charge [..., K], v [...] -> [..., K]."""
    return q + beta * (v.unsqueeze(-1) - charge - q)


def soft_target(reward: Tensor, u: Tensor, terminated: Tensor, gamma: float) -> Tensor:
    """y = r + gamma (1 - terminated) U(s', w): reward [..., K or 1], u [..., K], terminated [...] -> [..., K].

    Exact for every option, whichever executed: given the action, reward and s' do not depend on it (an own reward is
    asked again for each). So a stored transition needs no importance weight.
    """
    return reward + gamma * torch.where(terminated.unsqueeze(-1), 0.0, u)


def option_posterior(arrival: Tensor, log_pi: Tensor, possible: Tensor | None = None) -> Tensor:
    """p(w|w-, s, a) = pi_hat(w|w-, s) pi_w(a|s) / sum_w' ...: which option would take the stored action now.

    `arrival` pi_hat and `log_pi` of the action under each option, [..., K] each; `possible` (bool [..., K]): options
    that can take it at all. Where none of these would be chosen the posterior is uniform over them: [..., K].
    """
    lowest = torch.finfo(log_pi.dtype).min
    logits = torch.log(arrival).clamp(min=lowest / 4) + log_pi
    if possible is not None:
        logits = torch.where(possible, logits, lowest)
    return torch.softmax(logits, -1)


def twin_critic_loss(q_u: Tensor, target: Tensor, weight: Tensor) -> Tensor:
    """1/2 sum over critics of E sum_w p(w) (Q_U - y)^2; q_u [2, N, K], target and weight [N, K] -> []."""
    return 0.5 * (weight * (q_u - target).square()).sum(-1).mean(-1).sum()


def soft_policy_loss(q: Tensor, weight: Tensor) -> Tensor:
    """-E sum_w p(w) Q(s, w), with the gradient of the policies alone: through the actions and their likelihoods
    (reparameterised), or through the probabilities of choices; q and weight [N, K] -> []."""
    return -(weight * q).sum(-1).mean()


def soft_master_loss(value: Tensor, mu_w: Tensor, forced: Tensor, cost: float) -> Tensor:
    """-E [ V(s) + c mu_I(w-|s) ], the gradient of `soft_state_value` in mu alone; [N] -> [].

    What a choice at s is worth to w-, which arrives there. Each replayed state counts alike, however likely an end
    is: as in soft actor-critic the best choice at a state does not depend on how often it is made.
    """
    return -(value + torch.where(forced, 0.0, cost * mu_w)).mean()


def soft_termination_loss(beta_w: Tensor, q_w: Tensor, v: Tensor, charge: Tensor) -> Tensor:
    """E beta_eff(s, w-) ( Q(s, w-) - V(s) + charge ), with the gradient of beta alone   [Bacon+17, thm. 2]; [N] -> [].

    A forced end has no gradient in beta.
    """
    return (beta_w * termination_advantage(q_w, v, charge)).mean()


def temperature_loss(log_temperature: Tensor, lacks: Tensor) -> Tensor:
    """-log alpha E lacks: the temperature rises where entropy is lacking   [Haarnoja+18, eq. 18]; [] and [N] -> [].

    `lacks` (constant): log pi + target entropy, or KL(mu_I || p) - target.
    """
    return -(log_temperature * lacks.mean())
