"""The command line: a thin caller of `OptionCritic` and the evaluation.

Exit codes: 0 done, 1 failed, 2 bad input, 129, 130 or 143 interrupted (the terminal closed, Ctrl-C, SIGTERM) and
saved. With OPTION_CRITIC_DEBUG set, a failure also shows where it happened.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from option_critic.cli.card import card
from option_critic.cli.export import export
from option_critic.cli.flags import (
    BenchArgs,
    DiagnoseArgs,
    EvaluateArgs,
    ListArgs,
    ReportArgs,
    ResumeArgs,
    TrainArgs,
    parse,
)
from option_critic.cli.play import play
from option_critic.cli.serve import serve
from option_critic.cli.signals import Interrupt, ended, on_its_way
from option_critic.cli.skills import skills
from option_critic.cli.sweep import sweep
from option_critic.cli.tune import tune
from option_critic.cli.which_options import remaining, which_options, with_these
from option_critic.envs.lookup import means, named
from option_critic.envs.metaworld import tasks_of
from option_critic.envs.source import check_kwargs
from option_critic.errors import InputError, RunError
from option_critic.evaluation.limits import Effort, check_goal_seed
from option_critic.presets import name_for, settings_for
from option_critic.ranks.torchrun import is_restarted, joined, leave, rank_here, world_size
from option_critic.references import import_module_of
from option_critic.runs.files import check_json, check_writable
from option_critic.settings import Settings, names_of_others
from option_critic.terminal import hush, open_terminal, say
from option_critic.value_types import check_range, nearest, numbers

if TYPE_CHECKING:
    from option_critic.runs.paths import RunPath
    from option_critic.trackers import Kind

USAGE = """usage: option-critic VERB ...

  train TARGET      train a preset or environment: pick-place, Hopper-v5, module:make_env, ...
  resume RUN ...    go on with trainings that were stopped, to the same result
  sweep FILE        many trainings, judged: targets, seeds and settings of a file
  tune TARGET       settings found by a search (Optuna)
  evaluate RUN      success and return of a trained agent, with intervals
  diagnose RUN      what its options do: shares, durations, ends, phases, ablations
  report RUN ...    a page: curves, timelines of the options, videos
  skills VERB       options that leave their run: export, list, show
  export RUN|SKILL  an agent or a skill as ONNX, or for torch.export
  card RUN|SKILL    a README.md with what was measured, for people and model hubs
  serve RUN|SKILLS  options as tools of language models and other programs (MCP)
  play RUN|SKILLS   an agent in the browser: run, hold, forbid, end its options; drag the goal
  list              presets, environments, algorithms, runs
  bench [PRESET]    steps per second: environments, + inference, + training

`option-critic VERB --help` explains every setting.
"""


def train(argv: Sequence[str]) -> int:
    """`option-critic train TARGET`: the defaults of the flags are the target's preset."""
    named = bool(argv) and not argv[0].startswith("-")
    target = argv[0] if named else parse(TrainArgs, "train", argv).target
    settings = settings_for(target).override(**which_options(argv))
    check_flags(argv, settings.algorithm)
    preset = TrainArgs(target=target, settings=with_these(settings, ()))  # weights are no defaults of flags
    args = parse(TrainArgs, "train", remaining(argv), default=preset)
    args.settings = with_these(args.settings, settings.options.skills)
    check_environment(args.settings)
    from option_critic.cli.train import train_seeds  # here and below late, with PyTorch: bad input is answered at once

    check_track(args.track)
    if args.overwrite and is_restarted():
        raise InputError("torchrun starts it again, and --overwrite would begin anew; give --resume auto")
    out = args.out or Path("runs") / name_for(args.target)
    with Interrupt() as interrupt, joined(args.settings.device) as ranks:
        return ended(interrupt, lambda: train_seeds(args.settings, numbers(args.seeds, "seeds"), out, args.overwrite,
                                                    args.resume == "auto", interrupt.on_iteration, args.track,
                                                    ranks))  # fmt: skip


def check_track(kind: Kind | None) -> None:
    """Raise InputError for a tracker, or what its page needs, that is not installed."""
    if kind is not None:
        from option_critic.trackers import check_installed

        check_installed(kind)


def check_environment(settings: Settings) -> None:
    """Raise InputError for arguments that the environment does not take."""
    source = named(settings.env_id)
    if not tasks_of(settings.env_id):
        check_kwargs(source, settings.env.env_kwargs)


def check_flags(argv: Sequence[str], algorithm: str) -> None:
    """Raise InputError for a flag that only another algorithm has."""
    others = names_of_others(algorithm)
    for flag in argv:
        name = flag.removeprefix("--").partition("=")[0].replace("-", "_")
        if flag.startswith("--") and name in others:
            raise InputError(f"{name} is a setting of algorithm {others[name]}; {algorithm} has none of that name")


def resume(argv: Sequence[str]) -> int:
    """`option-critic resume RUN ...`."""
    args = parse(ResumeArgs, "resume", argv)
    if not args.runs:
        raise InputError("resume takes a run folder; `option-critic list` names the runs")
    from option_critic.runs.inventory import runs_in

    folders = [folder for path in args.runs for folder in runs_in(path)]
    name_env(args.env, folders)
    import_module_of(args.encoder or "", "the encoder is defined")
    check_track(args.track)
    from option_critic.cli.train import resume_runs

    with Interrupt() as interrupt, joined("auto") as ranks:
        return ended(interrupt, lambda: resume_runs(folders, interrupt.on_iteration, args.options_from,
                                                    args.env, args.track, ranks))  # fmt: skip


