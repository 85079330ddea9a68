"""Ten and fifty tasks at once: one agent whose three options do not see the task, and a flat one of as many weights.
One seed besides of options that see it, as the flat agent does: what is lost by sharing alone.

    option-critic sweep experiments/many_tasks.py --out runs/many     # begins, or goes on; several may share the folder
    python experiments/many_tasks.py table --out runs/many            # markdown, and many_tasks.json there
    python experiments/many_tasks.py figure --out runs/many           # many_tasks.png there

By the presets `mt10` and `mt50`; judged on the official package, the 50 goals of MT1 seed 10001 of each task, without
noise, last checkpoint.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from sweep_records import Record, draw_curves, each, share, show

from option_critic.envs.metaworld import BENCHMARKS
from option_critic.options.look import colour
from option_critic.sweeps.plan import Evaluation, PlannedRun

GOALS = 10001
FLAT_WIDTH = {"mt10": 279, "mt50": 539}
"""Preset -> the width at which one option has as many weights that learn as the preset's three."""
SEEDS = {"mt10": 3, "mt50": 1}
AGENTS = ("options", "flat", "seeing")


def settings(preset: str, agent: str) -> dict[str, Any]:
    """What an agent is told beside the preset."""
    if agent == "flat":
        return {"num_options": 1, "hidden_dim": FLAT_WIDTH[preset]}
    return {"options_see_task": True} if agent == "seeing" else {}


RUNS = [
    PlannedRun(target=preset, seed=seed, name=name, evaluation=Evaluation(goals_seed=GOALS),
               settings=settings(preset, name))
    for preset, seeds in SEEDS.items() for seed in range(seeds) for name in AGENTS
    if name != "seeing" or (preset, seed) == ("mt10", 0)
]  # fmt: skip
ANY = "rollout/success_any_rate"
"""Success at any step of recent training episodes of all tasks, with noise."""


def of(found: list[Record], preset: str, agent: str) -> list[Record]:
    """Its seeds."""
    return [r for r in found if r["name"] == agent and r["target"] == preset]


def tasks_of(preset: str) -> tuple[str, ...]:
    """In the package's order."""
    return BENCHMARKS[preset.upper()]


def over_tasks(found: list[Record], preset: str) -> list[str]:
    """Markdown: a row for each agent, means over the tasks."""
    lines = [
        "| agent | million steps | hours | GiB | any-step | held | final | mean of any-step |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for agent in AGENTS:
        if those := of(found, preset, agent):
            steps = " ".join(f"{r['steps'] / 1e6:.1f}" for r in those)
            hours = " ".join(f"{r['hours']:.1f}" for r in those)
            figures = " | ".join(each(those, name) for name in ("any", "held", "final"))
            memory = " ".join(f"{r['memory']:.1f}" for r in those)
            lines.append(f"| {agent} | {steps} | {hours} | {memory} | {figures} | {share(those, 'any')} |")
    return lines


def each_task(found: list[Record], preset: str) -> list[str]:
    """Markdown: a row for each task, any-step success of each seed, and how much each option did
    in each."""
    lines = ["| task | options | flat | seeing | shares of the options |", "|---|---|---|---|---|"]
    groups = {agent: of(found, preset, agent) for agent in AGENTS}
    for task in tasks_of(preset):
        cells = [" ".join(f"{r['tasks'][task]['any']:.2f}" for r in those) or "-" for those in groups.values()]
        shared = [" / ".join(f"{x:.2f}" for x in r["tasks"][task]["shares"].values()) for r in groups["options"]]
        lines.append(f"| {task.removesuffix('-v3')} | {' | '.join(cells)} | {', '.join(shared) or '-'} |")
    return lines


def table(found: list[Record]) -> str:
    """Both tables of each benchmark that has some."""
    parts = list[str]()
    for preset in SEEDS:
        if any(r["target"] == preset for r in found):
            parts += [f"## {preset.upper()}", "", *over_tasks(found, preset), "", *each_task(found, preset), ""]
    return "\n".join(parts).rstrip()


def figure(found: list[Record], out: Path) -> Path:
    """Success in training, and which option serves which task (first seed), of each benchmark that has some."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    shown = [preset for preset in SEEDS if any(r["target"] == preset for r in found)]
    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    height = 1 + sum(1.6 + 0.2 * len(tasks_of(preset)) for preset in shown)
    drawing, panels = plt.subplots(len(shown), 2, figsize=(9, height), layout="constrained", squeeze=False)
    for preset, (left, right) in zip(shown, panels, strict=True):
        draw_curves(left, {agent: of(found, preset, agent) for agent in AGENTS})
        left.set(xlabel="thousand steps", ylabel="success in training, all tasks", title=preset.upper())
        left.legend(frameon=False)
        if those := of(found, preset, "options"):
            bars(right, those[0], tasks_of(preset))
    drawing.savefig(out / "many_tasks.png", dpi=110)
    return out / "many_tasks.png"


def bars(axes: Any, record: Record, tasks: tuple[str, ...]) -> None:
    """The share of each option in each task."""
    shares = [record["tasks"][task]["shares"] for task in tasks]
    start = [0.0] * len(tasks)
    for number, option in enumerate(shares[0]):
        widths = [of_task[option] for of_task in shares]
        axes.barh(range(len(tasks)), widths, left=start, color=colour(number), label=option)
        start = [a + b for a, b in zip(start, widths, strict=True)]
    names = [f"{task.removesuffix('-v3')} ({record['tasks'][task]['any']:.2f})" for task in tasks]
    axes.set_yticks(range(len(tasks)), names)
    axes.invert_yaxis()
    axes.set(xlim=(0, 1), xlabel="share of the options (any-step success)")


if __name__ == "__main__":
    sys.exit(show(__doc__, RUNS, ANY, table, figure))
