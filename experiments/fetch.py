"""The Fetch tasks, paid only at the goal: options, and what they are to be measured by.

    option-critic train fetch-reach --num-options 1 --out runs/reach-flat     # the parent of `skill`
    option-critic skills export runs/reach-flat/seed-0 --out skills
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

import sys
from pathlib import Path
from typing import Any

from sweep_records import Record, draw_curves, each, each_first, share, show

from option_critic.algorithms.settings import SACOCSettings
from option_critic.presets import settings_for
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


def by_name(found: list[Record]) -> dict[str, list[Record]]:
    """Each variant that has some."""
    named = {name: [record for record in found if record["name"] == name] for name in VARIANTS}
    return {name: those for name, those in named.items() if those}


def table(found: list[Record]) -> str:
    """Markdown: a row for each variant, in each cell its seeds."""
    lines = ["| agent | seeds | thousand steps to .90 in training | at the last step | at any | mean of the last |"]
    lines.append("|---|---:|---|---|---|---|")
    for name, those in by_name(found).items():
        reached, last, anywhere = each_first(those), each(those, "final"), each(those, "any")
        lines.append(f"| {name} | {len(those)} | {reached} | {last} | {anywhere} | {share(those, 'final')} |")
    return "\n".join(lines)


def figure(found: list[Record], out: Path) -> Path:
    """Success in training on FetchPickAndPlace; where the picture is."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"font.size": 10, "axes.spines.top": False, "axes.spines.right": False})
    drawing, axes = plt.subplots(figsize=(7, 4), layout="constrained")
    placing = {name: those for name, those in by_name(found).items() if VARIANTS[name][0] == PLACE}
    draw_curves(axes, {f"{name} ({len(those)})": those for name, those in placing.items()})
    axes.set(xlabel="thousand steps", ylabel="success at the last step, in training")
    axes.legend(frameon=False)
    drawing.savefig(out / "fetch.png", dpi=110)
    return out / "fetch.png"


if __name__ == "__main__":
    sys.exit(show(__doc__, RUNS, LAST, table, figure))
