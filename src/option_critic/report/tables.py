"""The page's tables of single runs: what their options did, what they are needed for, how they were set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from option_critic.envs.arguments import as_written
from option_critic.evaluation.labels import LABELS
from option_critic.legible import legible
from option_critic.options.entries import LEARNED
from option_critic.options.look import colour
from option_critic.report.run_data import RunData
from option_critic.runs.figures import OptionRow, Value

MOST = 1_000
"""Rows of a table."""
LONG = 400
"""Characters of what is written out in a table."""
TOGETHER = {
    "nmi": "NMI of option and phase",
    "effective_number": "effective number of options",
    "learned_ends": "share of the ends that are learned",
    "choices": "share of the choices that are real",
    "choice_entropy": "entropy of a choice (nats)",
    "saturation": "terminations below 0.01 or above 0.99",
}


def label(run: RunData) -> str:
    """A run within the page."""
    return run.group if Path(run.group).name == run.name else f"{run.group}, {run.name}"


def diagnosis_table(runs: Sequence[RunData]) -> dict[str, Any] | None:
    """A column for each run that was diagnosed; none where none was."""
    told = [(run, run.diagnosis.diagnosis) for run in runs if run.diagnosis]
    if not told:
        return None
    found = [d for _, d in told]
    rows: list[dict[str, Any]] = [
        {"label": text, "cells": [number(getattr(d, name)) for d in found], "colour": None}
        for name, text in TOGETHER.items()
        if any(getattr(d, name) is not None for d in found)
    ]
    each = [{o.name: o for o in d.options} for d in found]
    origins = [run.origins for run, _ in told]
    said = any(origin != LEARNED for of in origins for origin in of.values())
    for name, k in options([run for run, _ in told]).items():
        own, called, shade = [of.get(name) for of in each], legible(name), colour(k)
        if said:
            cells = [of.get(name, "-") for of in origins]
            rows.append({"label": f"{called}: what it is", "cells": cells, "colour": shade})
        rows.append({"label": f"{called}: share", "cells": [number(o and o.share) for o in own], "colour": shade})
        rows.append({"label": f"{called}: steps a run", "cells": [lasted(o) for o in own], "colour": shade})
        if any(o and o.phases for o in own):
            cells = ["-" if not o or not o.phases else phase(o) for o in own]
            rows.append({"label": f"{called}: runs in", "cells": cells, "colour": shade})
    return {"columns": [label(run) for run, _ in told], "rows": rows[:MOST]}


def options(runs: Sequence[RunData]) -> dict[str, int]:
    """Name -> number of all options of some runs, in their order."""
    return {name: k for run in reversed(runs) for k, name in enumerate(run.options)} if runs else {}


def number(x: Any) -> str:
    """Two digits; - for nothing."""
    return f"{x:.2f}" if isinstance(x, int | float) else "-"


def lasted(option: OptionRow | None) -> str:
    """Mean steps of the runs that an option ended, and of those that were cut."""
    if option is None:
        return "-"
    ended = [f"{option.duration:.0f}"] if option.duration is not None else []
    cut = [f"({option.cut_duration:.0f})"] if option.cut_duration is not None else []
    return " ".join(ended + cut) or "-"


def phase(option: OptionRow) -> str:
    """The phase of most of its steps, and whether it is the one that its definition names."""
    main = max(option.phases, key=option.phases.__getitem__)
    agrees = "" if not option.meant_for or option.meant_for == main else f", meant for {legible(option.meant_for)}"
    return f"{legible(main)} ({option.phases[main]:.0%}){agrees}"


def ablation_table(runs: Sequence[RunData]) -> dict[str, Any] | None:
    """Success (or return) of each run with parts taken away; none where nothing was."""
    told = [(run, run.diagnosis.ablations) for run in runs if run.diagnosis and len(run.diagnosis.ablations) > 1]
    if not told:
        return None
    figures = ["any" if "any" in next(iter(ablations.values())) else "return" for _, ablations in told]
    names = list(dict.fromkeys(name for _, ablations in told for name in ablations))[:MOST]

    def cell(found: Value | None, figure: str) -> str:
        return "-" if found is None else f"{found.value:.2f}" if figure == "any" else f"{found.value:,.1f}"

    rows = [
        {
            "label": legible(name, LONG),
            "cells": [
                cell(ablations.get(name, {}).get(figure), figure)
                for (_, ablations), figure in zip(told, figures, strict=True)
            ],
        }
        for name in names
    ]
    columns = [f"{label(run)}: {LABELS[figure]}" for (run, _), figure in zip(told, figures, strict=True)]
    return {"columns": columns, "rows": rows}


def settings_rows(run: RunData) -> list[tuple[str, str]]:
    """Every setting and version of a run."""
    rows = []
    for name, value in run.settings.items():
        pairs = value.items() if isinstance(value, dict) else [(name, value)]
        rows += [(legible(str(n)), written(v)) for n, v in pairs]
    return rows[:MOST] + [(f"version of {legible(name)}", legible(text)) for name, text in run.versions.items()]


def written(value: Any) -> str:
    """A setting as on the command line."""
    if isinstance(value, dict):
        return legible(as_written(value), LONG) or "none"
    if isinstance(value, list | tuple):
        return legible(" ".join(map(str, value)), LONG) or "none"
    if value in (None, ""):
        return "none"
    return f"{value:,}" if isinstance(value, int) and value is not True else legible(str(value), LONG)
