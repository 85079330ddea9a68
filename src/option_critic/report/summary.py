"""The page's tables: each group of seeds with its interval, flat ones marked, and what options did in each run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from option_critic.envs.settings import SUCCESS_ONLY
from option_critic.evaluation.intervals import Estimate, interquartile_mean
from option_critic.evaluation.labels import cell, labels
from option_critic.evaluation.metaworld_protocol import SEVERAL
from option_critic.legible import legible
from option_critic.report.charts import groups, points
from option_critic.report.run_data import SUCCESS, RunData
from option_critic.runs.figures import Interval
from option_critic.runs.logs import STEPS, Row

REACHED = 0.9
"""Any-step success in training (last 128 episodes) that counts as learned."""
LONG = 400
"""Characters of the names of all options."""
SHOWN = ("any", "held", "final", "lifted", "steps_to_success", "return", "length")


@dataclass(frozen=True)
class GroupRow:
    """One group of seeds, in words."""

    name: str
    about: str
    """algorithm and options"""
    flat: bool
    seeds: int
    steps: str
    minutes: str
    learned: str
    """million steps to 90 % any-step success"""


def group_rows(runs: Sequence[RunData]) -> list[GroupRow]:
    """A row for each group."""
    rows = []
    for name, members in groups(runs).items():
        shown = members[0].config.shown if members[0].config else None
        steps = [last(run.metrics, STEPS) for run in members]
        seconds = [last(run.timing, "time/time_elapsed") for run in members]
        names = members[0].option_names
        sees = " that sees the interests" if shown and shown.model.observe_interest else ""
        rows.append(
            GroupRow(
                name=name,
                about=f"{legible(shown.algorithm if shown else '?')}, "
                + (f"flat{sees}" if len(names) == 1 else legible(", ".join(told(members[0])), LONG))
                + paid(members),
                flat=len(names) == 1,
                seeds=len(members),
                steps=span([x / 1e6 for x in steps if x is not None], "{:.2f} M"),
                minutes=span([x / 60 for x in seconds if x is not None], "{:.1f} min"),
                learned=learned(members),
            )
        )
    return rows


def told(run: RunData) -> list[str]:
    """The names of a run's options; with what each of them is, where they were named one by one."""
    if not run.composed:
        return list(run.option_names)
    return [f"{legible(name)} ({origin})" for name, origin in run.origins.items()]


def paid(runs: Sequence[RunData]) -> str:
    """What is said of runs, of one recipe, whose training was paid otherwise than what results are made of."""
    return f", {SUCCESS_ONLY}" if any(run.success_only for run in runs) else ""


def last(rows: Sequence[Row], name: str) -> float | None:
    """The last value of a metric."""
    _, values = points(rows, name)
    return float(values[-1]) if len(values) else None


def span(values: Sequence[float], form: str) -> str:
    """One number, or from the least to the greatest."""
    if not values:
        return "-"
    low, high = form.format(min(values)), form.format(max(values))
    return low if low == high else f"{low.split()[0]} to {high}"


def learned(runs: Sequence[RunData]) -> str:
    """Million steps until 90 % any-step success in training: interquartile mean over the seeds, with its interval."""
    found = []
    for run in runs:
        steps, success = points(run.metrics, *SUCCESS)
        if len(steps):
            found.append(float(steps[success >= REACHED][0]) / 1e6 if (success >= REACHED).any() else float("inf"))
    estimate = interquartile_mean(found)
    if estimate is None:
        return "-"
    never = sum(x == float("inf") for x in found)
    text = written(estimate, "{:.2f}") + " M" if estimate.value < float("inf") else "not reached"
    return f"{text} ({never} of {len(found)} never)" if never else text


def figure_tables(runs: Sequence[RunData]) -> list[dict[str, Any]]:
    """A table for each goal set and mode: a row a figure, a column a group."""
    sets = dict.fromkeys((e.result.goals, e.result.mode) for run in runs for e in run.evaluated)
    return [figure_table(runs, goals, mode) for goals, mode in sets]


def figure_table(runs: Sequence[RunData], goals: str, mode: str) -> dict[str, Any]:
    """Interquartile means over seeds where there are several, else the one seed's figure over its episodes."""
    columns, cells = [], dict[str, list[str]]()
    chosen = {
        group: [e.result for run in members for e in run.evaluated if (e.result.goals, e.result.mode) == (goals, mode)]
        for group, members in groups(runs).items()
    }
    chosen = {group: results for group, results in chosen.items() if results}
    for group, results in chosen.items():
        episodes = span([len(r.episodes) for r in results], "{:.0f} episodes")
        columns.append(f"{group}: {len(results)} seed{'s' * (len(results) > 1)}, {episodes}{paid(groups(runs)[group])}")
    called = labels(any(paid(groups(runs)[group]) for group in chosen))
    names = [name for name in SHOWN if any(name in r.summary for results in chosen.values() for r in results)]
    for name in names:
        cells[called[name]] = [over(name, [r.summary.get(name) for r in results]) for results in chosen.values()]
    return {"goals": goals, "mode": mode, "columns": columns, "rows": cells}


def over(name: str, figures: Sequence[Interval | None]) -> str:
    """A figure of one seed with its interval over episodes, or of several with that over seeds."""
    there = [f for f in figures if f is not None]
    if not there:
        return "-"
    if len(there) == 1:
        return cell(name, Estimate(there[0].value, there[0].low, there[0].high, there[0].n))
    return cell(name, interquartile_mean([f.value for f in there]))


def written(estimate: Estimate, form: str) -> str:
    """Value and interval."""
    if estimate.n == 1:
        return form.format(estimate.value)
    return f"{form.format(estimate.value)} [{form.format(estimate.low)}, {form.format(estimate.high)}]"


def headline(runs: Sequence[RunData]) -> str:
    """One sentence: what was trained, and how well it does."""
    first = runs[0]
    what = legible(first.env_id).removeprefix("Meta-World/") or "an unknown environment"
    for group, members in groups(runs).items():
        there = list(dict.fromkeys((e.result.goals, e.result.mode) for run in members for e in run.evaluated))
        usual = [(goals, "deterministic") for goals in ("B", "A", "C", "D", "episodes", SEVERAL)]
        if not there:
            continue
        goals, mode = next((kind for kind in usual if kind in there), there[0])
        results = [
            e.result for run in members for e in run.evaluated if (e.result.goals, e.result.mode) == (goals, mode)
        ]
        name = "any" if "any" in results[0].summary else "return"
        where = "full episodes" if goals == "episodes" else f"goal set {legible(goals)}, official package"
        if tasks := len(results[0].tasks):
            where = f"mean over {tasks} tasks, {where}"
        value = over(name, [r.summary.get(name) for r in results])
        seeds = f"{len(results)} seed{'s' * (len(results) > 1)}{paid(members)}"
        return f"{what}: {labels(bool(paid(members)))[name]} {value} ({group}, {seeds}, {where}, {legible(mode)})"
    return f"{what}: trained, not yet evaluated"
