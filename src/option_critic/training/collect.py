"""Gather a rollout, and ask the model what it is worth."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch
from torch import Tensor

from option_critic.envs.contract import EnvStep, Observations, VectorEnvs
from option_critic.errors import NonFiniteError
from option_critic.functional.arrays import NDArray, single
from option_critic.model.act import Generators, Noise, act, arrive, likelihoods
from option_critic.model.acting import snapshot
from option_critic.model.distributions import ActionDistribution
from option_critic.model.option_model import OptionModel
from option_critic.options.interest import check_definitions, interest_at, own_reward
from option_critic.options.settings import OptionSettings
from option_critic.ranks.ranks import ALONE, Ranks, whole
from option_critic.records import Carry, Choice, Decision, Rollout, Values

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Rows = TypeVar("Rows", bound="DataclassInstance")


@dataclass(frozen=True)
class Live:
    """Where running episodes stand between two rollouts."""

    obs: Observations
    """[B, D] what to act on next"""
    carry: Carry[NDArray]


def collect(
    groups: Sequence[VectorEnvs],
    model: OptionModel,
    live: Sequence[Live],
    length: int,
    rules: OptionSettings,
    generators: Generators,
    ranks: Ranks = ALONE,
    noise: Sequence[Sequence[Noise]] | None = None,
) -> tuple[Rollout, list[Live]]:
    """Act for `length` rows from `live` on, one entry per group -> the rollout, and where each group left off.

    Groups take turns in a fixed order: while one is stepped, the agent decides for the next. Each of several `ranks`
    has as many environments, and of the chance of all it takes what is theirs. `noise` of each group and row, where it
    was drawn before; none: white, drawn now.
    Raises NonFiniteError if the environment returns NaN or infinity.
    """
    device, live = model.log_std.device, list(live)
    obs: list[list[NDArray]] = [[] for _ in groups]
    choices: list[list[Choice[NDArray]]] = [[] for _ in groups]
    policies: list[list[ActionDistribution[NDArray]]] = [[] for _ in groups]
    log_mus: list[list[NDArray]] = [[] for _ in groups]
    features: list[list[NDArray]] = [[] for _ in groups]
    steps: list[list[EnvStep]] = [[] for _ in groups]
    network, waited = snapshot(model), 0.0
    noise = noise or noise_for(groups, model, length, generators, ranks)
    for t in range(length + 1):
        for g, envs in enumerate(groups):
            if t > 0:
                asked = time.perf_counter()
                step = envs.recv()
                step = replace(step, next_obs=digits(step.next_obs, model))
                waited += time.perf_counter() - asked
                steps[g].append(step)
                live[g] = Live(step.act_obs, choices[g][-1].next_carry(step.is_first))
            if t < length:
                seen = digits(live[g].obs, model)
                acted = act(network, seen, live[g].carry, rules, noise[g][t])
                envs.send(envs.spaces.to_env(acted.choice.action))
                obs[g].append(seen)
                choices[g].append(acted.choice)
                policies[g].append(acted.policy)
                log_mus[g].append(acted.arrival.log_mu)
                features[g].append(acted.seen)
    log_mu = torch.from_numpy(join(log_mus)).to(device)
    decision = likelihoods(join_rows(choices, device), join_rows(policies, device), log_mu)
    # numbers are looked at again instead: in one large batch they differ in their last bits
    kept = None if model.encoder is None else torch.from_numpy(join(features)).to(device)
    return replace(stack(obs, decision, steps, rules, model), seen=kept, env_seconds=waited), live


def noise_for(
    groups: Sequence[VectorEnvs],
    model: OptionModel,
    length: int,
    generators: Generators,
    ranks: Ranks = ALONE,
    colors: Sequence[float] = (0.0,),
) -> list[list[Noise]]:
    """The chance in the next `length` decisions, of each group for each step. `colors`: of the options' noise."""
    network = snapshot(model)
    totals = [envs.num_envs * ranks.count for envs in groups]
    drawn = [Noise.draw((length, total), network, generators, colors).of(ranks.share(total)) for total in totals]
    return [noise.steps() for noise in drawn]


def digits(obs: Observations, model: OptionModel) -> Observations:
    """Observations with as many digits as the model uses: float64 is for normalising."""
    return single(obs) if obs.dtype == np.float64 and not model.obs_norm.enabled else obs


def join_rows(groups: list[list[Rows]], device: torch.device) -> Any:
    """Per group, records of arrays [B, ...] -> one of tensors [T, all B, ...]; none where a field is none."""
    kind, names = type(groups[0][0]), [n for n, value in vars(groups[0][0]).items() if value is not None]
    joined = {name: join([[getattr(r, name) for r in rows] for rows in groups]) for name in names}
    return kind(**{name: torch.from_numpy(x).to(device) for name, x in joined.items()})


def join(groups: Iterable[list[NDArray]]) -> NDArray:
    """Per group, rows [B, ...] -> [T, all B, ...]."""
    stacks = [np.stack(rows) for rows in groups]
    return stacks[0] if len(stacks) == 1 else np.concatenate(stacks, axis=1)


