"""DAC: the double actor-critic [Zhang+Whiteson 19, 1904.12691] in one joint pass.

An option agent is two Markov decision processes at once. Low: choose the action under the running
option. High: choose the next option given the one that arrived, by pi_hat = (1 - beta) keep + beta mu,
so its policy gradient trains the policy over options AND the terminations. Both are learned by PPO
on one recursion, and one critic Q(s, w) serves both (V_high = U).

Deviations from the paper and its code: one joint pass instead of two (two would train the critic
twice); pi_hat built with the beta of the arriving option only, so it sums to 1; a price per *change*
of option inside U; less interest makes an end likelier; the true successor at time limits. With one option every
option term vanishes and this is PPO, bit for bit.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from option_critic.algorithms.ppo import advantages, bonus_loss, intra_option_loss, with_standard_actions
from option_critic.algorithms.settings import DACSettings
from option_critic.functional.losses import approximate_kl, clipped_surrogate, entropy, scale
from option_critic.functional.options import arrival_log_prob
from option_critic.model.act import arrive
from option_critic.model.option_model import OptionModel
from option_critic.options.settings import OptionSettings
from option_critic.records import Batch, Rollout, Targets, Values


def targets(rollout: Rollout, values: Values, config: DACSettings) -> Targets:
    """Advantages of both processes, [T, B]: an option costs where it changes."""
    return advantages(rollout, values, config)


def scaled(batch: Batch, rules: OptionSettings) -> Batch:
    """A minibatch with its advantages as the losses want them: scaled over its rows."""
    batch = with_standard_actions(batch)
    if rules.num_options == 1:
        return batch
    return replace(batch, targets=replace(batch.targets, adv_option=scale(batch.targets.adv_option)))


def losses(
    model: OptionModel, batch: Batch, config: DACSettings, rules: OptionSettings
) -> tuple[Tensor, dict[str, Tensor]]:
    """The joint loss of rows of a minibatch that is `scaled`, a mean over them, and what to log of it."""
    heads, d = model(batch.obs), batch.decision
    loss, metrics = intra_option_loss(heads, batch, config)
    if rules.num_options > 1:
        interest = batch.interest if rules.definitions else None
        arrival = arrive(heads.mu_logits, heads.beta_logits, interest, d.carry, rules)
        log_arrival = arrival_log_prob(d.option, d.prev_option, arrival.beta, arrival.log_mu)
        high = clipped_surrogate(log_arrival, d.log_arrival, batch.targets.adv_option, config.clip)
        entropy_mu = entropy(arrival.log_mu).mean()
        bonus = bonus_loss(arrival, model.numbers(batch.obs), batch, rules)
        loss = loss + high + bonus - config.entropy_master * entropy_mu
        metrics |= {
            "option/policy_gradient_loss": high,
            "option/mu_entropy": entropy_mu,
            "option/approx_kl": approximate_kl(log_arrival.detach(), d.log_arrival),
        }
    return loss, metrics | {"train/loss": loss}
