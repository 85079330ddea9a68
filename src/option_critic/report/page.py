"""The page: one file that opens from disk, needs no network, and shows which option did what, when and why."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Any

from option_critic import __version__
from option_critic.options.look import colour
from option_critic.report.charts import goal_map, learning_curves, options_over_training, run_lengths
from option_critic.report.encode import encode
from option_critic.report.gather import Evaluated, RunData
from option_critic.report.summary import figure_tables, group_rows, headline
from option_critic.report.tables import ablation_table, diagnosis_table, label, settings_rows
from option_critic.runs.files import writing

Films = Mapping[tuple[Path, str], Mapping[int, Mapping[str, Any]]]
"""(run folder, evaluation) -> episode -> path, fps, frames and why it was filmed"""
SCRIPTS = ("look", "curves", "run", "timeline", "player", "choices")
LIMIT = 15_000_000
"""Bytes of a page: more opens slowly, and is refused as an attachment."""
EPISODES = 500
"""Episodes with a timeline on a page, over all runs."""
ROOM_FOR_VIDEOS = 6_000_000


def build(
    runs: Sequence[RunData],
    films: Films,
    rooms: Sequence[Mapping[str, Any]],
    command: str,
    problems: Mapping[Path, Sequence[str]] = MappingProxyType({}),
) -> str:
    """The page as HTML: `problems` are those that came up since the runs were read."""
    import jinja2
    from plotly.offline import get_plotlyjs

    here = resources.files("option_critic.report") / "assets"
    template = jinja2.Environment(autoescape=True).from_string((here / "page.html").read_text())
    env_ids = dict.fromkeys(run.env_id for run in runs if run.env_id)
    return template.render(
        title=", ".join(name.removeprefix("Meta-World/") for name in env_ids) or runs[0].group,
        headline=headline(runs),
        style=safe((here / "style.css").read_text()),
        script=safe("\n".join((here / f"{name}.js").read_text() for name in SCRIPTS)),
        plotly=safe(get_plotlyjs()),
        data=safe(json.dumps(data(runs, films, rooms), allow_nan=False).replace("</", "<\\/")),
        groups=(found := group_rows(runs)),
        baseline=any(g.flat for g in found),
        figures=figure_tables(runs),
        diagnosis=diagnosis_table(runs),
        ablations=ablation_table(runs),
        rooms=bool(rooms),
        alarms=[
            {"run": label(run), "steps": f"{int(a['time/total_timesteps']):,}", "says": a.get("says", "")}
            for run in runs for a in run.alarms
        ],
        problems=said_once(runs, problems),
        settings=[{"run": label(run), "rows": settings_rows(run)} for run in runs],
        version=__version__,
        command=command,
    )  # fmt: skip


def said_once(runs: Sequence[RunData], problems: Mapping[Path, Sequence[str]]) -> list[dict[str, str]]:
    """Each problem with the runs that have it."""
    who: dict[str, list[str]] = {}
    for run in runs:
        for says in (*run.problems, *problems.get(run.folder, ())):
            who.setdefault(says, []).append(label(run))
    return [{"run": "; ".join(names), "says": says} for says, names in who.items()]


def safe(text: str) -> Any:
    """Our own text and Plotly's, which goes into the page as it is."""
    import markupsafe

    return markupsafe.Markup(text)


def data(runs: Sequence[RunData], films: Films, rooms: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the page's script reads."""
    shown = sum(bool(e.trace) for run in runs for e in run.evaluated)
    each = max(4, min(100, EPISODES // max(1, shown)))
    left = [ROOM_FOR_VIDEOS]
    return {
        "curves": learning_curves(runs),
        "rooms": list(rooms) or None,
        "runs": [
            {
                "label": label(run),
                "options": run.option_names,
                "colours": [colour(k) for k in range(len(run.option_names))],
                "training": options_over_training(run),
                "evaluations": [
                    packed
                    | {
                        "lengths": run_lengths(e, run.option_names),
                        "goals": goal_map(e),
                        "videos": embedded(films.get((run.folder, e.key), {}), left),
                    }
                    for e in by_interest(run.evaluated)
                    if (packed := encode(e, each, films.get((run.folder, e.key), {}))) is not None
                ],
            }
            for run in runs
        ],
    }


def by_interest(evaluated: Sequence[Evaluated]) -> list[Evaluated]:
    """The held-out goals first, deterministic before stochastic."""
    order = {goals: i for i, goals in enumerate("BACD")}
    return sorted(evaluated, key=lambda e: (e.result["mode"] != "deterministic", order.get(e.result["goals"], 9)))


def embedded(films: Mapping[int, Mapping[str, Any]], left: list[int]) -> dict[int, dict[str, Any]]:
    """Videos as part of the page while there is room (`left`, in bytes); what is left out stays in the run folder."""
    found = {}
    for number, film in films.items():
        content = film["path"].read_bytes()
        if len(content) * 4 // 3 > left[0]:
            continue
        left[0] -= len(content) * 4 // 3
        source = "data:video/mp4;base64," + base64.b64encode(content).decode()
        why = {"median": "as fast as most", "slowest": "the slowest that succeeds", "failed": "one that fails"}
        note = f"{why.get(film['why'], film['why'])}; {film['frames']} steps, {film['fps']} a second"
        found[number] = {"src": source, "fps": film["fps"], "frames": film["frames"], "why": film["why"], "note": note}
    return found


def write(path: Path, page: str) -> None:
    """In full, or as it was before."""
    new = path.with_name(f".{path.name}.new")
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            new.write_text(page)
            new.replace(path)
        finally:
            new.unlink(missing_ok=True)