def stack(
    obs_rows: list[list[NDArray]],
    decision: Decision,
    steps: list[list[EnvStep]],
    rules: OptionSettings,
    model: OptionModel,
) -> Rollout:
    """Per group, rows of [B, ...] -> one rollout of [T, all B, ...]."""
    device = model.log_std.device

    def column(name: str) -> Tensor:
        return torch.from_numpy(join([getattr(s, name) for s in rows] for rows in steps)).to(device)

    obs = torch.from_numpy(join(obs_rows)).to(device)
    next_obs, reward = column("next_obs"), column("reward").float()
    for name, x in (("observations", obs), ("observations", next_obs), ("rewards", reward)):
        if x.is_floating_point() and not torch.isfinite(x).all():
            bad = int((~torch.isfinite(x)).flatten(1).any(-1).nonzero()[0])
            raise NonFiniteError(f"the environment returned {name} that are NaN or infinite (row {bad} of the rollout)")
    if not torch.isfinite(decision.action).all():
        raise NonFiniteError("the agent's actions are NaN or infinite; lower the learning rates")
    told_of, told_next = model.numbers(obs), model.numbers(next_obs)
    check_definitions(told_of.flatten(0, 1), rules)
    return Rollout(
        obs=obs,
        next_obs=next_obs,
        interest=interest_at(told_of, rules),
        next_interest=interest_at(told_next, rules),
        decision=decision,
        reward=reward,
        own_reward=own_reward(told_of, told_next, decision.option, rules),
        terminated=column("terminated"),
        truncated=column("truncated"),
        valid=column("valid"),
        success=told(steps, "success", device),
        success_last=told(steps, "success_last", device),
        task=model.task(obs),
        steps=column("steps").long(),
        unstable=sum(int(s.info["unstable"].sum()) for rows in steps for s in rows if "unstable" in s.info),
    )


def told(groups: list[list[EnvStep]], name: str, device: torch.device) -> Tensor | None:
    """Per group, T steps -> [T, all B] bool: where the task told success. None where it told nothing at all; a step
    that tells nothing was no success (some tell it only when it happens, or at the end of an episode)."""
    if not any("success" in s.info for rows in groups for s in rows):
        return None
    rows = ([s.info.get(name, s.info.get("success", np.zeros(len(s.reward)))) for s in rows] for rows in groups)
    return torch.from_numpy(join(rows) > 0).to(device)


def successors(
    model: OptionModel, rollout: Rollout, here: tuple[Tensor, Tensor, Tensor]
) -> tuple[Tensor, Tensor, Tensor]:
    """`model.values` at the true s', given what they are at s. Images are encoded once: but for ends of episodes and of
    the rollout, s' is the next row's s."""
    if model.encoder is None:
        return model.values(rollout.next_obs)
    other = rollout.terminated | rollout.truncated
    other[-1] = True
    found = [x.roll(-1, 0) for x in here]
    for x, value in zip(found, model.values(rollout.next_obs[other]), strict=True):
        x[other] = value
    return found[0], found[1], found[2]


@torch.no_grad()
def evaluate_rollout(model: OptionModel, rollout: Rollout, rules: OptionSettings) -> Values:
    """What the model says at s and at the true s', before the update."""
    d = rollout.decision
    q, mu_logits, beta_logits = model.values(rollout.obs) if rollout.seen is None else model.values_of(rollout.seen)
    here = arrive(mu_logits, beta_logits, rollout.interest, d.carry, rules)
    next_q, mu_logits, beta_logits = successors(model, rollout, (q, mu_logits, beta_logits))
    arriving = Carry(d.option, d.next_age, torch.zeros_like(d.is_first))  # s' is never a first state
    there = arrive(mu_logits, beta_logits, rollout.next_interest, arriving, rules)
    return Values(
        reward=model.reward_norm(rollout.reward + rollout.own_reward, rollout.task),
        q=q,
        log_mu=here.log_mu,
        beta=here.beta,
        next_q=next_q,
        next_log_mu=there.log_mu,
        next_beta=there.beta,
        next_forced=there.forced,
    )


def of_all(rollout: Rollout, values: Values, ranks: Ranks) -> tuple[Rollout, Values]:
    """What each of the ranks gathered and found, as one: that of all environments, in the order of the ranks. What
    the networks saw is left out: it was for the values."""
    if ranks.is_alone:
        return rollout, values
    numbers = [rollout.success is not None, rollout.unstable, rollout.env_seconds]
    said = torch.stack(ranks.gather(torch.tensor(numbers, dtype=torch.float64, device="cpu")))
    if said[:, 0].any() and rollout.success is None:  # where only some tell success, the others had none
        none = torch.zeros_like(rollout.valid)
        rollout = replace(rollout, success=none, success_last=none)
    rollout = replace(rollout, seen=None, unstable=int(said[:, 1].sum()), env_seconds=float(said[:, 2].max()))
    return whole(rollout, ranks), whole(values, ranks)