def evaluate(argv: Sequence[str]) -> int:
    """`option-critic evaluate RUN`."""
    a = parse(EvaluateArgs, "evaluate", argv)
    effort = Effort(a.episodes, a.workers, a.max_episode_steps)
    if a.goals_seed is not None:
        check_goal_seed(a.goals_seed)
    goals = [f"seed-{a.goals_seed}"] if a.goals_seed is not None else [g for g in a.goals.split(",") if g]
    modes = ["deterministic", "stochastic"] if a.mode == "both" else [a.mode]
    check_json(a.json)
    from option_critic.runs.inventory import find
    from option_critic.runs.paths import RunPath

    run = RunPath.of(a.run)
    checkpoint = find(run, a.checkpoint)
    name_env(a.env, [checkpoint])
    import_module_of(a.encoder or "", "the encoder is defined")
    check_writable(a.run)
    from option_critic.cli.evaluate import evaluate_run

    evaluate_run(run, checkpoint, goals, modes, effort, a.json, a.options_from, a.env)
    return 0


def diagnose(argv: Sequence[str]) -> int:
    """`option-critic diagnose RUN`."""
    a = parse(DiagnoseArgs, "diagnose", argv)
    effort = Effort(a.episodes, a.workers, a.max_episode_steps)
    check_json(a.json)
    from option_critic.runs.inventory import find
    from option_critic.runs.paths import RunPath

    run = RunPath.of(a.run)
    checkpoint = find(run, a.checkpoint)
    name_env(a.env, [checkpoint])
    import_module_of(a.encoder or "", "the encoder is defined")
    check_writable(a.run)
    from option_critic.cli.diagnose import diagnose_run

    diagnose_run(run, checkpoint, a.goals, effort, a.ablations, a.options_from, a.json, a.env)
    return 0


def report(argv: Sequence[str]) -> int:
    """`option-critic report RUN ...`."""
    args = parse(ReportArgs, "report", argv)
    if not args.runs:
        raise InputError("report takes a run folder; `option-critic list` names the runs")
    from option_critic.report.report import check_libraries, place, report

    check_libraries()
    name_env(args.env, [])
    import_module_of(args.encoder or "", "the encoder is defined")
    check_writable(place(args.runs[0], args.out).parent.base)
    report(args.runs, args.out, args.videos, args.env)
    return 0


def name_env(env_id: str | None, folders: Sequence[RunPath]) -> None:
    """Import the module of `--env`, which registers or makes the environment of the runs or checkpoints in `folders`.

    Raises InputError if it is another one.
    """
    if env_id is None:
        return
    from option_critic.runs.inventory import config_of

    named(env_id)
    for folder in folders:
        settings = config_of(folder).get("settings")
        own = settings.get("env_id") if isinstance(settings, dict) else None
        if isinstance(own, str) and not means(own, env_id):
            raise InputError(f"--env says where the run's own environment comes from, {own}, not {env_id}")


def list_(argv: Sequence[str]) -> int:
    """`option-critic list`."""
    args = parse(ListArgs, "list", argv)
    check_json(args.json)
    from option_critic.cli.list import list_everything

    list_everything(args.runs, args.json)
    return 0


def bench(argv: Sequence[str]) -> int:
    """`option-critic bench`."""
    args = parse(BenchArgs, "bench", argv)
    check_range("--seconds", args.seconds, 0.001, 86_400)
    check_range("--rounds", args.rounds, 1, 1000)
    check_json(args.json)
    settings, counts = settings_for(args.target), numbers(args.num_options, "num-options")
    if args.options_from is not None:
        settings = settings.override(options_from=args.options_from)
    from option_critic.cli.bench import measure_speeds

    measure_speeds(settings, counts, args.seconds, args.rounds, args.json)
    return 0


VERBS: dict[str, Callable[[Sequence[str]], int]] = {
    "train": train,
    "resume": resume,
    "sweep": sweep,
    "tune": tune,
    "evaluate": evaluate,
    "diagnose": diagnose,
    "report": report,
    "skills": skills,
    "export": export,
    "card": card,
    "serve": serve,
    "play": play,
    "list": list_,
    "bench": bench,
}
SHARED = ("train", "resume")
"""Verbs that several processes do together, where torchrun starts them."""


def check_alone(verb: str) -> None:
    """Raise InputError where torchrun starts many times what is done once."""
    if world_size() > 1 and verb not in SHARED:
        raise InputError(f"torchrun is for {' and '.join(SHARED)}; start {verb} without it")


def in_thread(args: threading.ExceptHookArgs) -> None:
    """Leave it to the run to name a full disk: TensorBoard's thread hands its error to the next call."""
    if not isinstance(args.exc_value, OSError):
        threading.__excepthook__(args)


def main() -> None:
    """Entry point of the command `option-critic`."""
    open_terminal()
    argv = sys.argv[1:]
    if not argv or argv[0] in ("-h", "--help", "help"):
        say(*USAGE.splitlines())
        sys.exit(0 if argv else 2)
    if argv[0] not in VERBS:
        say(
            f"option-critic: there is no verb {argv[0]!r}.{nearest(argv[0], VERBS)}",
            "",
            *USAGE.splitlines(),
            error=True,
        )
        sys.exit(2)
    threading.excepthook = in_thread
    if rank_here():
        hush()
    name = "option-critic" if world_size() == 1 else f"option-critic, rank {rank_here()}"
    try:
        check_alone(argv[0])
        code = VERBS[argv[0]](argv[1:])
        if world_size() > 1:
            leave(code)
        sys.exit(code)
    except InputError as error:
        say(f"{name}: {error}", error=True)
        sys.exit(2)
    except (RunError, KeyboardInterrupt) as error:
        failed = error if isinstance(error, RunError) else on_its_way(error)
        if failed is None:
            sys.exit(130)
        say(f"{name}: {failed}", error=True)
        if os.environ.get("OPTION_CRITIC_DEBUG"):
            raise
        sys.exit(1)
