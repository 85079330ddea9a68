"""Evaluate an agent: Meta-World tasks by the protocol on the official package, others by return and success."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from option_critic.envs.contract import Array, Mask, VectorEnvs, env_seeds
from option_critic.envs.lookup import known
from option_critic.envs.make import abandon, make_plain, own_limit
from option_critic.envs.many_tasks import Told
from option_critic.envs.metaworld import available, make_official, tasks_of
from option_critic.envs.source import Source
from option_critic.errors import InputError
from option_critic.evaluation import metaworld_protocol
from option_critic.evaluation.ablations import NOTHING, Ablation
from option_critic.evaluation.episodes import OnStep, run_episodes
from option_critic.evaluation.intervals import Estimate, mean, proportion
from option_critic.evaluation.limits import MAX_EPISODE_STEPS, Effort, check_trace
from option_critic.evaluation.tasks import TaskFigures, by_task, joined, means
from option_critic.evaluation.tasks import rows as rows_of_tasks
from option_critic.evaluation.trace import Trace
from option_critic.model.act import Generators
from option_critic.settings import Settings
from option_critic.spaces import check_fit
from option_critic.training.state import TrainState
from option_critic.training.threads import compute_threads

EVALUATION_SEED = 2_000_000_011
"""Start of the random streams of evaluations, far from those of training."""
NUM_ENVS = 50
"""Environments side by side. Fixed: the batch size must not depend on the machine."""


class Judged(Protocol):
    """What is evaluated: an agent (`OptionCritic`). None of it is changed."""

    settings: Settings
    state: TrainState
    source: Source

    def close(self) -> None:
        """End the episodes that training has under way."""


@dataclass(frozen=True)
class Result:
    """One goal set (or plain episodes) in one mode."""

    name: str
    """The goal set, or `episodes`."""
    mode: str
    """deterministic or stochastic"""
    summary: dict[str, Estimate | None]
    """Of several tasks the means over them."""
    episodes: list[dict[str, Any]]
    trace: Trace
    tasks: dict[str, TaskFigures] = field(default_factory=dict)
    """Of each of several tasks."""


def evaluate(
    agent: Judged,
    goals: Sequence[str] = (),
    modes: Sequence[str] = ("deterministic",),
    num_episodes: int = 100,
    workers: int = 0,
    on_step: OnStep = lambda *_: None,
    max_episode_steps: int = MAX_EPISODE_STEPS,
) -> list[Result]:
    """Evaluate on goal sets (Meta-World; default: D, and of several tasks 50 goals each, of MT1 seed 10001) or on
    `num_episodes` (anything else), once per mode.

    Frozen weights and normalisers, nothing from training episodes. Results do not depend on `workers`. Episodes of
    anything else are cut at `max_episode_steps` (`cuts`).
    """
    Effort(num_episodes, workers, max_episode_steps)
    tasks = tasks_of(agent.settings.env_id)
    if not tasks:
        traces = telling(agent, [run_plain(agent, num_episodes, m == "deterministic", on_step,
                                           max_episode_steps=max_episode_steps) for m in modes])  # fmt: skip
        return [Result("episodes", m, plain_summary(t), plain_rows(t), t) for m, t in zip(modes, traces, strict=True)]
    goals = goals or [metaworld_protocol.usual_goals(tasks)]
    if len(tasks) > 1:
        return [run_set(agent, name, mode, workers, on_step) for mode in modes for name in goals]
    results = []
    for mode in modes:
        deterministic = mode == "deterministic"
        sets = [metaworld_protocol.goal_set(tasks[0], name) for name in goals]
        vectors, members = union(sets)
        everything = run_tasks(agent, {tasks[0]: vectors}, deterministic, workers, on_step)
        for chosen, member in zip(sets, members, strict=True):
            trace = everything.take(member)
            results.append(
                Result(
                    chosen.name, mode, metaworld_protocol.summary(trace), metaworld_protocol.rows(trace, chosen), trace
                )
            )
    return results


def run_set(agent: Judged, name: str, mode: str, workers: int, on_step: OnStep) -> Result:
    """One goal set of each of several tasks, in one mode."""
    goals = goals_of(tasks_of(agent.settings.env_id), name)
    trace = run_tasks(agent, goals, mode == "deterministic", workers, on_step)
    found = by_task(trace, list(goals), agent.settings.options.names)
    return Result(name, mode, means(found), rows_of_tasks(trace, goals), trace, found)


def goals_of(tasks: Sequence[str], name: str, count: int | None = None) -> dict[str, Array]:
    """Task -> the goals of a set; `count`: only so many in all, evenly spread over tasks and sets, but one of each."""
    sets = {task: metaworld_protocol.goal_set(task, name).vectors for task in tasks}
    if count is None:
        return sets
    return {task: spread(vectors, max(1, count // len(tasks))) for task, vectors in sets.items()}


def union(sets: Sequence[metaworld_protocol.GoalSet]) -> tuple[Array, list[npt.NDArray[np.int64]]]:
    """Goals of all sets without repetition (C lies within B), and where each set's goals stand among them."""
    vectors, index, inverse = np.unique(
        np.concatenate([s.vectors for s in sets]), axis=0, return_index=True, return_inverse=True
    )
    order = np.argsort(index)  # as first met, not as sorted
    place = np.argsort(order)[inverse.reshape(-1)]
    return vectors[order], np.split(place, np.cumsum([len(s.vectors) for s in sets])[:-1])


def num_episodes_of(agent: Judged, goals: Sequence[str], modes: Sequence[str], num_episodes: int) -> int:
    """How many episodes `evaluate` will run, for a progress bar. Raises ValueError for unknown goals."""
    tasks = tasks_of(agent.settings.env_id)
    goals = goals or [metaworld_protocol.usual_goals(tasks)]
    each = [len(union([metaworld_protocol.goal_set(task, g) for g in goals])[0]) for task in tasks]
    return (sum(each) if tasks else num_episodes) * len(modes)


