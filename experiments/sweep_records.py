"""What was found by the runs of a sweep: one record a run, small enough to be kept beside the results."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from option_critic.errors import InputError
from option_critic.evaluation.intervals import mean
from option_critic.runs.figures import Interval, read_evaluation
from option_critic.runs.files import read_json
from option_critic.runs.logs import STEPS, read_log
from option_critic.runs.paths import RunPath
from option_critic.sweeps.index import judgements, read_index, results_of
from option_critic.sweeps.plan import PlannedRun

EVERY = 4
"""Of a curve every so many points are kept."""
ENOUGH = 0.9
"""Success in training at which a task counts as learned."""
Record = dict[str, Any]
"""place, name, target, seed, steps; hours that it was trained for; memory: the most that it held, in GiB; first: steps
after which success in training was ENOUGH for the first time (null: never); curve: points [steps, success in training];
judged: figure -> its value; tasks: of several, name -> its figures, and the shares of the options; versions: what the
run was made with"""


def records(runs: Sequence[PlannedRun], out: Path, kept: Path | None, success: str) -> list[Record]:
    """One for each of `runs` that is done, in their order: of the sweep in OUT, and where it lacks one of what was
    `kept` of another. `success`: the metric of the curves.

    Raises InputError where there is none at all.
    """
    done = {record["place"]: record for record in (json.loads(kept.read_text()) if kept else ())}
    entries = read_index(RunPath.of(out))["runs"]
    for run in runs:
        key, folder = key_of(run, entries.get(run.place, {})), run.folder(RunPath.of(out))
        if key in results_of(folder):
            done[run.place] = record_of(run, folder, key, success)
        elif entries.get(run.place, {}).get("status") == "done" and run.place not in done:
            print(f"{run.place}: it was not judged as planned; give the sweep's command again", file=sys.stderr)
    found = [done[run.place] for run in runs if run.place in done]
    if not found:
        raise InputError(f"{out} has no results yet: begin with option-critic sweep")
    return found


def key_of(run: PlannedRun, entry: Mapping[str, Any]) -> str:
    """In evaluation.json, of what the plan says: the last step, its goals and mode (deterministic, where it is both).
    Others may have been added since."""
    name, mode = judgements(run)[0]
    return f"{entry.get('steps', 0):012d}-{name}-{mode}"


def record_of(run: PlannedRun, folder: RunPath, key: str, success: str) -> Record:
    """That of one run, as its evaluation of that key has it."""
    rows, _ = read_log(folder / "metrics.jsonl")
    curve = [[int(row[STEPS]), round(row[success], 4)] for row in rows if row.get(success) is not None]
    times, _ = read_log(folder / "timing.jsonl")
    spent = sum(row["time/collect_seconds"] + row["time/improve_seconds"] for row in times)
    result = read_evaluation(folder / "evaluation.json").sound()[key]
    tasks = {name: values(task.summary) | {"shares": task.shares} for name, task in result.tasks.items()}
    return {
        "place": run.place, "name": run.name, "target": run.target, "seed": run.seed, "steps": curve[-1][0],
        "hours": round(spent / 3600, 3), "memory": round(max(row["time/peak_memory"] for row in times), 2),
        "first": first_of(curve), "curve": [*curve[:-1:EVERY], curve[-1]],
        "judged": values(result.summary), **({"tasks": tasks} if tasks else {}),
        "versions": read_json(folder / "versions.json"),
    }  # fmt: skip


def values(summary: Mapping[str, Interval | None]) -> dict[str, Any]:
    """Figures without their intervals."""
    return {name: x and x.value for name, x in summary.items()}


def keep(found: Sequence[Record], path: Path) -> None:
    """Write them, one a line."""
    lines = ",\n".join(json.dumps(record) for record in found)
    path.write_text(f"[\n{lines}\n]\n")


def first_of(curve: Sequence[Sequence[float]]) -> int | None:
    """Steps after which success in training is ENOUGH for the first time."""
    return next((int(steps) for steps, success in curve if success >= ENOUGH), None)


def each_first(found: Sequence[Record]) -> str:
    """The same of each seed, in thousands; -: never. Older records tell it by the points that were kept."""
    firsts = [record["first"] if "first" in record else first_of(record["curve"]) for record in found]
    return " ".join("-" if steps is None else f"{steps / 1000:.0f}" for steps in firsts)


def each(found: Sequence[Record], figure: str) -> str:
    """A figure of each seed."""
    return " ".join(f"{record['judged'][figure]:.2f}".removeprefix("0") for record in found)


def share(found: Sequence[Record], figure: str) -> str:
    """The mean of a share, and its 95 % interval; of one alone the share."""
    over = mean([record["judged"][figure] for record in found])
    if over is None or over.n == 1:
        return "-" if over is None else f"{over.value:.2f}"
    return f"{over.value:.2f} [{max(over.low, 0):.2f}, {min(over.high, 1):.2f}]"


def draw_curves(axes: Any, groups: dict[str, Sequence[Record]]) -> None:
    """Medians of success in training, and the range of the seeds, of each group of records."""
    for number, (label, found) in enumerate(groups.items()):
        if not found:
            continue
        curves = [np.array(record["curve"]).T for record in found]
        steps = np.linspace(0, max(x[-1] for x, _ in curves), 200)
        lines = np.array([np.interp(steps, x, y, left=0) for x, y in curves])
        axes.plot(steps / 1000, np.median(lines, 0), label=label, color=f"C{number}")
        axes.fill_between(steps / 1000, lines.min(0), lines.max(0), color=f"C{number}", alpha=0.15)
    axes.set(ylim=(-0.02, 1.02))


def show(
    doc: str, runs: Sequence[PlannedRun], success: str, table: Callable[[list[Record]], str],
    figure: Callable[[list[Record], Path], Path],
) -> int:  # fmt: skip
    """The command line of an experiment: `table` and `figure` of what was found; the exit code."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("table", "figure"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kept", type=Path, help="records of runs that OUT lacks: a JSON file that `table` wrote")
    args = parser.parse_args()
    try:
        found = records(runs, args.out, args.kept, success)
        if args.what == "table":
            keep(found, args.out / f"{Path(sys.argv[0]).stem}.json")
        print(table(found) if args.what == "table" else figure(found, args.out))
    except InputError as error:
        print(f"{Path(sys.argv[0]).name}: {error}", file=sys.stderr)
        return 2
    return 0
