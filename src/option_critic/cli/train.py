"""The verbs `train` and `resume`: trainings in run folders, one after the other."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from option_critic.agent import OptionCritic
from option_critic.cli.list import judged
from option_critic.cli.printing import print_timeline, what_they_are
from option_critic.cli.track import tracking
from option_critic.envs.make import resolve_backend
from option_critic.envs.metaworld import tasks_of
from option_critic.envs.settings import SUCCESS_ONLY
from option_critic.errors import InputError
from option_critic.loading import as_begun, references, with_skills
from option_critic.loading import resume as go_on_with
from option_critic.ranks.ranks import ALONE, Ranks
from option_critic.runs.files import check_writable
from option_critic.runs.inventory import config_of, find, position, read_config
from option_critic.runs.paths import RunPath
from option_critic.runs.run_folder import check_free
from option_critic.settings import Settings
from option_critic.terminal import say
from option_critic.trackers import Kind
from option_critic.training.train import Metrics

OnIteration = Callable[[OptionCritic, RunPath], bool]
"""Called with the agent and its run folder after each iteration; False stops."""


def train_seeds(
    settings: Settings,
    seeds: Sequence[int],
    root: Path,
    overwrite: bool,
    go_on: bool,
    on_iteration: OnIteration,
    track: Kind | None = None,
    ranks: Ranks = ALONE,
) -> None:
    """Train one agent per seed, each into a run folder of its own under `root`; `go_on` with those there are. `track`:
    the tracker that is told; `ranks`: the processes that do so together."""
    folders = {seed: RunPath.of(root / f"seed-{seed}") for seed in seeds}
    for seed, folder in folders.items():
        if go_on and position(folder) is not None:
            check_same(folder, settings.override(seed=seed))
        else:
            check_free(folder, overwrite)
        check_writable(folder.base)
    for seed, folder in folders.items():
        if go_on and position(folder) is not None:
            resume_runs([folder], on_iteration, env=settings.env_id, track=track, ranks=ranks)
            continue
        agent = OptionCritic.from_settings(settings.override(seed=seed))
        if not ranks.is_first:
            agent.learn(run_folder=folder, ranks=ranks)
            continue
        say(*header(agent, folder, ranks.count))
        with saying(folder), tracking(track, agent.settings, folder) as told:
            agent.learn(callback=[partial(telling, on_iteration, folder), *told], run_folder=folder,
                        overwrite=overwrite, progress=True, ranks=ranks)  # fmt: skip
            check_whole(agent)
        done(agent, folder)


def resume_runs(
    folders: Sequence[RunPath],
    on_iteration: OnIteration,
    options_from: str | None = None,
    env: str | None = None,
    track: Kind | None = None,
    ranks: Ranks = ALONE,
) -> None:
    """Go on with each run that is not finished."""
    for folder in folders:
        if not ranks.is_first:
            go_on_with(folder, options_from=options_from, env=env, ranks=ranks)
            continue
        steps, total = position(folder) or (0, 0)
        if steps < total:
            say(f"{folder}: going on at {steps:,} of {total:,} steps")
        settings = config_of(folder).get("settings", {})
        with saying(folder, env), tracking(track if steps < total else None, settings, folder) as told:
            agent = go_on_with(folder, [partial(telling, on_iteration, folder), *told], progress=True,
                               options_from=options_from, env=env, ranks=ranks)  # fmt: skip
            check_whole(agent)
        done(agent, folder, env)


def check_whole(agent: OptionCritic) -> None:
    """Raise KeyboardInterrupt where `on_iteration` ended the training: for a signal that somebody else's code took."""
    if agent.state.env_steps < agent.state.schedule_end:
        raise KeyboardInterrupt


def telling(on_iteration: OnIteration, folder: RunPath, agent: OptionCritic, _: Metrics) -> bool:
    """A callback of `learn` that also tells the run folder."""
    return on_iteration(agent, folder)


