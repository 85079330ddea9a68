"""Gather a rollout, and ask the model what it is worth."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from option_critic.envs.contract import VectorEnvs
from option_critic.model.act import Generators, act, arrive
from option_critic.model.option_model import OptionModel
from option_critic.options.rules import OptionSettings
from option_critic.structs import Array, Carry, Decision, EnvStep, NonFiniteError, Rollout, Values


@dataclass(frozen=True)
class Live:
    """Where running episodes stand between two rollouts."""

    obs: Array
    """[B, D] what to act on next"""
    carry: Carry


def collect(
    envs: VectorEnvs,
    model: OptionModel,
    live: Live,
    length: int,
    rules: OptionSettings,
    generators: Generators,
) -> tuple[Rollout, Live]:
    """Act for `length` rows from `live` on -> the rollout, and where it left off.

    Raises NonFiniteError if the environment returns NaN or infinity.
    """
    device = model.log_std.device
    obs_rows, decisions, steps = [], [], []
    obs, carry = live.obs, live.carry
    for _ in range(length):
        decision, _, _ = act(model, to_tensor(obs, device), carry, rules, generators)
        step = envs.step(envs.spaces.to_env(decision.action.cpu().numpy()))
        obs_rows.append(obs)
        decisions.append(decision)
        steps.append(step)
        obs, carry = step.act_obs, decision.next_carry(torch.from_numpy(step.is_first).to(device))
    return stack(obs_rows, decisions, steps, rules, device), Live(obs, carry)


def stack(
    obs_rows: list[Array],
    decisions: list[Decision],
    steps: list[EnvStep],
    rules: OptionSettings,
    device: torch.device,
) -> Rollout:
    """Rows of [B, ...] -> one rollout of [T, B, ...]."""

    def column(name: str) -> Tensor:
        return torch.from_numpy(np.stack([getattr(s, name) for s in steps])).to(device)

    obs = to_tensor(np.stack(obs_rows), device)
    next_obs, reward = column("next_obs").float(), column("reward").float()
    for name, x in (("observations", obs), ("observations", next_obs), ("rewards", reward)):
        if not torch.isfinite(x).all():
            bad = int((~torch.isfinite(x)).flatten(1).any(-1).nonzero()[0])
            raise NonFiniteError(f"the environment returned {name} that are NaN or infinite (row {bad} of the rollout)")
    success = None
    if any("success" in s.info for s in steps):  # some environments tell it only at the end of an episode
        none = np.zeros(reward.shape[1])
        success = torch.from_numpy(np.stack([s.info.get("success", none) for s in steps]) > 0).to(device)
    return Rollout(
        obs=obs,
        next_obs=next_obs,
        interest=rules.interest(obs),
        next_interest=rules.interest(next_obs),
        decision=Decision(**{f.name: torch.stack([getattr(d, f.name) for d in decisions]) for f in fields(Decision)}),
        reward=reward,
        terminated=column("terminated"),
        truncated=column("truncated"),
        valid=column("valid"),
        success=success,
    )


@torch.no_grad()
def evaluate_rollout(model: OptionModel, rollout: Rollout, rules: OptionSettings) -> Values:
    """What the model says at s and at the true s', before the update."""
    d = rollout.decision
    q, mu_logits, beta_logits = model.values(rollout.obs)
    here = arrive(mu_logits, beta_logits, rollout.interest, d.carry, rules)
    next_q, mu_logits, beta_logits = model.values(rollout.next_obs)
    arriving = Carry(d.option, d.next_age, torch.zeros_like(d.is_first))  # s' is never a first state
    there = arrive(mu_logits, beta_logits, rollout.next_interest, arriving, rules)
    return Values(
        reward=model.reward_norm(rollout.reward),
        q=q,
        log_mu=here.log_mu,
        beta=here.beta,
        next_q=next_q,
        next_log_mu=there.log_mu,
        next_beta=there.beta,
        next_forced=there.forced,
    )


def to_tensor(obs: Array, device: torch.device) -> Tensor:
    """float64 numpy -> float32 tensor."""
    return torch.from_numpy(obs.astype(np.float32)).to(device)
