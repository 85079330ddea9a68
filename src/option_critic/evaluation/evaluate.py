"""Evaluate an agent: Meta-World tasks by the protocol on the official package, others by return and success."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from option_critic.agent import OptionCritic
from option_critic.envs.contract import Array, Mask, VectorEnvs, env_seeds
from option_critic.envs.gymnasium import make_gymnasium
from option_critic.envs.make import abandon, check_known
from option_critic.envs.metaworld import available, make_official, task_of
from option_critic.errors import InputError
from option_critic.evaluation import metaworld_protocol
from option_critic.evaluation.ablations import NOTHING, Ablation
from option_critic.evaluation.episodes import run_episodes
from option_critic.evaluation.intervals import Estimate, mean, proportion
from option_critic.evaluation.limits import check_request
from option_critic.evaluation.trace import Trace
from option_critic.model.act import Generators
from option_critic.spaces import check_fit
from option_critic.training.threads import compute_threads

EVALUATION_SEED = 2_000_000_011
"""Start of the random streams of evaluations, far from those of training."""
NUM_ENVS = 50
"""Environments side by side. Fixed: the batch size must not depend on the machine."""


@dataclass(frozen=True)
class Result:
    """One goal set (or plain episodes) in one mode."""

    name: str
    """The goal set, or `episodes`."""
    mode: str
    """deterministic or stochastic"""
    summary: dict[str, Estimate | None]
    episodes: list[dict[str, Any]]
    trace: Trace


def evaluate(
    agent: OptionCritic,
    goals: Sequence[str] = ("D",),
    modes: Sequence[str] = ("deterministic",),
    num_episodes: int = 100,
    workers: int = 0,
    on_episode: Callable[[], None] = lambda: None,
) -> list[Result]:
    """Evaluate on goal sets (Meta-World) or on `num_episodes` (anything else), once per mode.

    Frozen weights and normalisers, nothing from training episodes. Results do not depend on `workers`.
    """
    check_request(num_episodes, workers)
    task = task_of(agent.settings.env_id)
    if task is None:
        traces = telling(agent, [run_plain(agent, num_episodes, m == "deterministic", on_episode) for m in modes])
        return [Result("episodes", m, plain_summary(t), plain_rows(t), t) for m, t in zip(modes, traces, strict=True)]
    results = []
    for mode in modes:
        deterministic = mode == "deterministic"
        sets = [metaworld_protocol.goal_set(task, name) for name in goals]
        vectors, members = union(sets)
        everything = run_goals(agent, task, vectors, deterministic, workers, on_episode)
        for chosen, member in zip(sets, members, strict=True):
            trace = everything.take(member)
            results.append(
                Result(
                    chosen.name, mode, metaworld_protocol.summary(trace), metaworld_protocol.rows(trace, chosen), trace
                )
            )
    return results


def union(sets: Sequence[metaworld_protocol.GoalSet]) -> tuple[Array, list[npt.NDArray[np.int64]]]:
    """Goals of all sets without repetition (C lies within B), and where each set's goals stand among them."""
    vectors, index, inverse = np.unique(
        np.concatenate([s.vectors for s in sets]), axis=0, return_index=True, return_inverse=True
    )
    order = np.argsort(index)  # as first met, not as sorted
    place = np.argsort(order)[inverse.reshape(-1)]
    return vectors[order], np.split(place, np.cumsum([len(s.vectors) for s in sets])[:-1])


def num_episodes_of(agent: OptionCritic, goals: Sequence[str], modes: Sequence[str], num_episodes: int) -> int:
    """How many episodes `evaluate` will run, for a progress bar. Raises ValueError for unknown goals."""
    task = task_of(agent.settings.env_id)
    one = num_episodes if task is None else len(union([metaworld_protocol.goal_set(task, g) for g in goals])[0])
    return one * len(modes)


