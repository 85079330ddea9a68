"""DAC: the double actor-critic [Zhang+Whiteson 19, 1904.12691] in one joint pass.

An option agent is two Markov decision processes at once. Low: choose the action under the running
option. High: choose the next option given the one that arrived, by pi_hat = (1 - beta) keep + beta mu,
so its policy gradient trains the policy over options AND the terminations. Both are learned by PPO
[1707.06347] on one recursion, and one critic Q(s, w) serves both (V_high = U).

Deviations from the paper and its code: one joint pass instead of two (two would train the critic
twice); pi_hat built with the beta of the arriving option only, so it sums to 1; a price per *change*
of option inside U; the true successor at time limits. With one option every option term vanishes and
this is PPO, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from option_critic.functional.losses import (
    approximate_kl,
    clipped_surrogate,
    entropy,
    scale,
    standardise,
    value_loss,
)
from option_critic.functional.options import (
    arrival_log_prob,
    arrival_value,
    expected_charge,
    pick,
    realised_charge,
    state_value,
)
from option_critic.functional.returns import gae
from option_critic.model.act import arrive
from option_critic.model.option_model import OptionModel
from option_critic.options.rules import OptionSettings
from option_critic.structs import Batch, Carry, Rollout, Targets, Values


@dataclass(frozen=True, kw_only=True)
class Config:
    """How it learns."""

    gamma: float = 0.99
    """Discount per environment step, in (0, 1]."""
    lam: float = 0.95
    """Trace decay of generalised advantage estimation, in [0, 1]."""
    rollout_length: int = 256
    """Rows collected per environment and iteration. Whole episodes, or staggered ones: slices of
    long episodes that all environments run in step teach nothing."""
    epochs: int = 8
    """Passes over each rollout."""
    minibatch_size: int = 1200
    """Rows per gradient step (about: rollouts are split evenly)."""
    clip: float = 0.2
    """PPO's clip of the probability ratio, at both levels."""
    target_kl: float = 0.03
    """No further epoch once the policies have moved this far (mean KL of the last epoch)."""
    lr_option: float = 7e-4
    """Learning rate of the intra-option policies."""
    lr_critic: float = 7e-4
    """Learning rate of the option values."""
    lr_master: float = 7e-4
    """Learning rate of the policy over options."""
    lr_termination: float = 7e-4
    """Learning rate of the terminations."""
    anneal_lr: bool = True
    """Let all learning rates fall linearly to 0 over the training."""
    deliberation_cost: float = 0.0
    """c: price of a change of option, in standard deviations of the return (Harb+18). Raise it when
    options end after a step or two."""
    entropy_master: float = 0.01
    """Weight of the entropy of the policy over options: keeps it from settling too soon."""
    entropy_option: float = 0.0
    """Weight of the entropy of the intra-option policies."""
    value_weight: float = 0.5
    """Weight of the value loss."""
    max_grad_norm: float = 0.5
    """Gradients are scaled down to this norm."""

    def __post_init__(self) -> None:
        for name, low, high in (("gamma", 0, 1), ("lam", 0, 1), ("clip", 0, 1)):
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} must lie in [{low}, {high}], got {getattr(self, name)}")
        for name in ("rollout_length", "epochs", "minibatch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, got {getattr(self, name)}")
        for name in ("lr_option", "lr_critic", "lr_master", "lr_termination", "deliberation_cost",
                     "entropy_master", "entropy_option", "value_weight", "max_grad_norm", "target_kl"):  # fmt: skip
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")


def targets(rollout: Rollout, values: Values, config: Config) -> Targets:
    """One recursion, called twice: within options, and between them. Pure; all [T, B]."""
    d, c = rollout.decision, config.deliberation_cost

    def arriving(q: Tensor, log_mu: Tensor, beta: Tensor, forced: Tensor, option: Tensor) -> Tensor:
        mu = log_mu.exp()
        charge = expected_charge(pick(mu, option), forced, c)
        return arrival_value(pick(q, option), state_value(q, mu), beta, charge)

    u = arriving(values.q, values.log_mu, values.beta, d.forced, d.prev_option)
    next_u = arriving(values.next_q, values.next_log_mu, values.next_beta, values.next_forced, d.option)
    q_w = pick(values.q, d.option)
    price = realised_charge(d.option, d.prev_option, d.forced, c)
    ends = (rollout.terminated, rollout.cut, config.gamma, config.lam)
    adv_action = gae(values.reward, q_w, next_u, *ends)
    adv_option = gae(values.reward - price, u, next_u, *ends)
    return Targets(adv_action=adv_action, adv_option=adv_option, q_target=adv_action + q_w)


def losses(model: OptionModel, batch: Batch, config: Config, rules: OptionSettings) -> tuple[Tensor, dict[str, Tensor]]:
    """The joint loss of a minibatch, and what to log of it."""
    heads, d = model(batch.obs), batch.decision
    pi = heads.pi.at(d.option)
    log_pi = pi.log_prob(d.action)
    low = clipped_surrogate(log_pi, d.log_pi, standardise(batch.targets.adv_action), config.clip)
    critic = value_loss(pick(heads.q, d.option), batch.targets.q_target)
    entropy_pi = pi.entropy().mean()
    loss = low + config.value_weight * critic - config.entropy_option * entropy_pi
    metrics = {
        "train/policy_gradient_loss": low,
        "train/value_loss": critic,
        "train/entropy_loss": -entropy_pi,
        "train/approx_kl": approximate_kl(log_pi, d.log_pi),
        "train/clip_fraction": ((log_pi - d.log_pi).exp() - 1).abs().gt(config.clip).float().mean(),
    }
    if rules.num_options > 1:
        arrival = arrive(heads.mu_logits, heads.beta_logits, batch.interest,
                         Carry(d.prev_option, d.option_age, d.is_first), rules)  # fmt: skip
        log_arrival = arrival_log_prob(d.option, d.prev_option, arrival.beta, arrival.log_mu)
        high = clipped_surrogate(log_arrival, d.log_arrival, scale(batch.targets.adv_option), config.clip)
        entropy_mu = entropy(arrival.log_mu).mean()
        loss = loss + high - config.entropy_master * entropy_mu
        metrics |= {
            "option/policy_gradient_loss": high,
            "option/mu_entropy": entropy_mu,
            "option/approx_kl": approximate_kl(log_arrival, d.log_arrival),
        }
    return loss, metrics | {"train/loss": loss}


def improve(
    model: OptionModel,
    optimizer: torch.optim.Optimizer,
    batch: Batch,
    config: Config,
    rules: OptionSettings,
    generator: torch.Generator,
) -> dict[str, Tensor]:
    """Epochs over shuffled minibatches: the only place where gradients flow. Means of the metrics."""
    parts = max(1, round(len(batch) / config.minibatch_size))
    history: list[dict[str, Tensor]] = []
    for _ in range(config.epochs):
        order = torch.randperm(len(batch), generator=generator).to(batch.obs.device)
        for index in torch.tensor_split(order, parts):
            loss, metrics = losses(model, batch.rows(index), config, rules)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()  # type: ignore[no-untyped-call]
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), config.max_grad_norm)
            optimizer.step()
            history.append({name: value.detach() for name, value in metrics.items()} | {"train/grad_norm": norm})
        moved = torch.stack([m["train/approx_kl"] for m in history[-parts:]]).mean()
        if config.target_kl and moved > config.target_kl:
            break
    means = {name: torch.stack([m[name] for m in history]).mean() for name in history[0]}
    return means | {"train/n_epochs": torch.tensor(len(history) / parts)}
