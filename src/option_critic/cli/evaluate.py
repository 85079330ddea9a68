"""The verb `evaluate`: figures with intervals, in a table and in evaluation.json."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from option_critic.agent import OptionCritic
from option_critic.cli.counting import counting
from option_critic.cli.printing import print_timeline
from option_critic.envs.metaworld import tasks_of
from option_critic.envs.settings import SUCCESS_ONLY
from option_critic.errors import InputError
from option_critic.evaluation import evaluate as evaluation
from option_critic.evaluation.labels import cell, labels
from option_critic.evaluation.limits import Effort
from option_critic.evaluation.metaworld_protocol import steps_to_success
from option_critic.evaluation.trace import Trace
from option_critic.legible import visible
from option_critic.loading import load
from option_critic.options.look import letters
from option_critic.options.timeline import Episode
from option_critic.runs.files import (
    FORMAT_VERSION,
    MAX_EVALUATION,
    check_format,
    emit,
    encoded,
    read_json,
    write_json,
    writing,
)
from option_critic.runs.locks import figures
from option_critic.runs.paths import CheckpointError, RunPath
from option_critic.runs.run_folder import versions
from option_critic.terminal import Terminal, say


def evaluate_run(
    path: RunPath,
    checkpoint: RunPath,
    goals: Sequence[str],
    modes: Sequence[str],
    effort: Effort,
    json_path: Path | None,
    options_from: str | None = None,
    env: str | None = None,
) -> None:
    """Evaluate a checkpoint of the run `path`, print the table, keep evaluation.json and the traces there."""
    agent = load(checkpoint, options_from=options_from, env=env)
    read_evaluation(path)  # is there anything to add to?
    with counting(evaluation.num_episodes_of(agent, goals, modes, effort.episodes)) as on_step:
        results = evaluation.evaluate(
            agent, goals, modes, effort.episodes, effort.workers, on_step, effort.max_episode_steps
        )
    step = agent.num_timesteps
    with figures(path), writing(path):
        record = keep(path, agent, step, results)
    if json_path != Path("-"):
        success_only = agent.settings.env.reward == "success"
        title = f"{agent.settings.env_id}, {step:,} training steps" + (f", {SUCCESS_ONLY}" if success_only else "")
        print_results(title, results, success_only)
        for result in results:
            print_tasks(result, agent.option_names)
            print_timeline(*typical(result, agent.option_names))
        say(f"kept in {path / 'evaluation.json'}")
    emit(json_path, record)


def read_evaluation(path: RunPath) -> dict[str, Any]:
    """What evaluation.json holds so far. Raises CheckpointError if it is damaged, before any work is done."""
    file = path / "evaluation.json"
    if file.kind() == "none":
        return {"format_version": FORMAT_VERSION, "results": {}}
    record = read_json(file, MAX_EVALUATION)
    check_format(file, record)
    if not isinstance(record.get("results"), dict):
        raise CheckpointError(f"{file} is damaged: it holds no results. Move it away and evaluate again.")
    return record


def keep(path: RunPath, agent: OptionCritic, step: int, results: Sequence[evaluation.Result]) -> dict[str, Any]:
    """Add results to what evaluation.json holds now (an equal set, mode and step is replaced), write their traces."""
    record = read_evaluation(path)
    record |= {"env_id": agent.settings.env_id, "option_names": list(agent.option_names), "versions": versions()}
    record["training_reward"] = agent.settings.env.reward
    official = bool(tasks_of(agent.settings.env_id))
    for result in results:
        name = f"{step:012d}-{result.name}-{result.mode}"
        trace = path / "traces" / f"{name}.safetensors"
        meta = {"env_id": agent.settings.env_id, "option_names": list(agent.option_names), "step": step}
        result.trace.save(trace, meta | {"goals": result.name, "mode": result.mode})
        record["results"][name] = {
            "training_steps": step,
            "goals": result.name,
            "mode": result.mode,
            "horizon": "500 steps, official package, goal observable" if official else horizon(result.trace),
            "summary": {n: e.to_dict() if e else None for n, e in result.summary.items()},
            **({"tasks": {t: figures.to_dict() for t, figures in result.tasks.items()}} if result.tasks else {}),
            "episodes": result.episodes,
            "trace": f"traces/{trace.name}",
        }
    if (size := len(encoded(record))) > MAX_EVALUATION:
        raise InputError(
            f"{path / 'evaluation.json'} would grow to {size >> 20} MB, more than is read again; move it away and "
            "judge anew (the traces of what was judged stay)"
        )
    write_json(path / "evaluation.json", record)
    return record


def horizon(trace: Trace) -> str:
    """How long episodes were that have no length of their own."""
    count, steps = evaluation.cuts(trace)
    return f"full episodes, but {count} of {len(trace.length)} cut at {steps:,} steps" if count else "full episodes"


def print_results(title: str, results: Sequence[evaluation.Result], success_only: bool = False) -> None:
    """A column per goal set and mode, two side by side (80 columns), 95 % intervals in brackets.

    `success_only`: training was paid otherwise than what these returns are made of.
    """
    say(title)
    if results and results[0].tasks:
        say(f"means over {len(results[0].tasks)} tasks, intervals over them")
    for pair in (results[i : i + 2] for i in range(0, len(results), 2)):
        table = Table()
        table.add_column("95 % intervals")
        for r in pair:
            table.add_column(f"{r.name} {r.mode}\n{len(r.episodes)} episodes", justify="right")
        for name in pair[0].summary:
            table.add_row(labels(success_only)[name], *(cell(name, r.summary[name]) for r in pair))
        cut = [evaluation.cuts(r.trace) for r in pair]
        if any(count for count, _ in cut):
            table.add_row(
                f"cut at {max(steps for _, steps in cut):,} steps", *(f"{count:,} episodes" for count, _ in cut)
            )
        Terminal().print(table)


def print_tasks(result: evaluation.Result, names: Sequence[str]) -> None:
    """A row for each of several tasks: success, and which option serves which task."""
    if not result.tasks:
        return
    terminal, rates = Terminal(), {"any": "any-step", "held": "held", "final": "final"}
    taken = sum(len(text) + AROUND for text in (max(result.tasks, key=len), *rates.values())) + 1
    heads = heads_of(names, terminal.width - taken)
    table = Table(title=f"{result.name} {result.mode}", title_justify="left")
    table.add_column("task", overflow="fold")  # names that were cut would be the same
    for head in (*rates.values(), *heads):
        table.add_column(head, justify="right")
    for task, found in result.tasks.items():
        values = [found.summary.get(name) for name in rates]
        table.add_row(task, *("-" if x is None else f"{x.value:.2f}" for x in values),
                      *(f"{found.shares[name]:.0%}" for name in heads.values()))  # fmt: skip
    terminal.print(table)
    if heads:
        say("shares of the options: of the steps up to the first success and ten more")
        say(*textwrap.wrap(", ".join(f"{head} {name}" for head, name in heads.items() if head != visible(name)), 80))


AROUND = 3
"""Characters between the texts of two columns of a table."""


def heads_of(names: Sequence[str], room: int) -> dict[str, str]:
    """Head of a column -> option: their names, or letters where those do not fit into so many characters, or none.
    evaluation.json has all."""
    for heads in (map(visible, names), letters(names)):
        found = dict(zip(heads, names, strict=True))
        if 1 < len(found) == len(names) and sum(max(len(head), len("100%")) + AROUND for head in found) <= room:
            return found
    return {}


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
    if result.tasks:
        which += f", {result.episodes[e]['task']}"
    kind = result.mode if result.name == "episodes" else f"goals {result.name} {result.mode}"
    return episode, f"{kind}, episode {e}{which}"
