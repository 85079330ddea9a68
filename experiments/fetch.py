"""The Fetch tasks, paid only at the goal: options, and what they are to be measured by.

    option-critic train fetch-reach --num-options 1      # the parent of `skill`: into runs/fetch-reach/seed-0
    option-critic skills export runs/fetch-reach/seed-0 --out skills
    option-critic sweep experiments/fetch.py --out runs/fetch      # begins, or goes on; several may share the folder
    python experiments/fetch.py table --out runs/fetch             # markdown
    python experiments/fetch.py figure --out runs/fetch            # fetch.png there

Judged on 100 episodes without noise. FetchPickAndPlace, all by the preset with the same steps and updates:

- `named`: reach, grasp and move (`options_from=fetch`), the preset.
- `flat`: one option, which is soft actor-critic with hindsight.
- `unnamed`: three options of which nothing is said.
- `no-hindsight`: flat, from what happened alone.
- `held`: the same, each action held for three steps; its gamma is that of three steps, and it makes as
  many updates as the others.
- `skill`: named, but reach is a frozen FetchReach agent told that the object is its goal (`fetch_skill.py`).

FetchPush: `push-named`, approach and push (the preset), and `push-flat`. FetchReach: two options of which nothing is
said (the preset), and one.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import numpy as np

from option_critic.algorithms.settings import SACOCSettings
from option_critic.errors import InputError
from option_critic.evaluation.intervals import mean
from option_critic.presets import settings_for
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
    "skill": (PLACE, 2, {"options_from": "fetch_skill:OPTIONS"}),
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
Curve = list[tuple[int, float]]
"""(steps, success at the last step)"""


def curves(out: Path, name: str) -> list[Curve]:
    """Of each seed of a variant that has begun."""
    folders = [run.folder(RunPath.of(out)) for run in RUNS if run.name == name]
    rows = [read_log(folder / "metrics.jsonl")[0] for folder in folders if (folder.path / "metrics.jsonl").exists()]
    return [[(int(row[STEPS]), row[LAST]) for row in log if row.get(LAST) is not None] for log in rows]


def judged(out: Path, name: str) -> list[dict[str, Any]]:
    """What was found of the seeds that are done, by figure."""
    runs = read_index(RunPath.of(out))["runs"]
    each = (runs.get(run.place, {}).get("results", {}) for run in RUNS if run.name == name)
    return [next(reversed(results.values())) for results in each if results]


def shown(values: list[float | None], digits: int = 2) -> str:
    """Of each seed."""
    return " ".join("-" if x is None else f"{x:.{digits}f}".removeprefix("0") for x in values)


def table(out: Path) -> str:
    """Markdown: a row for each variant, in each cell its seeds. Raises InputError where nothing was found."""
    lines = ["| agent | seeds | thousand steps to .90 in training | at the last step | at any | mean of the last |"]
    lines.append("|---|---:|---|---|---|---|")
    for name in VARIANTS:
        found = judged(out, name)
        if not found:
            continue
        first = [next((steps for steps, success in curve if success >= ENOUGH), None) for curve in curves(out, name)]
        each = " ".join("-" if steps is None else f"{steps / 1000:.0f}" for steps in first)
        last, anywhere = ([row[figure]["value"] for row in found] for figure in ("final", "any"))
        over = mean(last)
        assert over is not None
        whole = f"{over.value:.2f} [{over.low:.2f}, {over.high:.2f}]"
        lines.append(f"| {name} | {len(found)} | {each} | {shown(last)} | {shown(anywhere)} | {whole} |")
    if len(lines) == 2:
        raise InputError(f"{out} has no results yet: option-critic sweep experiments/fetch.py --out {out}")
    return "\n".join(lines)


def figure(out: Path) -> Path:
    """Medians of success in training, and the range of the seeds; where the picture is."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    drawing, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    for number, name in enumerate(n for n, (target, _, _) in VARIANTS.items() if target == PLACE):
        each = [np.array(curve).T for curve in curves(out, name) if curve]
        if not each:
            continue
        steps = np.linspace(0, max(x[-1] for x, _ in each), 200)
        lines = np.array([np.interp(steps, x, y, left=0, right=np.nan) for x, y in each])
        axes.plot(steps / 1000, np.nanmedian(lines, 0), label=f"{name} ({len(each)})", color=f"C{number}")
        axes.fill_between(steps / 1000, np.nanmin(lines, 0), np.nanmax(lines, 0), color=f"C{number}", alpha=0.15)
    axes.set(xlabel="thousand steps", ylabel="success at the last step, in training", ylim=(-0.02, 1.02))
    axes.legend(frameon=False)
    drawing.savefig(out / "fetch.png", dpi=110)
    return out / "fetch.png"


def main() -> int:
    """Show what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("table", "figure"))
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    try:
        print(table(args.out) if args.what == "table" else figure(args.out))
    except InputError as error:
        print(f"fetch.py: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