def spread(goals: Array, count: int) -> Array:
    """`count` of the goals, evenly spread over the set; all if there are no more."""
    return goals if count >= len(goals) else goals[[i * len(goals) // count for i in range(count)]]


def check_official() -> None:
    """Raise InputError where Meta-World cannot be judged."""
    if not available():
        raise InputError('Meta-World is not installed; pip install "option-critic[metaworld]"')


def run_tasks(
    agent: Judged,
    goals: Mapping[str, Array],
    deterministic: bool,
    workers: int,
    on_step: OnStep,
    ablation: Ablation = NOTHING,
) -> Trace:
    """One official 500-step episode per goal, in the order of the goals. `goals`: task -> [E, G]; several tasks run
    beside each other."""
    check_official()
    env_id, most = agent.settings.env_id, max(1, NUM_ENVS // len(goals))
    shares = {task: dealt(len(own), min(most, len(own))) for task, own in goals.items()}
    each = [(task, share) for task, own in shares.items() for share in own]
    envs: VectorEnvs = make_official([task for task, _ in each], env_seeds(EVALUATION_SEED, 0, len(each)),
                                     goals=[goals[task][share] for task, share in each], workers=workers,
                                     timeout=agent.settings.env.worker_timeout)  # fmt: skip
    if len(tasks := tasks_of(env_id)) > 1:
        envs = Told(envs, [tasks.index(task) for task, _ in each], tasks, env_id)
    trace = _run(agent, envs, [len(share) for _, share in each], deterministic, on_step, ablation)
    first = np.cumsum([0, *map(len, goals.values())])
    traces = [replace(trace.take(first[i] + np.argsort(np.concatenate(shares[task]))), goal=own)
              for i, (task, own) in enumerate(goals.items())]  # fmt: skip
    return traces[0] if len(agent.state.spaces.tasks) < 2 else joined(traces)


def dealt(count: int, num_envs: int) -> list[npt.NDArray[np.int64]]:
    """Which of `count` episodes each environment runs."""
    return [np.arange(b, count, num_envs) for b in range(num_envs)]


def run_plain(
    agent: Judged,
    num_episodes: int,
    deterministic: bool,
    on_step: OnStep,
    ablation: Ablation = NOTHING,
    max_episode_steps: int = MAX_EPISODE_STEPS,
) -> Trace:
    """Episodes of an environment that is not Meta-World's, full length (or that of training, if it has none), with
    fixed seeds.

    None is longer than `max_episode_steps`; `cut` in the trace's info marks the steps at which it ended one. An object
    is judged in itself: episodes that training has under way in it end here.
    """
    source, settings = known(agent.source), agent.settings.env
    num_envs = source.own_number or min(NUM_ENVS, num_episodes)
    if source.own_number is not None:
        agent.close()
    limit, cut = plain_limits(agent, num_episodes, max_episode_steps)
    judged = replace(settings, max_episode_steps=limit, action_repeat=1)  # the agent holds its actions itself
    envs = make_plain(source, judged, env_seeds(EVALUATION_SEED, 0, num_envs), max_episode_steps)
    quota = [len(range(b, num_episodes, num_envs)) for b in range(num_envs)]
    return _run(agent, envs, quota, deterministic, on_step, ablation, cut)


def plain_limits(agent: Judged, num_episodes: int, max_episode_steps: int) -> tuple[int | None, int | None]:
    """(limit to make the environments with, none: their own; steps at which the evaluation cuts, none: it does not).

    Raises InputError for an environment that is not at hand, and for more episodes than can be recorded.
    """
    settings = agent.settings.env
    own = own_limit(known(agent.source), settings)
    full = own or settings.max_episode_steps or math.inf
    check_trace(num_episodes, int(min(full, max_episode_steps)), numbers_a_step(agent))
    if max_episode_steps < full:
        return max_episode_steps, max_episode_steps
    return (None if own else settings.max_episode_steps), None


def numbers_a_step(agent: Judged) -> int:
    """How many numbers a trace holds of each step, about."""
    return 4 * len(agent.settings.options.names) + math.prod(agent.state.spaces.policy_shape) + 12


def _run(
    agent: Judged,
    envs: VectorEnvs,
    quota: list[int],
    deterministic: bool,
    on_step: OnStep,
    ablation: Ablation,
    limit: int | None = None,
) -> Trace:
    model = agent.state.model
    generators = Generators.seeded(EVALUATION_SEED)
    try:
        check_fit(agent.state.spaces, envs.spaces, agent.settings.env_id)
        with compute_threads(1), envs.chance:
            trace = run_episodes(envs, model, agent.settings, generators, quota, deterministic, ablation, on_step)
    except BaseException:
        abandon([envs])
        raise
    envs.close()
    return marking(trace, limit)


def marking(trace: Trace, limit: int | None) -> Trace:
    """A trace that says where the limit of the evaluation cut an episode, if it did, in the place of all limits."""
    info = dict(trace.info)
    cut = info.pop("truncated") * (trace.length == limit)[:, None]
    return replace(trace, info=info | ({"cut": cut} if cut.any() else {}))


def cuts(trace: Trace) -> tuple[int, int]:
    """(episodes that the limit of the evaluation cut, after how many steps)."""
    if "cut" not in trace.info:
        return 0, 0
    cut = trace.info["cut"].any(1)
    return int(cut.sum()), int(trace.length[cut].max(initial=0))


def telling(agent: Judged, traces: Sequence[Trace]) -> list[Trace]:
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
