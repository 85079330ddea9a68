"""Soft option-critic: targets and losses on replayed transitions, for all K options at once (`functional/soft.py`).

With one option this is soft actor-critic [Haarnoja+18, 1812.05905], bit for bit. What a stored transition says of
options that did not execute, and what is exact of it: `docs/algorithms/sac_oc.md`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from option_critic.algorithms.settings import SACOCSettings
from option_critic.functional import soft
from option_critic.functional.losses import entropy
from option_critic.functional.options import arrival_probs, choice_bonus, expected_charge, pick
from option_critic.model.act import Arrival, arrive
from option_critic.model.critics import TwinCritics
from option_critic.model.distributions import ActionDistribution, CategoricalActions, pick_row
from option_critic.model.option_model import OptionModel
from option_critic.model.policies import SquashedGaussian
from option_critic.options.interest import bonus_at, interest_at, own_rewards
from option_critic.options.settings import OptionSettings
from option_critic.records import Carry, Interest, each
from option_critic.transitions import Transitions

CHOICES_ENTROPY = 0.3
"""Target entropy of a choice of an action, as a share of that of a uniform one."""
SAME = 1e-4
"""How near a stored component lies to the value that an option fixes, where it may have been that."""


@dataclass(frozen=True)
class State:
    """What the model says at N states, of all K options."""

    numbers: Tensor
    """[N, D] raw"""
    seen: Tensor
    """[N, S] what critics see, with a gradient to the encoder of images"""
    interest: Interest[Tensor] | None
    """[N, K]; none: 1 everywhere"""
    pi: ActionDistribution[Tensor]
    """policies as they act, but for what they do not decide, [N, K]"""
    held: Tensor | None
    """[N, K, A] what they do there: of frozen options and fixed components; none: they decide everything"""
    mu_logits: Tensor
    beta_logits: Tensor
    """[N, K]"""


def state_at(model: OptionModel, obs: Tensor, rules: OptionSettings) -> State:
    """At raw observations [N, D]. Only critics teach an encoder: all else takes what it gives as it is."""
    assert model.soft is not None
    network, numbers = model.network, model.numbers(obs)
    seen = network.see(obs)
    given = seen.detach()
    if rules.num_options > 1:
        pi, mu_logits, beta_logits = network.decide(given)
    else:  # there is nothing to choose
        pi = model.policies_of(given)
        mu_logits = beta_logits = seen.new_zeros(len(seen), 1)
    pi, held = model.soft.as_one(pi), None
    if isinstance(pi, SquashedGaussian):
        pi, held = as_they_act(model, pi, numbers)
    elif model.given is not None:
        pi = model.given.behaviour(pi, numbers)
    interest = interest_at(numbers, rules) if rules.definitions else None
    return State(numbers, model.common(seen), interest, pi, held, mu_logits, beta_logits)


def as_they_act(
    model: OptionModel, pi: SquashedGaussian[Tensor], numbers: Tensor
) -> tuple[SquashedGaussian[Tensor], Tensor | None]:
    """Policies on top of what they are given, and what is done where they do not decide, [N, K, A] (none: nothing)."""
    free: Tensor | None = None
    held: Tensor | None = None
    if model.given is not None:
        held = model.given.bases(numbers)
        free = (~model.given.frozen[:, None]).expand_as(held)
        pi = replace(pi, mean=pi.mean + pi.before(held))
    if model.fixed is not None:
        decided, value = model.fixed(numbers)
        held = value if held is None else torch.where(decided, held, value)
        free = decided if free is None else free & decided
    return replace(pi, free=free), held


def option_values(critics: TwinCritics, at: State, noise: Tensor, alpha: Tensor) -> tuple[Tensor, Tensor]:
    """(Q(s, w), log pi_w of the drawn action), [N, K] each: by the lesser of two critics. Choices: exactly, and minus
    the entropy. `noise` [N, K, A] standard normal."""
    if isinstance(at.pi, CategoricalActions):
        q_u = critics(at.seen).unflatten(-1, at.pi.log_probs.shape[1:]).amin(0)
        return soft.soft_choice_value(q_u, at.pi.log_probs, alpha), -at.pi.entropy()
    assert isinstance(at.pi, SquashedGaussian)
    action, log_pi = at.pi.drawn(noise)
    if at.held is not None and at.pi.free is not None:
        action = torch.where(at.pi.free, action, at.held)
    q_u = critics.each(at.seen, action).amin(0)
    return soft.soft_option_value(q_u, log_pi, alpha), log_pi


def arrivals(at: State, ages: Tensor, rules: OptionSettings) -> Arrival[Tensor]:
    """What meets each of K options where it arrives, having run for `ages` [N, K] decisions: log_mu [N, K, K], beta and
    forced [N, K]. No arrival is a first state."""
    k = ages.shape[-1]
    option = torch.arange(k, device=ages.device).expand_as(ages)
    carry = Carry(option, ages, torch.zeros_like(ages, dtype=torch.bool))

    def to_each(x: Tensor) -> Tensor:
        return x.unsqueeze(1).expand(-1, k, -1)

    interest = None if at.interest is None else each(at.interest, to_each)
    return arrive(to_each(at.mu_logits), to_each(at.beta_logits), interest, carry, rules)


@torch.no_grad()
def targets(
    model: OptionModel, batch: Transitions, config: SACOCSettings, rules: OptionSettings, noise: Tensor
) -> Tensor:
    """y = r + gamma (1 - terminated) U(s', w) of each option, had it executed: [N, K]."""
    assert model.soft is not None
    alpha, kappa = temperatures(model, config)
    there = state_at(model, batch.next_obs, rules)
    if model.encoder is not None:
        there = replace(there, seen=model.see_slowly(batch.next_obs))
    u, _ = option_values(model.soft.targets, there, noise, alpha)
    if rules.num_options > 1:
        arrival = arrivals(there, batch.next_ages(rules.num_options), rules)
        log_mu = arrival.log_mu[:, 0]  # the same whichever arrives
        v = soft.soft_state_value(u, log_mu, relative(log_mu, there), kappa)
        charge = expected_charge(log_mu.exp(), arrival.forced, config.deliberation_cost)
        u = soft.arrival_values(u, v, arrival.beta, charge)
    reward = batch.reward.unsqueeze(-1)
    own = own_rewards(model.numbers(batch.obs), there.numbers, rules)
    task = model.task(batch.obs)
    reward = model.reward_norm(reward if own is None else reward + own, None if task is None else task.unsqueeze(-1))
    return soft.soft_target(reward, u, batch.terminated, config.gamma)


@torch.no_grad()
def weights(
    at: State, arrival: Arrival[Tensor], batch: Transitions, config: SACOCSettings, num_options: int
) -> tuple[Tensor, Tensor]:
    """How much each option learns from each transition, [N, K]: its critic, from the stored action; its policy, from
    actions of its own."""
    stored = torch.zeros_like(at.mu_logits).scatter(-1, batch.option.unsqueeze(-1), 1.0)
    if num_options == 1 or config.replayed_option == "stored":
        return stored, stored
    running = arrival_probs(batch.prev_option, arrival.beta, arrival.log_mu.exp())
    action = batch.action.unsqueeze(1).expand(-1, num_options, *batch.action.shape[1:])
    return soft.option_posterior(running, at.pi.log_prob(action), possible(at, batch, stored)), running


def possible(at: State, batch: Transitions, stored: Tensor) -> Tensor | None:
    """[N, K] bool: options that can have taken the stored action, if there are others: those that decide the same
    components, and fix the rest to what it is."""
    if at.held is None or at.pi.free is None:
        return None
    free, own = at.pi.free, pick_row(at.pi.free, batch.option)
    alike = (free == own.unsqueeze(1)).all(-1)
    there = (free | ((at.held - batch.action.unsqueeze(1)).abs() < SAME)).all(-1)
    return alike & there | (stored > 0)


def critic_loss(model: OptionModel, at: State, batch: Transitions, target: Tensor, weight: Tensor) -> Tensor:
    """Of the stored actions, for every option; []."""
    assert model.soft is not None
    if model.discrete:
        q_u = model.soft.critics(at.seen).unflatten(-1, (target.shape[-1], -1))
        action = batch.action[:, None, None].expand(*q_u.shape[1:-1], 1).expand(*q_u.shape[:-1], 1)
        q_u = q_u.gather(-1, action).squeeze(-1)
    else:
        q_u = model.soft.critics(torch.cat([at.seen, batch.action], -1))
    return soft.twin_critic_loss(q_u, target, weight)


def policy_loss(
    model: OptionModel,
    at: State,
    arrival: Arrival[Tensor],
    batch: Transitions,
    config: SACOCSettings,
    rules: OptionSettings,
    noise: Tensor,
    weight: Tensor,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Of all but the critics: intra-option policies, policy over options, terminations, temperatures; and what to log
    of it."""
    assert model.soft is not None
    alpha, kappa = temperatures(model, config)
    q, log_pi = option_values(model.soft.critics, replace(at, seen=at.seen.detach()), noise, alpha)
    actor = soft.soft_policy_loss(q, weight)
    lacks = log_pi.detach() + target_entropy(at, config)
    if model.given is not None:  # nothing can be done about the entropy of what is frozen
        lacks = torch.where(model.given.frozen, 0.0, lacks)
    lacks = (weight * lacks).sum(-1)
    loss, metrics = (
        actor,
        {
            "train/actor_loss": actor,
            "train/entropy": -(weight * log_pi).sum(-1).mean(),
            "train/temperature": alpha,
            "train/value": (weight * q).sum(-1).mean(),
        },
    )
    if config.temperature_option is None:
        loss = loss + soft.temperature_loss(model.soft.log_alpha, lacks)
    if rules.num_options > 1:
        others, more = option_loss(model, at, arrival, batch, config, rules, q.detach(), kappa)
        loss, metrics = loss + others, metrics | more
    return loss, {name: x.detach() for name, x in metrics.items()}


def option_loss(
    model: OptionModel,
    at: State,
    arrival: Arrival[Tensor],
    batch: Transitions,
    config: SACOCSettings,
    rules: OptionSettings,
    q: Tensor,
    kappa: Tensor,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Of policy over options and terminations where the stored option arrived: q [N, K] constant."""
    assert model.soft is not None
    log_mu, prev, cost = arrival.log_mu, batch.prev_option, config.deliberation_cost
    log_ratio = relative(log_mu, at)
    v, mu_w, q_w = soft.soft_state_value(q, log_mu, log_ratio, kappa), pick(log_mu.exp(), prev), pick(q, prev)
    charge = expected_charge(mu_w.detach(), arrival.forced, cost)
    master = soft.soft_master_loss(v, mu_w, arrival.forced, cost)
    terminations = soft.soft_termination_loss(arrival.beta, q_w, v.detach(), charge)
    loss = master + terminations
    bonus = bonus_at(at.numbers, rules)
    if bonus is not None:  # in standard deviations of the option advantage
        probs = arrival_probs(prev, arrival.beta, log_mu.exp())
        loss = loss - (q - v.detach().unsqueeze(-1)).std() * choice_bonus(probs, bonus).mean()
    diverged = soft.divergence(log_mu, log_ratio).detach()
    if config.temperature_master is None:
        choices = (
            log_mu.new_tensor(float(rules.num_options)) if at.interest is None else (at.interest.start > 0).sum(-1)
        )
        lacks = torch.where(choices > 1, diverged - config.target_divergence * torch.log(choices), 0.0)
        loss = loss + soft.temperature_loss(model.soft.log_kappa, lacks)
    return loss, {
        "option/master_loss": master,
        "option/termination_loss": terminations,
        "option/mu_entropy": entropy(log_mu).mean(),
        "option/temperature": kappa,
    }


def relative(log_mu: Tensor, at: State) -> Tensor:
    """log( mu_I / p ) at states [N, K]."""
    return soft.log_relative(log_mu, None if at.interest is None else at.interest.start)


def temperatures(model: OptionModel, config: SACOCSettings) -> tuple[Tensor, Tensor]:
    """(alpha, kappa), as they are set or have been learned; [] each, constant."""
    assert model.soft is not None
    learned = (model.soft.log_alpha, model.soft.log_kappa)
    told = (config.temperature_option, config.temperature_master)
    found = [x.detach().exp() if t is None else x.new_tensor(t) for x, t in zip(learned, told, strict=True)]
    return found[0], found[1]


def target_entropy(at: State, config: SACOCSettings) -> Tensor:
    """What the entropy of each policy is to be, in nats: [N, K], or what broadcasts to it."""
    told, pi = config.target_entropy, at.pi
    if isinstance(pi, SquashedGaussian):
        each_one = -1.0 if told is None else told
        count = torch.ones_like(pi.mean) if pi.free is None else pi.free.to(pi.mean)
        return each_one * count.sum(-1)
    assert isinstance(pi, CategoricalActions)
    size = pi.log_probs.shape[-1]
    return pi.log_probs.new_tensor(CHOICES_ENTROPY * math.log(size) if told is None else told)
