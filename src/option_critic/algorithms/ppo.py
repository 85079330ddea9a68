"""What the PPO algorithms share: the one recursion called twice, the loss inside options, the update.

Proximal policy optimisation [Schulman+17, 1707.06347]. An algorithm adds what is learned *between* options.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor

from option_critic.algorithms.settings import PPOSettings
from option_critic.functional.losses import approximate_kl, clip_fraction, clipped_surrogate, standardise, value_loss
from option_critic.functional.options import (
    arrival_probs,
    arrival_value,
    choice_bonus,
    expected_charge,
    pick,
    realised_charge,
    state_value,
    termination_advantage,
)
from option_critic.functional.returns import gae
from option_critic.model.act import Arrival
from option_critic.model.option_model import Heads, OptionModel
from option_critic.options.interest import bonus_at
from option_critic.options.settings import OptionSettings
from option_critic.records import Batch, Rollout, Targets, Values


def advantages(rollout: Rollout, values: Values, config: PPOSettings, every_end: bool = False) -> Targets:
    """One recursion, called twice: within options, and between them. Pure; all [T, B].

    `every_end`: the deliberation cost is paid for every end that is not forced, not for changes of option only.
    """
    d, c, every = rollout.decision, config.deliberation_cost, every_end
    u, v, charge = arrival(values.q, values.log_mu, values.beta, d.forced, d.prev_option, c, every)
    next_u, _, _ = arrival(values.next_q, values.next_log_mu, values.next_beta, values.next_forced, d.option, c, every)
    q_w = pick(values.q, d.option)
    price = realised_charge(d.ended if every else d.option != d.prev_option, d.forced, c).to(values.reward)
    ends = (rollout.terminated, rollout.cut, config.gamma, config.lam, config.risk_seeking)
    adv_action = gae(values.reward, q_w, next_u, *ends)
    adv_option = gae(values.reward - price, u, next_u, *ends)
    return Targets(
        adv_action=adv_action,
        adv_option=adv_option,
        adv_master=adv_option + u - v + charge,
        adv_term=termination_advantage(pick(values.q, d.prev_option), v, charge),
        q_target=adv_action + q_w,
    )


def arrival(
    q: Tensor, log_mu: Tensor, beta_w: Tensor, forced: Tensor, option: Tensor, cost: float, every_end: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """(U, V, expected charge) where `option` arrives: heads [..., K], the others [...] -> [...]."""
    mu = log_mu.exp()
    v, charge = state_value(q, mu), expected_charge(pick(mu, option), forced, cost, every_end)
    return arrival_value(pick(q, option), v, beta_w, charge), v, charge


def with_standard_actions(batch: Batch) -> Batch:
    """A minibatch whose advantages of actions are standardised over the rows in which an option decided."""
    standard = standardise(batch.targets.adv_action, batch.decision.decides)
    return replace(batch, targets=replace(batch.targets, adv_action=standard))


def intra_option_loss(heads: Heads, batch: Batch, config: PPOSettings) -> tuple[Tensor, dict[str, Tensor]]:
    """Clipped surrogate of pi_w, value loss of Q(s, w), entropy: all that is left with one option."""
    d, pi = batch.decision, heads.pi.at(batch.decision.option, batch.decision.free, batch.decision.base)
    log_pi = pi.log_prob(d.action)
    actor = clipped_surrogate(log_pi, d.log_pi, batch.targets.adv_action, config.clip)
    critic = value_loss(pick(heads.q, d.option), batch.targets.q_target)
    entropy_pi = pi.entropy().mean()
    loss = actor + config.value_weight * critic
    if config.entropy_option:
        loss = loss - config.entropy_option * entropy_pi
    return loss, {
        "train/policy_gradient_loss": actor,
        "train/value_loss": critic,
        "train/entropy_loss": -entropy_pi,
        "train/approx_kl": approximate_kl(log_pi.detach(), d.log_pi),
        "train/clip_fraction": clip_fraction(log_pi.detach(), d.log_pi, config.clip),
    }


def bonus_loss(arrival: Arrival[Tensor], obs: Tensor, batch: Batch, rules: OptionSettings) -> Tensor:
    """What the user's bonuses say of the policy over options and the terminations: minus its mean; [] (0 without).

    `obs`: the numbers of the batch's observations [N, D].
    """
    bonus = bonus_at(obs, rules)
    if bonus is None:
        return arrival.beta.new_zeros(())
    probs = arrival_probs(batch.decision.prev_option, arrival.beta, arrival.log_mu.exp())
    return -choice_bonus(probs, bonus).mean()


Scaled = Callable[[Batch, OptionSettings], Batch]
"""A minibatch with its advantages as the losses want them: what depends on all of its rows together."""
Losses = Callable[[OptionModel, Batch, Any, OptionSettings], tuple[Tensor, dict[str, Tensor]]]
"""The joint loss of rows of a minibatch that is scaled, a mean over them, and what to log of it, means as well. The
third is the algorithm's own settings."""


@dataclass(frozen=True)
class Objective:
    """What an update makes smaller: both, of one agent."""

    scaled: Callable[[Batch], Batch]
    losses: Callable[[Batch], tuple[Tensor, dict[str, Tensor]]]

    def of_whole(self, minibatch: Batch) -> tuple[Tensor, dict[str, Tensor]]:
        """The joint loss of a whole minibatch, and what to log of it."""
        return self.losses(self.scaled(minibatch))
