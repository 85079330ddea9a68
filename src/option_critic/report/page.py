"""The page: one file that opens from disk, needs no network, and shows which option did what, when and why."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from importlib import resources
from types import MappingProxyType
from typing import Any

from option_critic import __version__
from option_critic.evaluation.trace import Trace
from option_critic.legible import legible
from option_critic.options.look import colour
from option_critic.report.charts import (
    goal_map,
    judged_curves,
    learning_curves,
    options_over_training,
    plain,
    run_lengths,
)
from option_critic.report.encode import encode, size
from option_critic.report.run_data import RunData, by_interest
from option_critic.report.summary import figure_tables, group_rows, headline
from option_critic.report.tables import ablation_table, diagnosis_table, label, settings_rows
from option_critic.report.tasks import task_tables
from option_critic.runs.files import writing
from option_critic.runs.logs import STEPS
from option_critic.runs.paths import RunPath

Films = Mapping[tuple[RunPath, str], Mapping[int, Mapping[str, Any]]]
"""(run folder, evaluation) -> episode -> content, fps, frames and why it was filmed"""
SCRIPTS = ("look", "curves", "run", "timeline", "player", "choices")
LIMIT = 15_000_000
"""Bytes of a page: more opens slowly, and is refused as an attachment."""
EPISODES = 500
"""Episodes with a timeline on a page, over all runs."""
ROOM_FOR_VIDEOS, ROOM_FOR_STEPS = 6_000_000, 5_000_000
"""Characters of a page, for all videos and for all timelines."""
MOST_ALARMS = 500
LONG = 1_000
"""Characters of what a run says in words."""


def build(
    runs: Sequence[RunData],
    films: Films,
    rooms: Sequence[Mapping[str, Any]],
    command: str,
    problems: Mapping[RunPath, Sequence[str]] = MappingProxyType({}),
) -> str:
    """The page as HTML: `problems` are those that came up since the runs were read."""
    import jinja2
    from plotly.offline import get_plotlyjs

    here = resources.files("option_critic.report") / "assets"
    template = jinja2.Environment(autoescape=True, finalize=shown).from_string((here / "page.html").read_text())
    env_ids = dict.fromkeys(legible(run.env_id) for run in runs if run.env_id)
    script, plotly = "\n".join((here / f"{name}.js").read_text() for name in SCRIPTS), get_plotlyjs()
    alarms = [(run, a) for run in runs for a in run.alarms]
    return template.render(
        title=", ".join(name.removeprefix("Meta-World/") for name in env_ids) or runs[0].group,
        headline=headline(runs),
        style=safe((here / "style.css").read_text()),
        script=safe(script),
        plotly=safe(plotly),
        allowed=" ".join(map(fingerprint, (plotly, script))),
        data=jinja2.utils.htmlsafe_json_dumps(data(runs, films, rooms), allow_nan=False),
        groups=(found := group_rows(runs)),
        baseline=any(g.flat for g in found),
        figures=figure_tables(runs),
        diagnosis=diagnosis_table(runs),
        ablations=ablation_table(runs),
        tasks=task_tables(runs),
        judged=any(run.judged for run in runs),
        rooms=bool(rooms),
        alarms=[
            {"run": label(run), "steps": f"{int(a[STEPS]):,}", "says": str(a.get("says", ""))}
            for run, a in alarms[:MOST_ALARMS]
        ],
        alarms_left=len(alarms[MOST_ALARMS:]),
        problems=said_once(runs, problems),
        settings=[{"run": label(run), "rows": settings_rows(run)} for run in runs],
        version=__version__,
        command=command,
    )  # fmt: skip


def said_once(runs: Sequence[RunData], problems: Mapping[RunPath, Sequence[str]]) -> list[dict[str, str]]:
    """Each problem with the runs that have it."""
    who: dict[str, list[str]] = {}
    traces = sum(e.trace is not None for run in runs for e in run.evaluated)
    for run in runs:
        crowded = [e.key for e in run.evaluated if e.trace is not None and not fitting(e.trace, traces)]
        left_out = [f"no timelines of {key}: there is no room for them on the page" for key in crowded]
        for says in (*run.problems, *problems.get(run.folder, ()), *left_out):
            who.setdefault(says, []).append(label(run))
    return [{"run": "; ".join(names), "says": says} for says, names in who.items()]


def shown(value: Any) -> Any:
    """What goes into the page: text of others in printable characters. It is escaped after that."""
    return value if hasattr(value, "__html__") else legible(str(value), LONG)


def fingerprint(script: str) -> str:
    """By which the page's policy knows a script: no other one runs."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"


def safe(text: str) -> Any:
    """Our own text and Plotly's, which goes into the page as it is."""
    import markupsafe

    return markupsafe.Markup(text)


def data(runs: Sequence[RunData], films: Films, rooms: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the page's script reads."""
    traces = [e.trace for run in runs for e in (*run.evaluated, *run.played) if e.trace is not None]
    each = max(4, min(100, EPISODES // max(1, len(traces))))
    return {
        "curves": learning_curves(runs),
        "judged": judged_curves(runs),
        "rooms": list(rooms) or None,
        "runs": [
            {
                "label": label(run),
                "options": run.option_names,
                "labels": [plain(name) for name in run.option_names],
                "colours": [colour(k) for k in range(len(run.option_names))],
                "training": options_over_training(run, len(runs)),
                "evaluations": [
                    packed
                    | {
                        "lengths": run_lengths(e, run.option_names, len(traces)),
                        "goals": goal_map(e, len(traces)),
                        "videos": embedded(films.get((run.folder, e.key), {})),
                    }
                    for e in (*by_interest(run.evaluated), *run.played)
                    if (
                        packed := encode(
                            e, min(each, fitting(e.trace, len(traces))), films.get((run.folder, e.key), {})
                        )
                    )
                    is not None
                ],
            }
            for run in runs
        ],
    }


def fitting(trace: Trace | None, traces: int) -> int:
    """How many episodes of a trace there is room for, as one of so many."""
    return 0 if trace is None else ROOM_FOR_STEPS // traces // size(trace)


def embedded(films: Mapping[int, Mapping[str, Any]]) -> dict[int, dict[str, Any]]:
    """Videos as part of the page."""
    found = {}
    for number, film in films.items():
        source = "data:video/mp4;base64," + base64.b64encode(film["content"]).decode()
        why = {"median": "as fast as most", "slowest": "the slowest that succeeds", "failed": "one that fails"}
        note = f"{why.get(film['why'], film['why'])}; {film['frames']} steps, {film['fps']} a second"
        found[number] = {"src": source, "fps": film["fps"], "frames": film["frames"], "why": film["why"], "note": note}
    return found


def write(path: RunPath, page: str) -> int:
    """In full, or as it was before -> its bytes. Raises WriteError."""
    content = page.encode()
    with writing(path):
        path.write(content)
    return len(content)
