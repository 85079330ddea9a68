"""What a rollout says of the options, by name, for logs and the progress display."""

from __future__ import annotations

import torch
from torch import Tensor

from option_critic.functional.options import pick
from option_critic.spaces import Spaces
from option_critic.structs import Rollout, Targets, Values


def option_metrics(rollout: Rollout, names: tuple[str, ...]) -> dict[str, float]:
    """Shares, durations and ends of the options in a rollout.

    option/share/<name>   share of steps that it ran
    option/duration       mean steps between changes of option (episode starts count as changes)
    option/switch_rate    changes of option per step, episode starts apart
    option/end_rate       ends per step, learned ones only
    option/forced_rate    ends per step by length or interest, episode starts apart
    option/beta_mean      mean effective termination probability where the end was not forced
    """
    d, valid = rollout.decision, rollout.valid
    steps = valid.sum().clamp(min=1)

    def rate(mask: Tensor) -> float:
        return float((mask & valid).sum() / steps)

    later = ~d.is_first
    changed = (d.option != d.prev_option) & later
    segments = ((changed | d.is_first) & valid).sum().clamp(min=1)
    free = valid & ~d.forced
    shares = {f"option/share/{name}": rate(d.option == k) for k, name in enumerate(names)}
    return shares | {
        "option/duration": float(steps / segments),
        "option/switch_rate": rate(changed),
        "option/end_rate": rate(d.ended & ~d.forced),
        "option/forced_rate": rate(d.forced & later),
        "option/beta_mean": float((d.beta * free).sum() / free.sum().clamp(min=1)),
    }


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
