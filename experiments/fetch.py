"""The Fetch tasks, paid only at the goal: options, and what they are to be measured by.

    option-critic train fetch-reach --num-options 1      # the parent of `skill`: into runs/fetch-reach/seed-0
    option-critic skills export runs/fetch-reach/seed-0 --out skills
    option-critic sweep experiments/fetch.py --out runs/fetch      # begins, or goes on; several may share the folder
    python experiments/fetch.py table --out runs/fetch             # markdown, and fetch.json there
    python experiments/fetch.py figure --out runs/fetch            # fetch.png there

Judged on 100 episodes without noise. FetchPickAndPlace, all by the preset with the same steps and updates:

- `named`: reach, grasp and move (`options_from=fetch`), the preset.
- `flat`: one option, which is soft actor-critic with hindsight.
- `unnamed`: three options of which nothing is said.
- `no-hindsight`: flat, from what happened alone.
- `held`: the same, each action held for three steps; its gamma is that of three steps, and it makes as
  many updates as the others.
- `told`: flat, paid for coming nearer to the object as reach is, and it sees the interests of all three.
- `skill`: named, but reach is a frozen FetchReach agent told that the object is its goal (`fetch_controls.py`).

FetchPush: `push-named`, approach and push (the preset), and `push-flat`. FetchReach: two options of which nothing is
said (the preset), and one.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from option_critic.algorithms.settings import SACOCSettings
from option_critic.errors import InputError
from option_critic.evaluation.intervals import mean
from option_critic.presets import settings_for
from option_critic.runs.files import read_json
from option_critic.runs.logs import STEPS, read_log
from option_critic.runs.paths import RunPath
from option_critic.sweeps.index import read_index
from option_critic.sweeps.plan import Evaluation, PlannedRun

REACH, PUSH, PLACE, HELD = "fetch-reach", "fetch-push", "fetch-pick-place", 3
FLAT: dict[str, Any] = {"options_from": "", "num_options": 1}
PRESET = settings_for(PLACE).learning
assert isinstance(PRESET, SACOCSettings)
GAMMA, UPDATES = PRESET.gamma, {"updates_per_step": PRESET.updates_per_step * HELD}
VARIANTS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "named": (PLACE, 5, {}),
    "flat": (PLACE, 5, FLAT),
    "unnamed": (PLACE, 2, {"options_from": "", "num_options": 3}),
    "no-hindsight": (PLACE, 2, FLAT | {"hindsight": 0.0}),
    "held": (PLACE, 2, FLAT | {"hindsight": 0.0, "action_repeat": HELD, "gamma": GAMMA**HELD, **UPDATES}),
    "told": (PLACE, 2, {"options_from": "fetch_controls:PAID", "observe_interest": "fetch"}),
    "skill": (PLACE, 2, {"options_from": "fetch_controls:SKILLED"}),
    "push-named": (PUSH, 3, {}),
    "push-flat": (PUSH, 3, FLAT),
    "reach-unnamed": (REACH, 3, {}),
    "reach-flat": (REACH, 3, {"num_options": 1}),
}
"""Name -> preset, how many seeds, from 0 on, and what it sets beside the preset."""
RUNS = [
    PlannedRun(target=target, seed=seed, name=name, settings=settings, evaluation=Evaluation(episodes=100))
    for name, (target, seeds, settings) in VARIANTS.items() for seed in range(seeds)
]  # fmt: skip
LAST = "rollout/success_rate"
"""Success at the last step of recent training episodes, with noise."""
ENOUGH = 0.9
Record = dict[str, Any]
"""name, seed, steps; curve: points [steps, success at the last step]; judged: figure -> share of the episodes"""


def found(out: Path, kept: Path | None) -> dict[str, list[Record]]:
    """Name -> a record of each seed that is done: of OUT, and where it lacks one of what was `kept` of another.
    Raises InputError where there is none at all."""
    done = {record["place"]: record for record in (json.loads(kept.read_text()) if kept else ())}
    runs = read_index(RunPath.of(out))["runs"]
    for run in RUNS:
        results = runs.get(run.place, {}).get("results", {})
        if results:
            folder = run.folder(RunPath.of(out))
            rows, _ = read_log(folder / "metrics.jsonl")
            curve = [[int(row[STEPS]), round(row[LAST], 4)] for row in rows if row.get(LAST) is not None]
            judged = {name: x["value"] for name, x in next(reversed(results.values())).items()}
            done[run.place] = {
                "place": run.place, "name": run.name, "seed": run.seed, "steps": curve[-1][0], "curve": curve[::4],
                "judged": judged, "versions": read_json(folder / "versions.json"),
            }  # fmt: skip
    if not done:
        raise InputError(f"{out} has no results yet: option-critic sweep experiments/fetch.py --out {out}")
    return {name: [done[r.place] for r in RUNS if r.name == name and r.place in done] for name in VARIANTS}


def shown(values: list[float]) -> str:
    """Of each seed."""
    return " ".join(f"{x:.2f}".removeprefix("0") for x in values)


def table(records: dict[str, list[Record]]) -> str:
    """Markdown: a row for each variant, in each cell its seeds."""
    lines = ["| agent | seeds | thousand steps to .90 in training | at the last step | at any | mean of the last |"]
    lines.append("|---|---:|---|---|---|---|")
    for name, each in records.items():
        last, anywhere = ([r["judged"][figure] for r in each] for figure in ("final", "any"))
        over = mean(last)
        if over is None:
            continue
        first = [next((steps for steps, success in r["curve"] if success >= ENOUGH), None) for r in each]
        reached = " ".join("-" if steps is None else f"{steps / 1000:.0f}" for steps in first)
        whole = f"{over.value:.2f} [{max(over.low, 0):.2f}, {min(over.high, 1):.2f}]"
        lines.append(f"| {name} | {len(each)} | {reached} | {shown(last)} | {shown(anywhere)} | {whole} |")
    return "\n".join(lines)


def figure(records: dict[str, list[Record]], out: Path) -> Path:
    """Medians of success in training on FetchPickAndPlace, and the range of the seeds; where the picture is."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    drawing, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for number, name in enumerate(n for n, (target, _, _) in VARIANTS.items() if target == PLACE):
        each = [np.array(r["curve"]).T for r in records[name]]
        if not each:
            continue
        steps = np.linspace(0, max(x[-1] for x, _ in each), 200)
        lines = np.array([np.interp(steps, x, y, left=0) for x, y in each])
        axes.plot(steps / 1000, np.median(lines, 0), label=f"{name} ({len(each)})", color=f"C{number}")
        axes.fill_between(steps / 1000, lines.min(0), lines.max(0), color=f"C{number}", alpha=0.15)
    axes.set(xlabel="thousand steps", ylabel="success at the last step, in training", ylim=(-0.02, 1.02))
    axes.legend(frameon=False)
    drawing.savefig(out / "fetch.png", dpi=110)
    return out / "fetch.png"


def main() -> int:
    """Show what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("table", "figure"))
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kept", type=Path, help="a fetch.json, for runs that OUT lacks: docs/results/fetch.json")
    args = parser.parse_args()
    try:
        records = found(args.out, args.kept)
        if args.what == "table":
            lines = ",\n".join(json.dumps(record) for each in records.values() for record in each)
            (args.out / "fetch.json").write_text(f"[\n{lines}\n]\n")
        print(table(records) if args.what == "table" else figure(records, args.out))
    except InputError as error:
        print(f"fetch.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