@contextmanager
def saying(folder: RunPath, env: str | None = None) -> Iterator[None]:
    """Say where an interrupted training was saved, and how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        saved = folder / "checkpoints" / "interrupted"
        if saved.is_folder():
            flags = ""
            with suppress(InputError, KeyError):  # it may be of before, and damaged
                flags = naming(with_skills(saved, Settings.from_dict(config_of(saved)["settings"])), env)
            go_on = f"option-critic resume {folder}{flags}"
            say("", f"stopped; saved {saved}", f"to go on: {go_on}", error=True)
        raise


def done(agent: OptionCritic, folder: RunPath, env: str | None = None) -> None:
    """The last lines of a training; nothing is to be seen of one that was finished before."""
    if (seen := agent.watch.episode) is not None:
        seen = replace(seen, unit="step" if agent.settings.env.action_repeat == 1 else "decision")
        print_timeline(seen, "a training episode" if seen.begins and seen.ends else "part of a training episode")
    for line in tasks_in_training(agent):
        say(line)
    say(f"{agent.num_timesteps:,} steps in {agent.state.elapsed:.0f} s; saved {find(folder)}{judged(folder)}")
    say(f"next: option-critic evaluate {folder}{naming(agent.settings, env)}")


def tasks_in_training(agent: OptionCritic) -> list[str]:
    """Success in training of each of several tasks, the weakest first; nothing of one alone."""
    tasks, found = agent.spaces.tasks, agent.state.episodes.by_task(agent.spaces.tasks)
    rates = {task: rate for task in tasks if (rate := found.get(f"task/{task}/success_any_rate")) is not None}
    told = [f"{task} {rate:.0%}" for task, rate in sorted(rates.items(), key=lambda item: item[1])]
    return textwrap.wrap(f"any-step success in training: {', '.join(told)}", 78, subsequent_indent="  ",
                         break_on_hyphens=False) if told else []  # fmt: skip


def naming(settings: Settings, env: str | None = None) -> str:
    """The flags that name the user's own modules: no command finds them through the run alone. `env`: as it was named
    in this command."""
    modules = {text.partition(":")[0]: text for text in references(settings) if ":" in text}  # one name of each will do
    named = {
        "env": env or settings.env_id,
        "options-from": ",".join(modules.values()),
        "encoder": settings.model.encoder,
    }
    return "".join(f" --{flag} {value}" for flag, value in named.items() if ":" in value)


def check_same(folder: RunPath, settings: Settings) -> None:
    """Raise InputError, naming the first difference, unless the run in `folder` has these settings. A backend that is
    left to us is that of the run, and so is a burn-in that comes to the same."""
    begun = as_begun(Settings.from_dict(read_config(folder)["settings"]))
    if settings.env.backend == "auto":
        settings = settings.override(backend=begun.env.backend)
    if {settings.learning.burn_in, begun.learning.burn_in} <= {None, settings.override(burn_in=None).burnt_in(0)}:
        settings = settings.override(burn_in=begun.learning.burn_in)
    there, wanted = begun.to_dict(), settings.to_dict()
    for part, value in wanted.items():
        pairs = value.items() if isinstance(value, dict) else [(part, value)]
        for name, new in pairs:
            old = there[part][name] if isinstance(value, dict) else there[part]
            if old != new:
                raise InputError(
                    f"{folder} was started with {name} {old}, now it is {new}: take the old value to go on, "
                    "another --out, or --overwrite without --resume"
                )


def header(agent: OptionCritic, folder: RunPath, ranks: int = 1) -> tuple[str, ...]:
    """What is about to happen, in a few lines."""
    s = agent.settings
    alone = s.burnt_in(agent.num_timesteps) - agent.num_timesteps
    threads = f"{s.env.env_threads or 'all'} env threads, {s.torch_threads or 'all'} update threads"
    episodes = f"judged on {s.evaluate_episodes:,} episode{'s' * (s.evaluate_episodes > 1)} of its own"
    pooled = ", EnvPool" if not tasks_of(s.env_id) and resolve_backend(s.env_id, s.env) == "envpool" else ""
    return (
        f"{s.env_id}  {s.algorithm}, {s.options.num_options} options, seed {s.seed}, {s.total_timesteps:,} steps",
        *what_they_are(s.options),
        f"{s.env.num_envs} environments{pooled}, {threads}, {agent.state.model.log_std.device} -> {folder}",
        *([f"{ranks} ranks, each with {s.env.num_envs // ranks} of the environments"] if ranks > 1 else []),
        *([f"the critic learns alone for the first {alone:,} steps (burn_in)"] if alone > 0 else []),
        *([f"{SUCCESS_ONLY}: returns of training count steps in success"] if s.env.reward == "success" else []),
        f"every {s.checkpoint_every:,} steps a checkpoint; environments and what they keep begin anew",
        *([f"every {s.evaluate_every:,} steps {episodes}"] if s.evaluate_every else []),
    )
