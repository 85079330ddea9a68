"""The second line, of what learns from kept transitions: act -> store -> sample -> targets -> improve -> log."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import fields, replace
from typing import Any

import torch
from torch import Tensor

from option_critic.algorithms.settings import SACOCSettings
from option_critic.algorithms.soft_update import SoftUpdates
from option_critic.algorithms.update import LOGGED, DivergedError
from option_critic.envs.contract import VectorEnvs
from option_critic.envs.goals import Goals
from option_critic.envs.make import in_their_chance
from option_critic.model.act import Noise, arrive
from option_critic.records import Decision, Interest, Rollout
from option_critic.settings import Settings
from option_critic.training.collect import Live, collect, noise_for
from option_critic.training.hindsight import in_hindsight
from option_critic.training.iteration import Seconds, count, metrics_of, update_normalisers
from option_critic.training.state import TrainState
from option_critic.training.threads import compute_threads

Metrics = dict[str, float]
Rows = list[list[Noise]]
"""The chance in decisions, of each group for each step."""


def iterate(
    state: TrainState,
    settings: Settings,
    groups: Sequence[VectorEnvs],
    live: Sequence[Live],
    updates: SoftUpdates,
    on_rollout: Callable[[Rollout], None] = lambda _: None,
    goals: Goals | None = None,
) -> tuple[Metrics, list[Live]]:
    """One iteration: `rollout_length` rows, with updates after every `update_every` of them. `goals`: what can be
    replaced in hindsight."""
    config, rules, replay = settings.learning, settings.options, state.replay
    assert isinstance(config, SACOCSettings) and replay is not None
    started, improving, live = time.perf_counter(), 0.0, list(live)
    state.set_rates(settings)
    rollouts: list[Rollout] = []
    learned: list[dict[str, Tensor]] = []
    skipped = 0
    noise: Rows | None = None
    if config.noise_color > 0:  # it lasts longer than a portion
        noise = noise_for(groups, state.model, config.rollout_length, state.generators, colors=(config.noise_color,))
    with compute_threads(1, arrays=1), updates.at_these_rates():
        for length in portions(config.rollout_length, config.update_every):
            now, noise = cut(noise, length)
            with in_their_chance(groups):
                rollout, live = collect(groups, state.model, live, length, rules, state.generators, noise=now)
            collected = time.perf_counter()
            before = replay.decisions
            if goals is not None and replay.updates == 0:
                check_goals(goals, rollout)
            replay.add(rollout)
            rollouts.append(rollout)
            with compute_threads(settings.torch_threads):
                for _ in range(due(before, replay.decisions, config)):
                    is_logged = replay.updates % LOGGED == 0 or not learned
                    made, found = update(state, settings, updates, is_logged, goals)
                    skipped += not made
                    if made and is_logged:
                        learned.append(found)
                update_normalisers(state, rollout, config.gamma)
            improving += time.perf_counter() - collected
    rollout, whole = joined(rollouts), time.perf_counter() - started
    seconds = Seconds(whole, whole - improving, improving)
    count(state, rollout, seconds)
    on_rollout(rollout)
    metrics = metrics_of(state, rollout, choices_of(state, settings, rollout), rules, seconds)
    metrics |= {
        "train/n_updates": float(replay.updates),
        "train/skipped_updates": float(skipped),
        "replay/transitions": float(min(replay.decisions, replay.rows * len(replay.running))),
    }
    metrics |= {name: float(torch.stack([m[name] for m in learned]).mean()) for name in (learned[0] if learned else ())}
    return metrics, live


def check_goals(goals: Goals, rollout: Rollout) -> None:
    """Raise InputError unless the steps before the first update are paid as hindsight will have it."""
    rows = rollout.valid
    goals.check(rollout.next_obs[rows].cpu().numpy(), rollout.reward[rows].cpu().numpy())


def portions(total: int, most: int) -> list[int]:
    """Parts of at most `most` that come to `total`."""
    whole, rest = divmod(total, most)
    return [most] * whole + [rest] * (rest > 0)


def cut(noise: Rows | None, length: int) -> tuple[Rows | None, Rows | None]:
    """(the first rows of each group, the others); none stays none."""
    if noise is None:
        return None, None
    return [rows[:length] for rows in noise], [rows[length:] for rows in noise]


def due(before: int, after: int, config: SACOCSettings) -> int:
    """How many updates follow upon decisions number `before` to `after`: none is made up for those at the start."""

    def by(decisions: int) -> int:
        return int(max(0, decisions - config.learning_starts) * config.updates_per_step)

    return by(after) - by(before)


def update(
    state: TrainState, settings: Settings, updates: SoftUpdates, is_logged: bool, goals: Goals | None = None
) -> tuple[bool, dict[str, Tensor]]:
    """One update from transitions that were kept: whether it was made, or skipped; and what to log of it.

    Raises DivergedError where too many in a row were.
    """
    config, replay = settings.learning, state.replay
    assert isinstance(config, SACOCSettings) and replay is not None
    generator = state.generators.batch
    drawn = replay.draw(config.minibatch_size, generator)
    batch = replay.take(*drawn, state.model.log_std.device)
    if goals is not None:
        batch = in_hindsight(batch, replay, *drawn, goals, config.hindsight, generator)
    made, found = updates.improve(batch, generator, is_logged)
    replay.updates += made
    state.skipped_in_row = 0 if made else state.skipped_in_row + 1
    if state.skipped_in_row >= config.max_skipped_updates:
        raise DivergedError(state.skipped_in_row, batch)
    return made, found


@torch.no_grad()
def choices_of(state: TrainState, settings: Settings, rollout: Rollout) -> Tensor:
    """log mu_I of the policy over options as it is now, along a rollout: [T, B, K]."""
    _, mu_logits, beta_logits = state.model.network(rollout.obs)
    return arrive(mu_logits, beta_logits, rollout.interest, rollout.decision.carry, settings.options).log_mu


def joined(rollouts: Sequence[Rollout]) -> Rollout:
    """Rollouts of the same environments, one after the other, as one."""
    first = rollouts[0]
    if len(rollouts) == 1:
        return first

    def column(name: str) -> Any:
        parts = [getattr(r, name) for r in rollouts]
        told = next((x for x in parts if x is not None), None)
        if isinstance(told, Decision | Interest):
            return of_records(parts)
        if isinstance(told, Tensor):  # where a task tells nothing in between, it was no success
            return torch.cat(
                [torch.zeros_like(r.valid) if x is None else x for r, x in zip(rollouts, parts, strict=True)]
            )
        return sum(parts) if told is not None else None

    return replace(first, **{f.name: column(f.name) for f in fields(Rollout)})


def of_records(records: Sequence[Any]) -> Any:
    """Records of tensors [T, ...], one after the other; none stays none."""
    kind, names = type(records[0]), [f.name for f in fields(records[0])]
    columns = {name: [getattr(r, name) for r in records] for name in names}
    return kind(**{name: None if xs[0] is None else torch.cat(xs) for name, xs in columns.items()})
