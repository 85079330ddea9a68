"""What the verbs do, and the tables they print."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from option_critic.agent import OptionCritic, load
from option_critic.agent import resume as go_on_with
from option_critic.disk import check_writable, emit, write_json, writing
from option_critic.envs.metaworld import task_of
from option_critic.errors import InputError
from option_critic.evaluation import evaluate as evaluation
from option_critic.evaluation.bench import measure, peak_memory
from option_critic.evaluation.metaworld import steps_to_success
from option_critic.evaluation.words import LABELS, cell
from option_critic.options.timeline import Episode, timeline
from option_critic.settings import Settings
from option_critic.training.boundaries import position, read_config
from option_critic.training.folders import FORMAT_VERSION, CheckpointError, check_format, find, read_json
from option_critic.training.run import check_free, versions
from option_critic.training.train import Metrics

OnIteration = Callable[[OptionCritic, Path], bool]
"""Called with the agent and its run folder after each iteration; False stops."""


def train(
    settings: Settings, seeds: Sequence[int], root: Path, overwrite: bool, go_on: bool, on_iteration: OnIteration
) -> None:
    """Train one agent per seed, each into a run folder of its own under `root`; `go_on` with those there are."""
    folders = {seed: root / f"seed-{seed}" for seed in seeds}
    for seed, folder in folders.items():
        if go_on and position(folder) is not None:
            check_same(folder, settings.override(seed=seed))
        else:
            check_free(folder, overwrite)
        check_writable(folder)
    for seed, folder in folders.items():
        if go_on and position(folder) is not None:
            resume([folder], on_iteration)
            continue
        agent = OptionCritic.from_settings(settings.override(seed=seed))
        print(header(agent, folder), flush=True)
        with saying(folder):
            agent.learn(callback=partial(telling, on_iteration, folder), run_folder=folder,
                        overwrite=overwrite, progress=True)  # fmt: skip
        done(agent, folder)


def resume(folders: Sequence[Path], on_iteration: OnIteration, options_from: str | None = None) -> None:
    """Go on with each run that is not finished."""
    for folder in folders:
        steps, total = position(folder) or (0, 0)
        if steps < total:
            print(f"{folder}: going on at {steps:,} of {total:,} steps", flush=True)
        with saying(folder):
            agent = go_on_with(folder, partial(telling, on_iteration, folder), progress=True, options_from=options_from)
        done(agent, folder)


def telling(on_iteration: OnIteration, folder: Path, agent: OptionCritic, _: Metrics) -> bool:
    """A callback of `learn` that also tells the run folder."""
    return on_iteration(agent, folder)


@contextmanager
def saying(folder: Path) -> Iterator[None]:
    """Say where an interrupted training was saved, and how to go on."""
    try:
        yield
    except KeyboardInterrupt:
        saved = folder / "checkpoints" / "interrupted"
        if saved.exists():
            print(f"\nstopped; saved {saved}\nto go on: option-critic resume {folder}{naming(folder)}", file=sys.stderr)
        raise


def done(agent: OptionCritic, folder: Path) -> None:
    """The last lines of a training; nothing is to be seen of one that was finished before."""
    if (seen := agent.glimpse.episode) is not None:
        seen = replace(seen, unit="step" if agent.settings.env.action_repeat == 1 else "decision")
        print_timeline(seen, "a training episode" if seen.begins and seen.ends else "part of a training episode")
    print(f"{agent.num_timesteps:,} steps in {agent.state.elapsed:.0f} s; saved {find(folder)}", flush=True)
    print(f"next: option-critic evaluate {folder}{naming(folder)}")


def naming(folder: Path) -> str:
    """The flags that name the user's own modules: no command finds them through the run alone."""
    settings = Settings.from_dict(read_config(folder)["settings"])
    named = {"env": settings.env_id, "options-from": settings.options.options_from}
    return "".join(f" --{flag} {value}" for flag, value in named.items() if ":" in value)


def check_same(folder: Path, settings: Settings) -> None:
    """Raise InputError, naming the first difference, unless the run in `folder` has these settings."""
    there, wanted = Settings.from_dict(read_config(folder)["settings"]).to_dict(), settings.to_dict()
    for part, value in wanted.items():
        pairs = value.items() if isinstance(value, dict) else [(part, value)]
        for name, new in pairs:
            old = there[part][name] if isinstance(value, dict) else there[part]
            if old != new:
                raise InputError(
                    f"{folder} was started with {name} {old}, now it is {new}: take the old value to go on, "
                    "another --out, or --overwrite without --resume"
                )


def header(agent: OptionCritic, folder: Path) -> str:
    """What is about to happen, in three lines."""
    s = agent.settings
    threads = f"{s.env.env_threads or 'all'} env threads, {s.torch_threads or 'all'} update threads"
    return (
        f"{s.env_id}  {s.algorithm}, {s.options.num_options} options, seed {s.seed}, {s.total_timesteps:,} steps\n"
        f"{s.env.num_envs} environments, {threads}, {agent.state.model.log_std.device} -> {folder}\n"
        f"checkpoints every {s.checkpoint_every:,} steps, where environments are made anew, with all they keep"
    )


def evaluate(
    path: Path,
    checkpoint: Path,
    goals: Sequence[str],
    modes: Sequence[str],
    num_episodes: int,
    workers: int,
    json_path: Path | None,
    options_from: str | None = None,
) -> None:
    """Evaluate a checkpoint of the run `path`, print the table, keep evaluation.json and the traces there."""
    agent = load(checkpoint, options_from=options_from)
    record = read_evaluation(path)
    total = evaluation.num_episodes_of(agent, goals, modes, num_episodes)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("episodes", total=total)
        results = evaluation.evaluate(agent, goals, modes, num_episodes, workers, lambda: progress.advance(bar))
    step = agent.num_timesteps
    with writing(path):
        keep(record, path, agent, step, results)
    if json_path != Path("-"):
        print_results(f"{agent.settings.env_id}, {step:,} training steps", results)
        for result in results:
            print_timeline(*typical(result, agent.option_names))
        print(f"kept in {path / 'evaluation.json'}")
    emit(json_path, record)


