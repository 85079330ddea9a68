"""Steps per second: the environments alone, with inference, with training, in alternating blocks.

The machine's speed drifts, so figures are ratios of neighbouring blocks. Training is the real thing:
the loop of `train` with metrics and checkpoints written to a run folder. Bodies in contact cost a simulator
more than bodies in free air, so an agent that learns to grasp is stepped more slowly than random actions
are: `replay` steps the very actions of the agent again, without the agent.
"""

from __future__ import annotations

import multiprocessing
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import numpy.typing as npt

from option_critic.envs.contract import env_seeds
from option_critic.envs.lookup import given
from option_critic.envs.make import in_their_chance, make_envs, spaces_of
from option_critic.envs.orphans import safe_path
from option_critic.errors import RunError
from option_critic.model.act import Generators
from option_critic.runs.run_folder import Run
from option_critic.settings import Settings
from option_critic.training.collect import collect
from option_critic.training.memory import held_at_most
from option_critic.training.state import TrainState
from option_critic.training.threads import compute_threads
from option_critic.training.train import Running, start, train

Block = Callable[[], int]
"""A piece of work; returns the environment steps that it took."""


@dataclass
class Speed:
    """Environment steps per second, one entry per block; reset rows do not count as steps."""

    bare: list[float] = field(default_factory=list)
    """Mean of the block before and the block after the others."""
    inference: list[float] = field(default_factory=list)
    train: list[float] = field(default_factory=list)
    replay: list[float] = field(default_factory=list)
    """Environments alone again, on the trajectories of the agent in training (before and after its block)."""
    simulate_share: float = 0.0
    """Share of the training's time in which the environments are waited for: with nothing else to do, training would
    be faster by one over this."""
    decide_share: float = 0.0
    """... that goes into the rest of collecting: decisions, and making a rollout of them."""
    improve_share: float = 0.0
    """... into targets and gradient steps. What is left is logs, checkpoints, new environments."""

    @property
    def train_over_bare(self) -> float:
        """Median over rounds of the ratio of neighbouring blocks."""
        return float(np.median(np.array(self.train) / np.array(self.bare)))

    @property
    def train_over_replay(self) -> float:
        """The same against the agent's own trajectories."""
        return float(np.median(np.array(self.train) / np.array(self.replay)))


def measure(
    settings: Sequence[Settings], seconds: float, rounds: int, on_block: Callable[[], None] = lambda: None
) -> list[Speed]:
    """One Speed for each of `settings`, from `rounds` times blocks of `seconds`: bare, inference, training, bare.

    All have their environments before the first block begins; training makes new ones at its checkpoints.
    """
    speeds = [Speed() for _ in settings]
    shares = np.zeros((len(settings), 3))
    spent = np.zeros(len(settings))
    with ExitStack() as stack:
        alone = stack.enter_context(bare(settings[0]))
        acting = [stack.enter_context(inference(s)) for s in settings]
        states = [TrainState.fresh(s, spaces_of(s.env_id, s.env)) for s in settings]
        learning = [
            stack.enter_context(training(s, state, share))
            for s, state, share in zip(settings, states, shares, strict=True)
        ]
        for block in learning:
            block()
        shares[:] = 0
        alone_before = rate(alone, seconds)[0]
        for _ in range(rounds):
            for k, speed in enumerate(speeds):
                speed.inference.append(rate(acting[k], seconds)[0])
                before = replay(settings[k], states[k])
                sps, took = rate(learning[k], seconds)
                speed.train.append(sps)
                speed.replay.append((before + replay(settings[k], states[k])) / 2)
                spent[k] += took
                alone_after = rate(alone, seconds)[0]
                speed.bare.append((alone_before + alone_after) / 2)
                alone_before = alone_after
                on_block()
    for speed, part in zip(speeds, shares / spent[:, None], strict=True):
        speed.simulate_share, speed.decide_share, speed.improve_share = part.tolist()
    return speeds


