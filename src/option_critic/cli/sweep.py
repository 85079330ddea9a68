"""The verb `sweep`: many trainings, each then judged, side by side on this machine or on others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import tyro

from option_critic.cli.engines import EngineArgs, engine_of
from option_critic.cli.flags import parse
from option_critic.cli.signals import Interrupt, ended
from option_critic.envs.metaworld import tasks_of
from option_critic.evaluation.limits import MAX_EPISODE_STEPS, Effort
from option_critic.runs.files import check_writable
from option_critic.runs.paths import RunPath
from option_critic.settings import Settings
from option_critic.sweeps.index import begin, entry, is_done, keep
from option_critic.sweeps.jobs import Engine, Job, Outcome, work_through
from option_critic.sweeps.plan import Evaluation, PlannedRun, read_plan

if TYPE_CHECKING:
    from option_critic.cli.sweep_display import SweepDisplay


@dataclass
class SweepArgs(EngineArgs):
    """Train many agents and judge each: every target with every seed and all settings of a file. What was stopped goes
    on with the same command, what is done is left alone, and several commands may share one folder."""

    experiment: tyro.conf.Positional[Path]
    """A TOML file (targets, seeds, settings, variants, grid, evaluation: docs/scale.md), from which nothing is
    imported, or a .py file of your own that defines RUNS."""
    out: Path | None = None
    """Folder of the sweep: OUT/<name>/<target>/seed-<n>, and sweep.json. Default: runs/<experiment>."""


def sweep(argv: Sequence[str]) -> int:
    """`option-critic sweep EXPERIMENT`."""
    args = parse(SweepArgs, "sweep", argv)
    runs = read_plan(args.experiment)
    out = RunPath.of(args.out or Path("runs") / args.experiment.stem)
    check_writable(out.base)
    check_there(runs, out)
    return run_all(runs, out, engine_of(args, out))


def check_there(runs: Sequence[PlannedRun], out: RunPath) -> None:
    """Raise InputError for a run that is there with other settings."""
    from option_critic.runs.inventory import position

    there = [run for run in runs if position(run.folder(out)) is not None]
    if there:
        from option_critic.cli.train import check_same  # late, with PyTorch: bad input is answered at once

        for run in there:
            check_same(run.folder(out), run.resolved())


def run_all(runs: Sequence[PlannedRun], out: RunPath, engine: Engine) -> int:
    """Do what is not done; the exit code."""
    from option_critic.cli.sweep_display import SweepDisplay

    begin(out, runs)
    left = {run.folder(out): run for run in runs if not is_done(run, out)}
    jobs = [Job(folder, partial(finish, run, out)) for folder, run in left.items()]
    display = SweepDisplay(out, runs, done=len(runs) - len(left))
    with Interrupt() as interrupt:
        code = ended(interrupt, lambda: follow(jobs, engine, left, out, display))
    display.close()
    return code or int(bool(display.failed))


def follow(
    jobs: Sequence[Job], engine: Engine, left: dict[RunPath, PlannedRun], out: RunPath, display: SweepDisplay
) -> None:
    """Until all have ended. Keeps in the index what became of each."""

    def became(job: Job, outcome: Outcome) -> None:
        run = left[job.place]
        if outcome.became != "elsewhere":  # who is at it says what becomes of it
            keep(out, lambda _: {run.place: entry(run, out, outcome.became, outcome.reason)})
        display.ended(run, outcome)

    try:
        with display, engine:
            for some in work_through(jobs, engine):
                for job, outcome in some:
                    became(job, outcome)
                display.show([left[job.place] for job in engine.running()])
    finally:
        for job, outcome in engine.stopped:
            became(job, outcome)


def check_judged(settings: Settings, judged: Evaluation) -> None:
    """Raise InputError, before anything is trained, for what could not be judged here afterwards."""
    from option_critic.agent import OptionCritic
    from option_critic.evaluation.evaluate import check_official, plain_limits

    if tasks_of(settings.env_id):
        check_official()
    else:
        plain_limits(OptionCritic.from_settings(settings), judged.episodes, MAX_EPISODE_STEPS)


def finish(run: PlannedRun, out: RunPath) -> int:
    """Train a run as far as it is not, and judge it; the exit code. It prints what `train` and `evaluate` do."""
    from option_critic.cli.evaluate import evaluate_run
    from option_critic.cli.train import train_seeds
    from option_critic.runs.inventory import find

    folder, settings = run.folder(out), run.resolved()
    parent = folder.base.joinpath(*folder.parts[:-1])  # on other machines the working directory is another one
    own = settings.env_id if ":" in settings.env_id else None

    def work() -> None:
        if run.evaluation is not None:
            check_judged(settings, run.evaluation)
        train_seeds(settings, [run.seed], parent, False, True, interrupt.on_iteration)
        if run.evaluation is not None and interrupt.received is None and not is_done(run, out):
            effort = Effort(run.evaluation.episodes)
            evaluate_run(folder, find(folder), run.evaluation.sets, run.evaluation.modes, effort, None, env=own)

    with Interrupt() as interrupt:
        return ended(interrupt, work)
