"""Option-critic with PPO: the original decomposition [Bacon+17, 1609.05140] on clipped updates.

Three parts instead of DAC's two. Inside options: PPO's surrogate on the action advantage, as everywhere.
Terminations: the expected beta of the option that ARRIVED times its advantage over re-choosing,
Q - V + charge [Bacon+17, thm. 2; charge: Harb+18, 1709.04571]. Policy over options: PPO's surrogate at
*decisions*, where an option ended, against the baseline V(s) [PPOC, 1712.00004].

Deviations: beta is differentiated in expectation (not its sampled bit, not log beta) and held within `clip`
of the acting beta, as a rollout is reused; the master's baseline is V, not the arriving option's value;
the termination advantage is scaled, never shifted; arrivals at the states of the rollout only (the last
state before a time limit, one arrival in an episode, is left out). One option: PPO,
bit for bit, unless every termination has a price.
"""

from __future__ import annotations

from dataclasses import replace

from torch import Tensor

from option_critic.algorithms.ppo import advantages, bonus_loss, intra_option_loss, with_standard_actions
from option_critic.algorithms.settings import PPOOCSettings
from option_critic.functional.anew import ask_anew
from option_critic.functional.losses import approximate_kl, clipped_surrogate, entropy, scale, termination_loss
from option_critic.functional.options import pick
from option_critic.model.act import arrive
from option_critic.model.option_model import OptionModel
from option_critic.options.settings import OptionSettings
from option_critic.records import Batch, Rollout, Targets, Values


def targets(rollout: Rollout, values: Values, config: PPOOCSettings) -> Targets:
    """Advantages within options and between them, [T, B], with the price on what the settings say."""
    return advantages(rollout, values, config, every_end=config.price == "termination")


def scaled(batch: Batch, rules: OptionSettings) -> Batch:
    """A minibatch with its advantages as the losses want them: scaled over those of its rows that take part."""
    batch = with_standard_actions(batch)
    if rules.num_options == 1:
        return batch
    d, t = batch.decision, batch.targets
    adv_master, adv_term = ask_anew(scale, t.adv_master, d.ended), ask_anew(scale, t.adv_term, ~d.forced)
    return replace(batch, targets=replace(t, adv_master=adv_master, adv_term=adv_term))


def losses(
    model: OptionModel, batch: Batch, config: PPOOCSettings, rules: OptionSettings
) -> tuple[Tensor, dict[str, Tensor]]:
    """The joint loss of rows of a minibatch that is `scaled`, a mean over them, and what to log of it."""
    heads, d, t = model(batch.obs), batch.decision, batch.targets
    loss, metrics = intra_option_loss(heads, batch, config)
    if rules.num_options > 1:
        interest = batch.interest if rules.definitions else None
        arrival = arrive(heads.mu_logits, heads.beta_logits, interest, d.carry, rules)
        log_mu = pick(arrival.log_mu, d.option)
        # means over all steps: a decision, or a free arrival, weighs as much as it is frequent
        master = clipped_surrogate(log_mu, d.log_mu, t.adv_master, config.clip)
        end = termination_loss(arrival.beta, t.adv_term, d.beta, config.clip)
        entropy_mu = entropy(arrival.log_mu).mean()
        bonus = bonus_loss(arrival, model.numbers(batch.obs), batch, rules)
        loss = loss + master + end + bonus - config.entropy_master * entropy_mu
        metrics |= {
            "option/policy_gradient_loss": master,
            "option/termination_loss": end,
            "option/mu_entropy": entropy_mu,
            "option/approx_kl": approximate_kl(log_mu.detach(), d.log_mu),
        }
    return loss, metrics | {"train/loss": loss}
