"""The training loop: the straight line of the data, once per iteration."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass, field, replace

import torch

from option_critic.algorithms.settings import PPOSettings, SACOCSettings
from option_critic.algorithms.soft_update import SoftUpdates
from option_critic.algorithms.table import ALGORITHMS
from option_critic.algorithms.update import improve
from option_critic.envs.contract import VectorEnvs, env_seeds
from option_critic.envs.goals import Goals, goals_of
from option_critic.envs.lookup import known
from option_critic.envs.make import abandon, close, episode_limit, in_their_chance, make_groups, warned
from option_critic.envs.settings import EnvSettings
from option_critic.envs.source import Source
from option_critic.errors import RunError
from option_critic.ranks.fit import check_shared
from option_critic.ranks.ranks import ALONE, Ranks
from option_critic.records import Batch, Carry, Rollout
from option_critic.settings import Settings
from option_critic.spaces import check_fit
from option_critic.training import off_policy
from option_critic.training.collect import Live, collect, evaluate_rollout, noise_for, of_all
from option_critic.training.iteration import Seconds, count, metrics_of, update_normalisers
from option_critic.training.memory import keep_memory
from option_critic.training.metrics import action_std, clipped_actions, explained_variance
from option_critic.training.state import TrainState
from option_critic.training.threads import compute_threads

Metrics = dict[str, float]
Judge = Callable[[], Metrics]
"""Finds how good the agent is at this moment (`eval/...`), and changes nothing of the training."""
OnRollout = Callable[[Rollout], None]
"""Sees a rollout once it was learned from. It must not keep it: two at a time would take twice the memory."""


@dataclass
class Running:
    """Environments with episodes under way. Whoever makes it closes it."""

    groups: list[VectorEnvs] = field(default_factory=list)
    """empty: there are none"""
    live: list[Live] = field(default_factory=list)
    """where the episodes of each group stand"""
    made_for: tuple[Source, EnvSettings] | None = None
    """where they come from, and their settings"""
    goals: Goals | None = None
    """what learning asks of goals in hindsight; none: nothing"""

    def close(self) -> None:
        """Free the environments. Raises EnvError."""
        close(self.groups)
        if self.goals is not None:
            self.goals.close()
            self.goals = None

    def abandon(self) -> None:
        """The same where something went wrong already: what goes wrong now is told in warnings."""
        abandon(self.groups)
        if self.goals is not None:
            with warned():
                self.goals.close()
            self.goals = None


def train(
    state: TrainState,
    settings: Settings,
    running: Running,
    on_boundary: Callable[[], None] | None = None,
    on_rollout: OnRollout = lambda _: None,
    judge: Judge | None = None,
    source: Source | None = None,
    ranks: Ranks = ALONE,
) -> Generator[Metrics, None, None]:
    """Train `state` in place until `state.schedule_end`; the metrics of each iteration, as it ends.

    With `on_boundary` there is something to go on from. At every boundary (`checkpoint_every` steps, rounded up to an
    iteration, and the end) running episodes are cut with bootstrap, it is called, and all environments are made anew
    from hash(seed, iteration): a training that goes on from a checkpoint then sees what this one sees.
    Without it there are no boundaries: what is `running` goes on, and is left to the next training.
    `on_rollout` is called in each iteration, for those who want to look at more than its metrics.
    `judge` is called every `evaluate_every` steps, rounded up to an iteration, and at the end where that is a boundary.
    Its time is none of the training's. `source`: where the environments come from; none: what the settings name.
    `ranks`: the processes that train together, each with the same state and its share of the environments.
    """
    source = source or known(Source(settings.env_id))
    begin_together(state, settings, source, ranks)
    if state.model.encoder is not None:
        keep_memory()
    told, updates = False, updates_of(state, settings)
    while state.env_steps < state.schedule_end:
        if running.made_for != (source, settings.env):
            running.close()
        if not running.groups:
            running.groups, running.live = start(state, settings, source, ranks)
            running.goals = goals_for(settings, source, state)
            running.made_for = (source, settings.env)
            state.episodes.begin()
            state.discounted = None
        before = state.env_steps
        if updates is not None:
            metrics, running.live = off_policy.iterate(
                state, settings, running.groups, running.live, updates, on_rollout, running.goals
            )
        else:
            metrics, running.live = iterate(state, settings, running.groups, running.live, on_rollout, ranks)
        last = on_boundary is not None and state.env_steps >= state.schedule_end
        state.evaluation = {}
        if judge is not None and (last or crosses(before, state.env_steps, settings.evaluate_every)):
            started = time.perf_counter()
            state.evaluation = judge()
            metrics |= state.evaluation | {"time/evaluate_seconds": time.perf_counter() - started}
        yield metrics
        if on_boundary is not None and (last or crosses(before, state.env_steps, settings.checkpoint_every)):
            told = told or tell_of_cuts(state, settings, source)
            check_alike(state, ranks)
            on_boundary()
            running.close()  # afterwards: nothing is lost where that fails


def updates_of(state: TrainState, settings: Settings) -> SoftUpdates | None:
    """How it learns from kept transitions; none where it does not."""
    if not isinstance(settings.learning, SACOCSettings):
        return None
    return SoftUpdates(state.model, state.optimizer, settings.learning, settings.options)


def begin_together(state: TrainState, settings: Settings, source: Source, ranks: Ranks) -> None:
    """Raise InputError where so many ranks cannot share the training; say what it means if it was another number."""
    check_shared(settings, source, ranks.count)
    check_alike(state, ranks)
    if state.env_steps and state.ranks != ranks.count:
        warnings.warn(
            f"trained up to here by {counted(state.ranks)}, now by {counted(ranks.count)}: num_envs, minibatch_size "
            "and total_timesteps mean what they did; weights will be as good, but not to the last bit the same",
            stacklevel=3,
        )
    state.ranks = ranks.count


def counted(ranks: int) -> str:
    """So many processes, in words."""
    return "one process" if ranks == 1 else f"{ranks} ranks"


def check_alike(state: TrainState, ranks: Ranks) -> None:
    """Raise RunError unless all ranks hold the same weights, moments and generators, to the bit."""
    if ranks.is_alone:
        return
    first, *others = ranks.gather(state.fingerprint())
    for rank, other in enumerate(others, 1):
        if not torch.equal(first, other):
            raise RunError(
                f"rank {rank} holds other weights than rank 0 after {state.env_steps:,} steps; ranks need machines of "
                "one kind, with the same versions, and one folder that all of them read"
            )


def goals_for(settings: Settings, source: Source, state: TrainState) -> Goals | None:
    """What learning asks of goals in hindsight, if anything. Raises InputError where that cannot be had."""
    config = settings.learning
    wanted = isinstance(config, SACOCSettings) and config.hindsight > 0
    return goals_of(source, settings.env, state.spaces) if wanted else None


def crosses(before: int, after: int, every: int) -> bool:
    """Whether a multiple of `every` steps was reached; of 0 never."""
    return every > 0 and after // every > before // every


def tell_of_cuts(state: TrainState, settings: Settings, source: Source) -> bool:
    """Warn if a boundary cuts more episodes than had come to an end before it; whether it did."""
    begun = state.episodes.running.get("length", torch.zeros(0)) > 0
    cut, ended = int(begun.sum()), state.episodes.ended
    if cut <= ended or state.env_steps >= state.schedule_end:
        return False
    limit, num_envs = episode_limit(source, settings.env), settings.env.num_envs
    enough = f"at least {10 * limit * num_envs:,}" if limit else "at least ten times as much"
    warnings.warn(
        f"the checkpoint after {state.env_steps:,} steps cut {cut} episodes, and {ended} had ended before it: training "
        f"sees little but their beginnings. Raise checkpoint_every, now {settings.checkpoint_every:,}, to {enough}.",
        stacklevel=3,
    )
    return True


def start(
    state: TrainState, settings: Settings, source: Source | None = None, ranks: Ranks = ALONE
) -> tuple[list[VectorEnvs], list[Live]]:
    """Fresh environments, their seeds a hash of (seed, iteration), in their first states; those of this one of several
    `ranks`.

    Raises InputError where their spaces are no longer those that the agent was trained with.
    """
    seeds = env_seeds(settings.seed, state.iteration, settings.env.num_envs)
    source = source or known(Source(settings.env_id))
    own = seeds[ranks.share(len(seeds))]
    groups = make_groups(source, replace(settings.env, num_envs=len(own)), own)
    try:
        check_fit(state.spaces, groups[0].spaces, source.name)
        state.spaces = groups[0].spaces  # an older checkpoint may know less of them
        return groups, [Live(envs.reset(), Carry.start(envs.num_envs)) for envs in groups]
    except BaseException:
        abandon(groups)
        raise


def iterate(
    state: TrainState,
    settings: Settings,
    groups: Sequence[VectorEnvs],
    live: Sequence[Live],
    on_rollout: OnRollout = lambda _: None,
    ranks: Ranks = ALONE,
) -> tuple[Metrics, list[Live]]:
    """One iteration: rollout -> values -> targets -> improve -> metrics. What several `ranks` gathered is put together,
    and from there on is that of all environments."""
    algorithm, config, rules = ALGORITHMS[settings.algorithm], settings.learning, settings.options
    assert isinstance(config, PPOSettings)
    started = time.perf_counter()
    # small batches: more threads only fight with the simulator's; images are work enough for all
    threads = 1 if state.model.encoder is None else settings.torch_threads
    with compute_threads(threads, arrays=1), in_their_chance(groups):
        length, generators = config.rollout_length, state.generators
        colors = config.noise_colors(rules.num_options)
        noise = noise_for(groups, state.model, length, generators, ranks, colors)
        rollout, live = collect(groups, state.model, live, length, rules, generators, ranks, noise)
    collected = time.perf_counter()
    with compute_threads(settings.torch_threads):
        values = evaluate_rollout(state.model, rollout, rules)
        rollout, values = of_all(rollout, values, ranks)
        targets = algorithm.targets(rollout, values, config.at(state.left))
        state.set_rates(settings)
        batch = Batch.of(rollout, targets)
        shuffle, in_row = state.generators.batch, state.skipped_in_row
        objective = algorithm.objective(state.model, config, rules)
        learned, state.skipped_in_row = improve(
            objective, state.model, state.optimizer, batch, config, shuffle, in_row, ranks
        )
        if config.final_log_std is not None:
            state.quieten(settings.model.initial_log_std, config.final_log_std)
        update_normalisers(state, rollout, config.gamma)
    ended = time.perf_counter()
    seconds = Seconds(ended - started, collected - started, ended - collected)
    count(state, rollout, seconds)
    on_rollout(rollout)
    metrics = metrics_of(state, rollout, values.log_mu, rules, seconds)
    metrics["train/explained_variance"] = explained_variance(rollout, values, targets)
    metrics |= {name: float(value) for name, value in learned.items()}
    if not state.model.discrete:
        metrics["train/std"] = action_std(state.model.log_std)
        metrics["rollout/clipped_actions"] = clipped_actions(rollout, groups[0].spaces)
    return metrics, live
