"""Several tasks at once: success of each, and which option serves which, as a table, bars of the page and a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from option_critic.errors import InputError
from option_critic.legible import legible
from option_critic.options.look import colour
from option_critic.report.pictures import plain_texts
from option_critic.report.run_data import Evaluated, RunData, by_interest
from option_critic.report.tables import label
from option_critic.runs.figures import Interval

if TYPE_CHECKING:
    from matplotlib.figure import Figure

RATES = {"any": "any-step", "held": "held", "final": "final"}
"""Figure of an evaluation -> its column."""
MOST_OPTIONS = 12
"""Options with a column of their own."""


@dataclass(frozen=True)
class TaskRow:
    """What is known of one task of a run."""

    name: str
    cells: list[str]
    bars: list[dict[str, Any]]
    """Of each option that ran: its colour, its share in percent and what both mean"""


def task_tables(runs: Sequence[RunData]) -> list[dict[str, Any]]:
    """A table for each run of several tasks: success in training and as judged, and the shares of the options."""
    return [table for run in runs if (table := task_table(run)) is not None]


def judged(run: RunData) -> Evaluated | None:
    """The evaluation by tasks that the page shows first."""
    return next((e for e in by_interest(run.evaluated) if e.result.tasks), None)


def task_table(run: RunData) -> dict[str, Any] | None:
    """That of one run; none where nothing was told of single tasks."""
    chosen = judged(run)
    found = {} if chosen is None else chosen.result.tasks
    names = list(dict.fromkeys((*run.tasks, *found)))
    shares = {name: found[name].shares if name in found else shares_in_training(run, name) for name in names}
    rows = [
        TaskRow(
            name=legible(name),
            cells=[
                rate(run.by_task.get(f"task/{name}/success_any_rate")),
                *(rate(found[name].summary.get(figure) if name in found else None) for figure in RATES),
                *(rate(shares[name].get(option)) for option in run.options[:MOST_OPTIONS]),
            ],
            bars=bars(shares[name], run.options),
        )
        for name in names
    ]
    if not any(cell != "-" for row in rows for cell in row.cells):
        return None
    columns = ["any-step in training", *RATES.values(), *map(legible, run.options[:MOST_OPTIONS])]
    if len(run.options) == 1:
        columns, rows = columns[:-1], [TaskRow(r.name, r.cells[:-1], []) for r in rows]
    return {
        "run": label(run),
        "of": "" if chosen is None else chosen.title,
        "columns": columns,
        "rows": rows,
        "legend": [(legible(name), colour(k)) for k, name in enumerate(run.options)],
        "several": len(run.options) > 1,
    }


def shares_in_training(run: RunData, task: str) -> dict[str, float]:
    """Option -> share of a task's decisions, as last told in training."""
    told = {name: run.by_task.get(f"task/{task}/share/{name}") for name in run.options}
    return {name: float(x) for name, x in told.items() if isinstance(x, int | float)}


def rate(x: Any) -> str:
    """Two digits; - for nothing."""
    value = x.value if isinstance(x, Interval) else x
    return f"{value:.2f}" if isinstance(value, int | float) else "-"


def bars(shares: Mapping[str, float], options: Sequence[str]) -> list[dict[str, Any]]:
    """What a bar of a whole row consists of."""
    total = sum(max(0.0, shares.get(name, 0.0)) for name in options) or 1.0
    parts = [(k, name, max(0.0, shares.get(name, 0.0)) / total) for k, name in enumerate(options)]
    return [
        {"colour": colour(k), "width": f"{100 * share:.2f}", "says": f"{legible(name)} {share:.0%}"}
        for k, name, share in parts
        if share > 0
    ]


def task_picture(run: RunData, evaluated: Evaluated) -> Figure | None:
    """Which option serves which task: a bar for each task, the shares of the options side by side, success behind it.

    None for one task, or one option. Raises InputError without matplotlib.
    """
    tasks = evaluated.result.tasks
    if not tasks or len(run.options) < 2:
        return None
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise InputError('pictures need matplotlib: pip install "option-critic[report]"') from error
    with plain_texts():
        figure = Figure(figsize=(8, 1.2 + 0.26 * len(tasks)), layout="constrained")
        axis = figure.subplots()
        places = range(len(tasks))
        left = [0.0] * len(tasks)
        for k, name in enumerate(run.options):
            widths = [row.shares.get(name, 0.0) for row in tasks.values()]
            axis.barh(places, widths, left=left, color=colour(k), height=0.8, label=legible(name))
            left = [a + b for a, b in zip(left, widths, strict=True)]
        for i, row in enumerate(tasks.values()):
            axis.text(1.01, i, rate(row.summary.get("any")), va="center", fontsize=8)
        axis.set_yticks(places, [legible(name) for name in tasks], fontsize=8)
        axis.set_ylim(len(tasks) - 0.4, -0.6)
        axis.set_xlim(0, 1)
        axis.set_xlabel(
            "share of the steps up to the first success and ten more; at the right: any-step success", fontsize=8
        )
        axis.tick_params(axis="x", labelsize=8)
        axis.spines[["top", "right"]].set_visible(False)
        figure.legend(loc="outside upper center", ncols=min(6, len(run.options)), fontsize=8, frameon=False)
    return figure
