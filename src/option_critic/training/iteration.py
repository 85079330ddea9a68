"""What an iteration leaves behind, in either line: counts, statistics, and what it says for the log."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from option_critic.options.settings import OptionSettings
from option_critic.records import Rollout
from option_critic.training.memory import held_at_most
from option_critic.training.metrics import divergence, option_metrics, shares_by_task
from option_critic.training.state import TrainState


@dataclass(frozen=True)
class Seconds:
    """How long an iteration took."""

    whole: float
    collecting: float
    improving: float


def count(state: TrainState, rollout: Rollout, seconds: Seconds) -> None:
    """Let the training know how far it has come."""
    state.env_steps += rollout.env_steps
    state.iteration += 1
    state.elapsed += seconds.whole
    state.episodes.update(rollout)


def update_normalisers(state: TrainState, rollout: Rollout, gamma: float) -> None:
    """Let the statistics see the rollout, once nothing reads them any more."""
    state.model.update_view(rollout.obs[rollout.valid])
    reward = rollout.reward + rollout.own_reward
    state.discounted = state.model.reward_norm.update(
        reward, rollout.cut, rollout.valid, gamma, state.discounted, rollout.task
    )


def metrics_of(
    state: TrainState, rollout: Rollout, log_mu: Tensor, rules: OptionSettings, seconds: Seconds
) -> dict[str, float]:
    """Of an iteration that is counted, whatever learned from it; log_mu [T, B, K] of the policy over options."""
    metrics = {
        "time/total_timesteps": float(state.env_steps),
        "time/iterations": float(state.iteration),
        "time/time_elapsed": state.elapsed,
        "time/fps": rollout.env_steps / seconds.whole,
        "time/env_seconds": rollout.env_seconds,
        "time/collect_seconds": seconds.collecting,
        "time/improve_seconds": seconds.improving,
        "time/peak_memory": held_at_most(),
        "train/learning_rate": state.optimizer.param_groups[0]["lr"],
        "train/reward_scale": float(state.model.reward_norm.moments.var.sqrt().mean()),
    }
    if rollout.unstable:
        metrics["rollout/unstable"] = float(rollout.unstable)
    metrics |= state.episodes.metrics() | option_metrics(rollout, log_mu, rules)
    if tasks := state.spaces.tasks:
        metrics |= state.episodes.by_task(tasks) | shares_by_task(rollout, rules.names, tasks)
    if rules.num_options > 1:
        metrics["option/divergence"] = divergence(state.model, rollout)
    return metrics
