"""What a rollout says of the options, by name, for logs and the progress display."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from option_critic.functional.losses import entropy
from option_critic.functional.options import pick
from option_critic.model.act import chosen, limit
from option_critic.model.option_model import OptionModel
from option_critic.options.settings import OptionSettings
from option_critic.records import Rollout, Targets, Values
from option_critic.spaces import Spaces

SATURATED = 0.01
"""A termination probability this close to 0 or 1 hardly has a gradient."""
PROBED = 256
"""States of a rollout at which the options' policies are compared."""


def option_metrics(rollout: Rollout, log_mu: Tensor, rules: OptionSettings) -> dict[str, float]:
    """Shares, durations, ends and choices of the options in a rollout; log_mu [T, B, K] of the policy over options.

    A decision on an action is a row of the rollout, and more than one environment step where actions are held.

    option/share/<name>   share of the time that it ran
    option/duration       mean environment steps between changes of option (episode starts count as changes)
    option/switch_rate    changes of option per decision on an action, episode starts apart
    option/end_rate       ends per decision on an action, learned ones only: not forced, and not of options whose end
                          is given
    option/forced_rate    the other ones, episode starts apart: by length or interest, or as given
    option/beta_mean      mean effective termination probability where the end was free: not forced, learned, after
                          the minimum length, and another option interested
    option/saturation     share of those probabilities below 0.01 or above 0.99
    option/choice         share of choices of an option at which two or more options were interested
    option/choice_entropy mean entropy of the policy over options where one is chosen, in nats
    """
    d, valid, names = rollout.decision, rollout.valid, rules.names
    steps = valid.sum().clamp(min=1)
    given = torch.zeros_like(valid) if rules.given_ends is None else chosen(rules.given_ends, d.prev_option) > 0
    least = limit(rules.least, d.prev_option)
    young = torch.zeros_like(valid) if least is None else d.option_age < least

    def rate(mask: Tensor) -> float:
        return float((mask & valid).sum() / steps)

    later = ~d.is_first
    changed = (d.option != d.prev_option) & later
    segments = ((changed | d.is_first) & valid).sum().clamp(min=1)
    open_choice = (rollout.interest.start > 0).sum(-1) > 1
    free = valid & ~d.forced & ~given & ~young & (open_choice | (len(names) == 1))
    decisions = (d.ended & valid).sum().clamp(min=1)
    shares = {f"option/share/{name}": rate(d.option == k) for k, name in enumerate(names)}
    return shares | {
        "option/duration": float(rollout.env_steps / segments),
        "option/switch_rate": rate(changed),
        "option/end_rate": rate(d.ended & ~d.forced & ~given),
        "option/forced_rate": rate((d.forced | (d.ended & given)) & later),
        "option/beta_mean": float((d.beta * free).sum() / free.sum().clamp(min=1)),
        "option/saturation": float((((d.beta - 0.5).abs() > 0.5 - SATURATED) & free).sum() / free.sum().clamp(min=1)),
        "option/choice": float((open_choice & d.ended & valid).sum() / decisions),
        "option/choice_entropy": float((entropy(log_mu) * (d.ended & valid)).sum() / decisions),
    }


def shares_by_task(rollout: Rollout, names: Sequence[str], tasks: Sequence[str]) -> dict[str, float]:
    """Which option serves which of several tasks: task/<task>/share/<name>, the share of the task's decisions in which
    it ran. Nothing of one option."""
    if rollout.task is None or len(names) == 1:
        return {}
    pair = (rollout.task * len(names) + rollout.decision.option)[rollout.valid]
    counts = torch.bincount(pair, minlength=len(tasks) * len(names)).reshape(len(tasks), -1).double()
    shares = counts / counts.sum(-1, keepdim=True).clamp(min=1)
    return {
        f"task/{task}/share/{name}": share
        for task, row in zip(tasks, shares.tolist(), strict=True)
        for name, share in zip(names, row, strict=True)
    }


@torch.no_grad()
def divergence(model: OptionModel, rollout: Rollout) -> float:
    """Mean Hellinger distance of the running option's policy from the other interested ones', 0 (alike) to 1.

    At some states of the rollout where there are others; over all options where nowhere are.
    """
    every = max(1, rollout.valid.numel() // PROBED)
    while math.gcd(every, rollout.valid.shape[1]) > 1:  # else it would meet the same few environments only
        every += 1
    obs, option = rollout.obs.flatten(0, 1)[::every], rollout.decision.option.flatten()[::every]
    dtype = obs.dtype if obs.is_floating_point() else torch.float32
    others = torch.ones(len(obs), model.num_options, dtype=dtype, device=obs.device).scatter(
        -1, option.unsqueeze(-1), 0.0
    )
    both = others * (rollout.interest.start.flatten(0, 1)[::every] > 0)
    weight = both if both.any() else others
    return float((model.behaviour(obs).distance(option) * weight).sum() / weight.sum())


def explained_variance(rollout: Rollout, values: Values, targets: Targets) -> float:
    """1 - Var(target - Q) / Var(target) over valid rows; NaN if the targets do not vary."""
    target = targets.q_target[rollout.valid]
    q_w = pick(values.q, rollout.decision.option)[rollout.valid]
    spread = target.var()
    return float(1 - (target - q_w).var() / spread) if float(spread) > 0 else float("nan")


def clipped_actions(rollout: Rollout, spaces: Spaces) -> float:
    """Share of the action components that lay outside the space and were clipped to its bounds."""
    action = rollout.decision.action[rollout.valid]
    low, high = (torch.from_numpy(bound).to(action) for bound in spaces.policy_bounds)
    return float(((action < low) | (action > high)).float().mean())


def action_std(log_std: Tensor) -> float:
    """Mean standard deviation of continuous actions."""
    return float(log_std.detach().exp().mean())
