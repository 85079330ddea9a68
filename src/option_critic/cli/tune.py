"""The verb `tune`: settings found by a search, as a preset in Python."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import tyro
from rich.table import Table

from option_critic.cli.engines import EngineArgs, engine_of
from option_critic.cli.flags import parse
from option_critic.cli.signals import Interrupt, ended
from option_critic.cli.sweep import run_all
from option_critic.errors import InputError, RunError
from option_critic.presets import name_for
from option_critic.runs.files import check_writable, writing
from option_critic.runs.paths import RunPath
from option_critic.sweeps.index import judgements, read_index, standing_of
from option_critic.sweeps.jobs import Engine, Job, work_through
from option_critic.sweeps.plan import Evaluation, PlannedRun
from option_critic.sweeps.tuning import Search, choice_of, folder_of, import_optuna, open_study, work_on
from option_critic.terminal import Terminal, say
from option_critic.value_types import check_range, numbers

TESTED = 3
"""Seeds on which what was found is compared with where the search started."""


@dataclass
class TuneArgs(EngineArgs):
    """Search for settings by Optuna. What was stopped goes on with the same command; several may share one folder. The
    result is a preset in Python, OUT/preset.py, and what it reaches with seeds that the search did not see."""

    target: tyro.conf.Positional[str]
    """What `train` takes; the search starts from its preset."""
    trials: int = 50
    """Choices of settings that are tried."""
    seeds: str = "0,1"
    """With which each is trained: 0,1,2 or 0..4. What counts is their mean less their spread."""
    total_timesteps: int = 0
    """Environment steps of each training; 0: those of the preset."""
    search: str = ""
    """The settings that are searched, with commas between them. Default: lr_option, lr_critic, lr_master,
    lr_termination, gamma, lam, epochs, minibatch_size and entropy_option, as far as the preset's algorithm has them."""
    out: Path | None = None
    """Folder of the search. Default: runs/tune-<preset>."""


def tune(argv: Sequence[str]) -> int:
    """`option-critic tune TARGET`."""
    args = parse(TuneArgs, "tune", argv)
    check_range("--trials", args.trials, 1, 100_000)
    if args.on == "slurm" and not args.jobs:
        raise InputError("with --on slurm say by --jobs how many of its jobs work on the search")
    out = RunPath.of(args.out or Path("runs") / f"tune-{name_for(args.target)}")
    names = tuple(dict.fromkeys(name.strip() for name in args.search.split(",") if name.strip()))
    seeds = tuple(numbers(args.seeds, "seeds"))
    search = Search(args.target, seeds, args.total_timesteps, names, args.trials, out)
    import_optuna()
    check_writable(out.base)
    engine = engine_of(args, out)
    with writing(out):
        (out / "trials").make()
    open_study(search)
    count = min(engine.places, args.trials)
    draw = uuid.uuid4()  # another command has another, also where each has a container, and the same process number
    own = [(f"{draw.hex[:12]}-{i}", (draw.int + i) % 2**32) for i in range(count)]
    jobs = [Job(out / "workers" / name, partial(try_on, search, seed)) for name, seed in own]
    code = followed(search, jobs, engine)
    return code or told(search, engine_of(args, out))


def try_on(search: Search, sampler_seed: int) -> int:
    """Work on a search until it is done or stopped; the exit code."""
    with Interrupt() as interrupt:
        return ended(interrupt, lambda: work_on(search, sampler_seed, interrupt.on_iteration))


def followed(search: Search, jobs: Sequence[Job], engine: Engine) -> int:
    """Until all have ended; a line for each trial that did. The exit code."""
    study, failed = open_study(search), list[str]()
    before = [trial for trial in study.get_trials(deepcopy=False) if trial.state.is_finished()]
    said = {trial.number for trial in before}
    say(f"{sum(map(is_told, before))} of {search.trials} trials done before -> {search.out}")

    def follow() -> None:
        with engine:
            for some in work_through(jobs, engine, 2.0):
                failed.extend(outcome.reason for _, outcome in some if outcome.became == "failed")
                for trial in study.get_trials(deepcopy=False):
                    if trial.state.is_finished() and trial.number not in said:
                        said.add(trial.number)
                        say(*[in_words(trial)] * is_told(trial))

    with Interrupt() as interrupt:
        code = ended(interrupt, follow)
    for reason in failed:
        say(f"a process of the search failed: {reason}", error=True)
    if code:
        say("the same command goes on", error=True)
    return code or int(bool(failed))


def is_told(trial: Any) -> bool:
    """Whether a trial came to something: not one whose process died, with which another goes on."""
    return trial.state.name in ("COMPLETE", "PRUNED") or "failed" in trial.user_attrs


