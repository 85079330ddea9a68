"""Gather a rollout, and ask the model what it is worth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import torch
from torch import Tensor

from option_critic.envs.contract import Array, EnvStep, VectorEnvs
from option_critic.errors import NonFiniteError
from option_critic.model.act import Generators, Noise, act, arrive, likelihoods
from option_critic.model.actor import Actor
from option_critic.model.distributions import ActionDistribution
from option_critic.model.option_model import OptionModel
from option_critic.options.interest import check_definitions, interest_at, own_reward
from option_critic.options.rules import OptionSettings
from option_critic.structs import Carry, Choice, Decision, Rollout, Values

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Rows = TypeVar("Rows", bound="DataclassInstance")


@dataclass(frozen=True)
class Live:
    """Where running episodes stand between two rollouts."""

    obs: Array
    """[B, D] what to act on next"""
    carry: Carry


def collect(
    groups: Sequence[VectorEnvs],
    model: OptionModel,
    live: Sequence[Live],
    length: int,
    rules: OptionSettings,
    generators: Generators,
) -> tuple[Rollout, list[Live]]:
    """Act for `length` rows from `live` on, one entry per group -> the rollout, and where each group left off.

    Groups take turns in a fixed order: while one is stepped, the agent decides for the next.
    Raises NonFiniteError if the environment returns NaN or infinity.
    """
    device, live = model.log_std.device, list(live)
    obs: list[list[Array]] = [[] for _ in groups]
    choices: list[list[Choice]] = [[] for _ in groups]
    policies: list[list[ActionDistribution]] = [[] for _ in groups]
    log_mus: list[list[Tensor]] = [[] for _ in groups]
    steps: list[list[EnvStep]] = [[] for _ in groups]
    actor = Actor.of(model)
    noise = [Noise.draw((length, envs.num_envs), actor, generators).steps() for envs in groups]
    for t in range(length + 1):
        for g, envs in enumerate(groups):
            if t > 0:
                step = envs.recv()
                steps[g].append(step)
                is_first = torch.from_numpy(step.is_first).to(device)
                live[g] = Live(step.act_obs, choices[g][-1].next_carry(is_first))
            if t < length:
                choice, pi, arrival = act(actor, to_tensor(live[g].obs, device), live[g].carry, rules, noise[g][t])
                envs.send(envs.spaces.to_env(choice.action.cpu().numpy()))
                obs[g].append(live[g].obs)
                choices[g].append(choice)
                policies[g].append(pi)
                log_mus[g].append(arrival.log_mu)
    decision = likelihoods(join_rows(choices), join_rows(policies), join_tensors(log_mus))
    return stack(obs, decision, steps, rules, device), live


def join_rows(groups: list[list[Rows]]) -> Rows:
    """Per group, rows with fields [B, ...] -> one record with fields [T, all B, ...]."""
    kind, names = type(groups[0][0]), [f.name for f in fields(groups[0][0])]
    return kind(**{name: join_tensors([[getattr(r, name) for r in rows] for rows in groups]) for name in names})


def join_tensors(groups: list[list[Tensor]]) -> Tensor:
    """Per group, rows [B, ...] -> [T, all B, ...]."""
    return torch.cat([torch.stack(rows) for rows in groups], dim=1)


def stack(
    obs_rows: list[list[Array]],
    decision: Decision,
    steps: list[list[EnvStep]],
    rules: OptionSettings,
    device: torch.device,
) -> Rollout:
    """Per group, rows of [B, ...] -> one rollout of [T, all B, ...]."""

    def join(groups: Iterable[list[Array]]) -> Array:
        return np.concatenate([np.stack(rows) for rows in groups], axis=1)

    def column(name: str) -> Tensor:
        return torch.from_numpy(join([getattr(s, name) for s in rows] for rows in steps)).to(device)

    obs = to_tensor(join(obs_rows), device)
    next_obs, reward = column("next_obs").float(), column("reward").float()
    for name, x in (("observations", obs), ("observations", next_obs), ("rewards", reward)):
        if not torch.isfinite(x).all():
            bad = int((~torch.isfinite(x)).flatten(1).any(-1).nonzero()[0])
            raise NonFiniteError(f"the environment returned {name} that are NaN or infinite (row {bad} of the rollout)")
    if not torch.isfinite(decision.action).all():
        raise NonFiniteError("the agent's actions are NaN or infinite; lower the learning rates")
    check_definitions(obs.flatten(0, 1), rules)
    success = None
    if any("success" in s.info for rows in steps for s in rows):  # some tell it only at the end of an episode
        told = join([s.info.get("success", np.zeros(len(s.reward))) for s in rows] for rows in steps)
        success = torch.from_numpy(told > 0).to(device)
    return Rollout(
        obs=obs,
        next_obs=next_obs,
        interest=interest_at(obs, rules),
        next_interest=interest_at(next_obs, rules),
        decision=decision,
        reward=reward,
        own_reward=own_reward(obs, next_obs, decision.option, rules),
        terminated=column("terminated"),
        truncated=column("truncated"),
        valid=column("valid"),
        success=success,
        steps=steps_of(steps).to(device),
        unstable=sum(int(s.info["unstable"].sum()) for rows in steps for s in rows if "unstable" in s.info),
    )


def steps_of(groups: list[list[EnvStep]]) -> Tensor:
    """Per group, T steps -> the environments' own steps in them, [T, all B] long."""
    return join_tensors([[torch.full((len(s.reward),), s.steps) for s in rows] for rows in groups])


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
        reward=model.reward_norm(rollout.reward + rollout.own_reward),
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