@contextmanager
def bare(settings: Settings) -> Iterator[Block]:
    """Environments alone: one group, an action drawn beforehand for every step, resets included."""
    length, num_envs, times = settings.learning.rollout_length, settings.env.num_envs, settings.env.action_repeat
    settings = settings.override(action_repeat=1)
    envs = make_envs(given(settings.env_id), settings.env, env_seeds(settings.seed, 0, num_envs))
    actions = envs.spaces.to_env(envs.spaces.random_actions(np.random.default_rng(0), (length, num_envs)))
    envs.reset()

    def block() -> int:
        with envs.chance:
            return sum(int(envs.step(a).valid.sum()) for _ in range(times) for a in actions)

    try:
        yield block
    finally:
        envs.close()


@contextmanager
def inference(settings: Settings) -> Iterator[Block]:
    """Rollouts of an untrained agent, nothing learned."""
    state = TrainState.fresh(settings, spaces_of(settings.env_id, settings.env))
    groups, live = start(state, settings, given(settings.env_id))

    def block() -> int:
        nonlocal live
        with compute_threads(1), in_their_chance(groups):
            rollout, live = collect(
                groups, state.model, live, settings.learning.rollout_length, settings.options, state.generators
            )
        return rollout.env_steps

    try:
        yield block
    finally:
        for envs in groups:
            envs.close()


@contextmanager
def training(settings: Settings, state: TrainState, shares: npt.NDArray[np.float64]) -> Iterator[Block]:
    """The real training of `state`, in a run folder of its own.

    Seconds of simulating, deciding and improving add up in `shares` [3].
    """
    state.schedule_end = 10**9  # so that no schedule ends before the measurement
    spaces = spaces_of(settings.env_id, settings.env)
    with tempfile.TemporaryDirectory() as folder:
        run = Run(Path(folder) / "run", settings, spaces)

        def on_boundary() -> None:
            run.checkpoint(state)

        with closing(run), closing(Running()) as running:
            iterations = train(state, settings, running, on_boundary, source=given(settings.env_id))

            def block() -> int:
                before = state.env_steps
                metrics = next(iterations)
                run.log(metrics)
                waited, collecting = metrics["time/env_seconds"], metrics["time/collect_seconds"]
                shares[:] += waited, collecting - waited, metrics["time/improve_seconds"]
                return state.env_steps - before

            yield block


def replay(settings: Settings, state: TrainState, rollouts: int = 3) -> float:
    """Steps per second of the environments alone, with the actions that the agent takes now in the same episodes."""
    length, settings = settings.learning.rollout_length, settings.override(env_groups=1)
    groups, live = start(state, settings, given(settings.env_id))
    steps, actions = 0, []
    for _ in range(rollouts):
        with compute_threads(1), in_their_chance(groups):
            rollout, live = collect(groups, state.model, live, length, settings.options, Generators.seeded(0))
        actions += list(rollout.decision.action.cpu().numpy())
        steps += rollout.env_steps
    groups[0].close()
    (envs,), _ = start(state, settings, given(settings.env_id))  # the same seeds again
    started = time.perf_counter()
    with envs.chance:
        for action in actions:
            envs.step(envs.spaces.to_env(action))
    took = time.perf_counter() - started
    envs.close()
    return steps / took


def peak_memory(settings: Settings) -> float:
    """GiB that a training of its own holds at most, environments made anew included."""
    context = multiprocessing.get_context("spawn")
    try:
        ours, theirs = context.Pipe()
        with theirs, safe_path():
            process = context.Process(target=short_training, args=(settings, theirs))
            process.start()
        peak: float = ours.recv()
    except (OSError, EOFError) as error:
        raise RunError(
            f"the process that measures memory ended early, or could not be started ({error}); "
            "free some memory, or train these settings to see why"
        ) from error
    process.join()
    return peak


def short_training(settings: Settings, connection: Connection) -> None:
    """Three iterations with a checkpoint after each; sends the peak of this process."""
    settings = settings.override(checkpoint_every=1)
    state = TrainState.fresh(settings, spaces_of(settings.env_id, settings.env))
    with training(settings, state, np.zeros(3)) as block:
        for _ in range(3):
            block()
    connection.send(held_at_most())


def rate(block: Block, seconds: float) -> tuple[float, float]:
    """(steps per second of repeating `block` for at least `seconds`, the seconds it took)."""
    steps, started = 0, time.perf_counter()
    while (took := time.perf_counter() - started) < seconds:
        steps += block()
    return steps / took, took
