"""What the charts of the page show, as plain numbers: curves over seeds, options over training, durations, goals."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

import numpy as np

from option_critic.envs.contract import Array
from option_critic.evaluation.option_figures import durations, window
from option_critic.legible import legible
from option_critic.report.run_data import CURVES, JUDGED, OVER_TRAINING, SHARE, Evaluated, RunData
from option_critic.runs.figures import LARGEST
from option_critic.runs.logs import STEPS, Row

POINTS = 160
"""Of a curve: as many as a screen can show."""
MOST_GOALS, MOST_LENGTHS, MOST_SHARES = 20_000, 400_000, 5_000
"""Of a page: marks on maps, runs of options in histograms, and curves of options."""


def plain(text: str) -> str:
    """Text for a chart as Plotly takes it, which reads tags, entities, templates (%{...}) and formulas ($...$) in all
    texts."""
    return html.escape(text, quote=False).replace("%", "&#37;").replace("$", "&#36;")


def groups(runs: Sequence[RunData]) -> dict[str, list[RunData]]:
    """Group -> its runs, the seeds of one recipe. In the order in which they were named."""
    members: dict[str, list[RunData]] = {}
    for run in runs:
        members.setdefault(run.group, []).append(run)
    return members


def learning_curves(runs: Sequence[RunData]) -> dict[str, Any]:
    """Curve -> group -> its number among all groups, its name for Plotly, whether returns are those of the success-only
    reward, steps, the line of each seed, their median, least and greatest."""
    return {
        label: {
            group: {"number": g, "label": plain(group), "success_only": any(r.success_only for r in members), **curve}
            for g, (group, members) in enumerate(groups(runs).items())
            if (curve := over_seeds({run.name: points(run.metrics, *names) for run in members}, least=2))
        }
        for label, names in CURVES.items()
    }


def judged_curves(runs: Sequence[RunData]) -> dict[str, Any]:
    """The same of the evaluations while it trained, at the steps at which they were."""
    return {
        label: {
            group: {"number": g, "label": plain(group), **curve}
            for g, (group, members) in enumerate(groups(runs).items())
            if (curve := over_seeds({run.name: points(run.judged, name) for run in members}, least=1))
        }
        for label, name in JUDGED.items()
    }


def over_seeds(series: dict[str, tuple[Array, Array]], least: int) -> dict[str, Any] | None:
    """Seed -> `points` of one metric, put on common steps: their own if they are few. None where no seed has as many
    as `least`."""
    series = {seed: s for seed, s in series.items() if len(s[0]) >= least}
    if not series:
        return None
    grid = np.unique(np.concatenate([steps for steps, _ in series.values()]))
    if least > 1 or len(grid) > POINTS:
        grid = np.linspace(grid[0], grid[-1], POINTS)
    lines = {
        seed: np.interp(grid, steps, values, left=np.nan, right=np.nan) for seed, (steps, values) in series.items()
    }
    stacked = np.stack(list(lines.values()))
    some = np.isfinite(stacked).any(0)
    grid, stacked = grid[some], stacked[:, some]
    return {
        "steps": rounded(grid),
        "seeds": {seed: rounded(line[some]) for seed, line in lines.items()},
        "median": rounded(np.nanmedian(stacked, 0)),
        "low": rounded(np.nanmin(stacked, 0)),
        "high": rounded(np.nanmax(stacked, 0)),
    }


def points(rows: Sequence[Row], *names: str) -> tuple[Array, Array]:
    """(steps, values) of a metric where it was logged: by the first of `names` that a row has."""
    told = [(row[STEPS], next((row[name] for name in names if name in row), None)) for row in rows]
    found = [(steps, value) for steps, value in told if isinstance(value, int | float) and abs(value) <= LARGEST]
    pairs = np.array(found, dtype=float).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def options_over_training(run: RunData, runs: int = 1) -> dict[str, Any] | None:
    """Steps, the share of each option, and the other figures of options; none where nothing was logged.

    `runs`: how many there are on the page, which has room for so many curves.
    """
    steps, _ = points(run.metrics, "option/duration")
    if len(steps) < 2:
        return None
    grid, most = np.linspace(steps[0], steps[-1], min(POINTS, len(steps))), max(10, MOST_SHARES // runs)

    def at(name: str) -> list[float | None]:
        x, y = points(run.metrics, name)
        return rounded(np.interp(grid, x, y)) if len(x) else []

    return {
        "steps": rounded(grid),
        "shares": [at(SHARE.format(name)) if k < most else [] for k, name in enumerate(run.options)],
        **{label: at(name) for label, name in OVER_TRAINING.items()},
    }


def run_lengths(evaluated: Evaluated, names: Sequence[str], traces: int = 1) -> list[dict[str, list[int]]] | None:
    """Lengths of each option's runs up to the first success and ten steps more: ended, and cut short by that end.

    `traces`: how many there are on the page.
    """
    trace = evaluated.trace
    if trace is None or not names:
        return None
    done, cut = durations(trace.option, window(trace), len(names))
    most = max(10, MOST_LENGTHS // (len(names) * traces))
    return [{"ended": done[k][:most], "cut": cut[k][:most]} for k in range(len(names))]


def goal_map(evaluated: Evaluated, traces: int = 1) -> list[dict[str, Any]] | None:
    """Each episode's goal (x, y and height in cm) and whether it was reached; none where goals have no place.

    `traces`: how many there are on the page.
    """
    rows = evaluated.result.episodes
    if any(row.goal is None or len(row.goal) < 3 for row in rows):
        return None
    return [
        {"number": i, "x": round(100 * x, 2), "y": round(100 * y, 2), "z": round(100 * z, 2),
         "any": row.any, "held": row.held, "task": plain(legible(row.task))}
        for i, row in enumerate(rows[: max(10, MOST_GOALS // traces)])
        for x, y, z in [(row.goal or ())[-3:]]
    ]  # fmt: skip


def rounded(x: Array) -> list[float | None]:
    """Four significant digits; null for what is not finite."""
    return [float(f"{value:.4g}") if np.isfinite(value) else None for value in x.tolist()]