def in_words(trial: Any) -> str:
    """A line about a trial."""
    chosen = ", ".join(f"{name} {shortly(value)}" for name, value in trial.params.items())
    if trial.state.name == "COMPLETE":
        became = f"{trial.value:,.3f}"
    else:
        became = "stopped early" if trial.state.name == "PRUNED" else f"failed: {trial.user_attrs.get('failed')}"
    return f"trial {trial.number}: {became} ({chosen})"


def shortly(value: Any) -> str:
    """A value in a few digits."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def told(search: Search, engine: Engine) -> int:
    """Write the best as a preset, say what mattered, try it on other seeds; the exit code."""
    study = open_study(search)
    trials: list[Any] = study.get_trials(deepcopy=False)
    done = [trial for trial in trials if trial.state.name == "COMPLETE"]
    choices = {trial.number: own for trial in done if (own := choice_of(search, trial.params)) is not None}
    if strange := len(done) - len(choices):
        say(f"{strange} trials of {search.out} are left out: what they chose is not a value for each of "
            f"{', '.join(search.names)}", error=True)  # fmt: skip
        done = [trial for trial in done if trial.number in choices]
    if not done:
        raise RunError(f"no trial of {search.out} came to an end; raise --trials, or look at what its logs say")
    best = max(done, key=lambda trial: trial.value)
    settings = choices[best.number]
    count = f"{sum(map(is_told, trials))} trials, {len(done)} of them to the end,"
    with writing(search.out):
        (search.out / "preset.py").write(preset(search, settings, best.value, count).encode())
    importances(study)
    fresh = [seed for seed in range(max(search.seeds) + 1, max(search.seeds) + 1 + TESTED)]
    steps = search.start().total_timesteps
    own = {"total_timesteps": steps, "checkpoint_every": max(1, steps // 4)}
    found = f"found-{folder_of(settings)}"  # a place of its own: more trials may find something else
    runs = [PlannedRun(search.target, seed, own | chosen, name, Evaluation())
            for seed in fresh for name, chosen in (("start", {}), (found, settings))]  # fmt: skip
    code = run_all(runs, search.out / "tested", engine)
    compare(runs, search.out / "tested")
    say(f"the preset: {search.out}/preset.py")
    return code


def preset(search: Search, chosen: dict[str, Any], value: float, trials: str) -> str:
    """Python that says it."""
    lines = "".join(f"    {name}={value!r},\n" for name, value in chosen.items())
    return (
        f'"""Found for {search.target} by {trials} of {search.start().total_timesteps:,} steps, seeds '
        f'{", ".join(map(str, search.seeds))}: {value:,.3f}, the mean over seeds less their spread.\n"""\n\n'
        "from option_critic.presets import settings_for\n\n"
        f"PRESET = settings_for({search.target!r}).override(\n{lines})\n"
    )


def importances(study: Any) -> None:
    """A table of what mattered, as far as that can be said of so few trials."""
    optuna = import_optuna()
    try:
        found = optuna.importance.get_param_importances(
            study, evaluator=optuna.importance.PedAnovaImportanceEvaluator()
        )
    except (ValueError, RuntimeError):
        say("too few trials to say which settings mattered")
        return
    table = Table(title="what mattered (PED-ANOVA)")
    table.add_column("setting")
    table.add_column("share", justify="right")
    for name, share in found.items():
        table.add_row(name, f"{share:.2f}")
    Terminal().print(table)


def compare(runs: Sequence[PlannedRun], out: RunPath) -> None:
    """A table of the start and of what was found, with the seeds that the search did not see."""
    index = read_index(out)["runs"]
    table = Table(title="with other seeds")
    for name in ("settings", "seed", "in training", "judged"):
        table.add_column(name, justify="left" if name == "settings" else "right")
    for run in sorted(runs, key=lambda run: (run.name != "start", run.seed)):
        end = standing_of(run.folder(out))
        entry = index.get(run.place, {})
        keys = [f"{entry.get('steps', 0):012d}-{name}-{mode}" for name, mode in judgements(run)]
        figures: dict[str, Any] = next((found for key in keys if (found := entry.get("results", {}).get(key))), {})
        judged = next((figures[n]["value"] for n in ("any", "return") if figures.get(n)), None)
        seen = end.success if end.success is not None else end.mean_return
        cells = ("-" if x is None else f"{x:,.2f}" for x in (seen, judged))
        table.add_row(run.name.partition("-")[0], str(run.seed), *cells)
    Terminal().print(table)