def run_goals(
    agent: OptionCritic,
    task: str,
    goals: Array,
    deterministic: bool,
    workers: int,
    on_episode: Callable[[], None],
    ablation: Ablation = NOTHING,
) -> Trace:
    """One official 500-step episode per goal [E, 6], in the order of the goals."""
    if not available():
        raise InputError('Meta-World is not installed; pip install "option-critic[metaworld]"')
    num_envs = min(NUM_ENVS, len(goals))
    shares = [np.arange(b, len(goals), num_envs) for b in range(num_envs)]
    envs = make_official(task, env_seeds(EVALUATION_SEED, 0, num_envs),
                         goals=[goals[i] for i in shares], workers=workers,
                         timeout=agent.settings.env.worker_timeout)  # fmt: skip
    trace = _run(agent, envs, [len(s) for s in shares], deterministic, on_episode, ablation)
    return replace(trace.take(np.argsort(np.concatenate(shares))), goal=goals)


def run_plain(
    agent: OptionCritic,
    num_episodes: int,
    deterministic: bool,
    on_episode: Callable[[], None],
    ablation: Ablation = NOTHING,
) -> Trace:
    """Episodes of a Gymnasium environment, full length (or that of training, if it has none), with fixed seeds."""
    env_id, num_envs = agent.settings.env_id, min(NUM_ENVS, num_episodes)
    check_known(env_id)
    own_limit = gym.spec(env_id.rpartition(":")[2]).max_episode_steps
    limit = agent.settings.env.max_episode_steps if own_limit is None else None
    envs = make_gymnasium(env_id, num_envs, env_seeds(EVALUATION_SEED, 0, num_envs), limit)
    quota = [len(range(b, num_episodes, num_envs)) for b in range(num_envs)]
    return _run(agent, envs, quota, deterministic, on_episode, ablation)


def _run(
    agent: OptionCritic,
    envs: VectorEnvs,
    quota: list[int],
    deterministic: bool,
    on_episode: Callable[[], None],
    ablation: Ablation,
) -> Trace:
    model = agent.state.model
    generators = Generators.seeded(EVALUATION_SEED)
    try:
        check_fit(agent.spaces, envs.spaces, agent.settings.env_id)
        with compute_threads(1), envs.chance:
            trace = run_episodes(envs, model, agent.settings, generators, quota, deterministic, ablation, on_episode)
    except BaseException:
        abandon([envs])
        raise
    envs.close()
    return trace


def telling(agent: OptionCritic, traces: Sequence[Trace]) -> list[Trace]:
    """Traces that all tell success if the environment tells it: some tell it only when it happens, and in some of
    the traces it may never have."""
    if not (agent.state.episodes.tells_success or any("success" in trace.info for trace in traces)):
        return list(traces)
    return [replace(t, info={"success": np.zeros(t.reward.shape)} | t.info) for t in traces]


def plain_successes(trace: Trace) -> dict[str, Mask]:
    """Name -> [E]: success at any step of an episode, and at its last; nothing where the environment tells none."""
    if "success" not in trace.info:
        return {}
    success = (trace.info["success"] > 0) & trace.mask
    any_step = np.logical_or.reduce(success, axis=1)
    return {"any": any_step, "final": success[np.arange(len(success)), trace.length - 1]}


def plain_summary(trace: Trace) -> dict[str, Estimate | None]:
    """Success, where the environment tells it, return and length, with 95 % intervals."""
    successes = {name: proportion(flags) for name, flags in plain_successes(trace).items()}
    return successes | {"return": mean(trace.reward.sum(1)), "length": mean(trace.length)}


def plain_rows(trace: Trace) -> list[dict[str, Any]]:
    """One record per episode."""
    successes = plain_successes(trace)
    return [
        {"return": float(r.sum()), "length": int(n), **{name: bool(x[e]) for name, x in successes.items()}}
        for e, (r, n) in enumerate(zip(trace.reward, trace.length, strict=True))
    ]
