"""The verb `diagnose`: what the options of a run do, in tables and in diagnosis.json."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from option_critic.cli.counting import counting
from option_critic.cli.printing import what_they_are
from option_critic.envs.metaworld import tasks_of
from option_critic.envs.settings import SUCCESS_ONLY
from option_critic.evaluation.ablations import ablations
from option_critic.evaluation.diagnosis import Study, study
from option_critic.evaluation.intervals import Estimate
from option_critic.evaluation.labels import labels
from option_critic.evaluation.limits import Effort
from option_critic.evaluation.option_figures import Diagnosis, OptionFigures
from option_critic.loading import load
from option_critic.runs.files import FORMAT_VERSION, emit, write_json, writing
from option_critic.runs.locks import figures
from option_critic.runs.paths import RunPath
from option_critic.runs.run_folder import versions
from option_critic.terminal import Terminal, say


def diagnose_run(
    path: RunPath,
    checkpoint: RunPath,
    goals: str,
    effort: Effort,
    with_ablations: bool,
    options_from: str | None,
    json_path: Path | None,
    env: str | None = None,
) -> None:
    """Diagnose a checkpoint of the run `path`, print the tables, keep diagnosis.json and the trace there."""
    agent = load(checkpoint, options_from=options_from, env=env)
    names, tasks = agent.option_names, tasks_of(agent.settings.env_id)
    each = effort.episodes if len(tasks) < 2 else max(1, effort.episodes // len(tasks)) * len(tasks)
    runs = 1 + (len(ablations(agent.settings.options, agent.spaces.discrete)) if with_ablations else 0)
    with counting(runs * each) as on_step:
        found = study(agent, goals, effort.episodes, effort.workers, with_ablations, on_step, effort.max_episode_steps)
    step = agent.num_timesteps
    record = {
        "format_version": FORMAT_VERSION,
        "env_id": agent.settings.env_id,
        "training_steps": step,
        "training_reward": agent.settings.env.reward,
        "goals": goals if tasks else None,
        **found.to_dict(),
        "versions": versions(),
    }
    with figures(path), writing(path):
        write_json(path / "diagnosis.json", record)
        meta = {"env_id": agent.settings.env_id, "option_names": list(names), "step": step, "mode": "deterministic"}
        found.trace.save(path / "traces" / f"{step:012d}-diagnosis.safetensors", meta | {"goals": goals})
    if json_path != Path("-"):
        where = f"{found.diagnosis.episodes} episodes" + (f" (goals {goals})" if tasks else "")
        success_only = agent.settings.env.reward == "success"
        paid = f", {SUCCESS_ONLY}" if success_only else ""
        say(f"{agent.settings.env_id}, {step:,} training steps{paid}", f"{where}, deterministic")
        print_study(found, success_only)
        say(*what_they_are(agent.settings.options))
        say(f"kept in {path / 'diagnosis.json'}")
    emit(json_path, record)


def print_study(found: Study, success_only: bool = False) -> None:
    """The tables, within 80 columns. `success_only`: training was paid otherwise than what returns are made of."""
    d, console = found.diagnosis, Terminal()
    console.print(options_table(d))
    if "success" in found.trace.info:
        say("up to the first success and ten steps more; (n): runs cut short by that end")
    for line in lines(d):
        say(line)
    if cut := {name: count for name, (count, _) in found.cut.items() if count}:
        steps = max(steps for _, steps in found.cut.values())
        say(f"cut at {steps:,} steps, of {d.episodes}: {', '.join(f'{n} {name}' for name, n in cut.items())}")
    if found.expert is not None and found.expert.nmi is not None:
        say(f"the scripted expert by the same definitions: NMI {found.expert.nmi:.2f}, "
            f"effective number {found.expert.effective_number:.2f}")  # fmt: skip
    if len(found.ablations) > 1:
        table, short = Table(title_justify="left"), labels(success_only) | {"held": "held"}
        table.add_column("taken away")
        for name in next(iter(found.ablations.values())):
            table.add_column(short[name], justify="right")
        for name, figures in found.ablations.items():
            alone = len(figures) == 1  # beside success, its interval would break the lines; diagnosis.json has it
            table.add_row(name, *(brief(x, label == "return", alone) for label, x in figures.items()))
        console.print(table)


def brief(estimate: Estimate | None, whole: bool, alone: bool) -> str:
    """An estimate in few characters, as many rows stand below each other: a share, or a return (`whole`)."""
    if estimate is None:
        return "-"
    digits = 0 if whole and max(abs(estimate.low), abs(estimate.high)) >= 100 else 1 if whole else 2
    if whole and not alone:
        return f"{estimate.value:,.{digits}f}"
    return f"{estimate.value:,.{digits}f} [{estimate.low:,.{digits}f}, {estimate.high:,.{digits}f}]"


def options_table(d: Diagnosis) -> Table:
    """A row for each option."""
    table = Table()
    phases = list(d.options[0].phases)
    for name in ("option", "share", "steps a run", *phases, "least distance"):
        table.add_column(name, justify="left" if name == "option" else "right")
    for o in d.options:
        apart = [x for x in o.distance.values() if x is not None]
        table.add_row(
            o.name,
            f"{o.share:.2f}",
            run_length(o),
            *(f"{x:.0%}" for x in o.phases.values()),
            f"{min(apart):.2f}" if apart else "-",
        )
    return table


def run_length(o: OptionFigures) -> str:
    """Mean steps of the runs that the option ended, and of those that were cut."""
    ended = [] if o.duration is None else [f"{o.duration:.0f}"]
    return " ".join([*ended, *([] if o.cut_duration is None else [f"({o.cut_duration:.0f})"])])


def lines(d: Diagnosis) -> list[str]:
    """The figures of all options together, in words."""
    count = len(d.options)
    out = [f"effective number of options {d.effective_number:.2f} of {count}"]
    if d.nmi is not None:
        verdict = ""
        if any(o.meant_for for o in d.options):
            wrong = [f"{o.name} ({o.main_phase})" for o in d.options if o.meant_for and o.main_phase != o.meant_for]
            verdict = f"; not in their phase: {', '.join(wrong)}" if wrong else "; each name agrees with its phase"
        out.append(f"NMI of option and phase {d.nmi:.2f}{verdict}")
    learned = "-" if d.learned_ends is None else f"{d.learned_ends:.0%}"
    out.append(f"{d.ends:,} ends of options, {learned} learned, the others forced")
    out.append(f"{d.decisions:,} choices of an option, {d.choices:.0%} between two or more; "
               f"entropy {d.choice_entropy:.2f} nats")  # fmt: skip
    if d.saturation is not None:
        out.append(f"termination probabilities below 0.01 or above 0.99: {d.saturation:.0%}")
    return out