def read_evaluation(path: Path) -> dict[str, Any]:
    """What evaluation.json holds so far. Raises CheckpointError if it is damaged, before any work is done."""
    file = path / "evaluation.json"
    if not file.exists():
        return {"format_version": FORMAT_VERSION, "results": {}}
    record = read_json(file)
    check_format(file, record)
    if not isinstance(record.get("results"), dict):
        raise CheckpointError(f"{file} is damaged: it holds no results. Move it away and evaluate again.")
    return record


def keep(
    record: dict[str, Any], path: Path, agent: OptionCritic, step: int, results: Sequence[evaluation.Result]
) -> None:
    """Add results to evaluation.json (an equal set, mode and step is replaced) and write their traces."""
    record |= {"env_id": agent.settings.env_id, "option_names": list(agent.option_names), "versions": versions()}
    horizon = "500 steps, official package, goal observable" if task_of(agent.settings.env_id) else "full episodes"
    for result in results:
        name = f"{step:012d}-{result.name}-{result.mode}"
        trace = path / "traces" / f"{name}.safetensors"
        meta = {"env_id": agent.settings.env_id, "option_names": list(agent.option_names), "step": step}
        result.trace.save(trace, meta | {"goals": result.name, "mode": result.mode})
        record["results"][name] = {
            "training_steps": step,
            "goals": result.name,
            "mode": result.mode,
            "horizon": horizon,
            "summary": {n: e.to_dict() if e else None for n, e in result.summary.items()},
            "episodes": result.episodes,
            "trace": str(trace.relative_to(path)),
        }
    write_json(path / "evaluation.json", record)


def print_results(title: str, results: Sequence[evaluation.Result]) -> None:
    """A column per goal set and mode, two side by side (80 columns), 95 % intervals in brackets."""
    print(title)
    for pair in (results[i : i + 2] for i in range(0, len(results), 2)):
        table = Table()
        table.add_column("95 % intervals")
        for r in pair:
            table.add_column(f"{r.name} {r.mode}\n{len(r.episodes)} episodes", justify="right")
        for name in pair[0].summary:
            table.add_row(LABELS[name], *(cell(name, r.summary[name]) for r in pair))
        Console().print(table)


def typical(result: evaluation.Result, names: tuple[str, ...]) -> tuple[Episode, str]:
    """The episode with the median number of steps to success, or the first where none succeeded; and its title."""
    trace, e, which = result.trace, 0, ""
    if "success" in trace.info:
        first = steps_to_success(trace)
        if succeeded := int(np.isfinite(first).sum()):
            e, which = int(np.argsort(first, kind="stable")[(succeeded - 1) // 2]), " (the median)"  # NaN comes last
    rows = e, slice(0, int(trace.length[e]))
    success = trace.info["success"][rows] > 0 if "success" in trace.info else None
    episode = Episode(names, trace.option[rows], trace.ended[rows], trace.forced[rows], trace.beta[rows], success)
    kind = result.mode if result.name == "episodes" else f"goals {result.name} {result.mode}"
    return episode, f"{kind}, episode {e}{which}"


def print_timeline(episode: Episode, title: str) -> None:
    """Coloured in a terminal, plain elsewhere."""
    console = Console()
    for line in timeline(episode, title):
        console.print(line, soft_wrap=True)


def bench(settings: Settings, num_options: Sequence[int], seconds: float, rounds: int, json_path: Path | None) -> None:
    """Measure and print speeds as rates and as shares of bare stepping."""
    variants = [settings.override(num_options=k) for k in num_options]
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        bar = progress.add_task("measuring", total=rounds * len(variants))
        # first the memory: a new process starts from the peak of the one that made it
        memory = {k: peak_memory(s) for k, s in zip(num_options, variants, strict=True)}
        speeds = dict(zip(num_options, measure(variants, seconds, rounds, lambda: progress.advance(bar)), strict=True))
    record = {
        "env_id": settings.env_id,
        "seconds": seconds,
        "bare_sps": float(np.median([x for s in speeds.values() for x in s.bare])),
        "inference_sps": {str(k): float(np.median(s.inference)) for k, s in speeds.items()},
        "train_sps": {str(k): float(np.median(s.train)) for k, s in speeds.items()},
        "train_over_bare": {str(k): s.train_over_bare for k, s in speeds.items()},
        "train_over_replay": {str(k): s.train_over_replay for k, s in speeds.items()},
        "peak_memory_gib": {str(k): x for k, x in memory.items()},
        "blocks": {str(k): asdict(s) for k, s in speeds.items()},
        "versions": versions(),
    }
    if json_path != Path("-"):
        print(f"{settings.env_id}, steps per second: medians of {rounds} alternating blocks of {seconds:g} s")
        table = Table(padding=(0, 1, 0, 0))
        for name in ("K", "bare", "+ infer", "+ train", "/ bare", "/ replay", "sim", "act", "learn", "GiB"):
            table.add_column(name, justify="right")
        for k, s in speeds.items():
            rates = (f"{np.median(x):,.0f}" for x in (s.bare, s.inference, s.train))
            shares = (f"{x:.0%}" for x in (s.simulate_share, s.decide_share, s.improve_share))
            table.add_row(
                str(k), *rates, f"{s.train_over_bare:.2f}", f"{s.train_over_replay:.2f}", *shares, f"{memory[k]:.2f}"
            )
        Console().print(table)
    emit(json_path, record)
