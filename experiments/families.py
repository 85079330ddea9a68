"""Options for pushing, and for buttons, doors and levers: where they help.

    option-critic sweep experiments/families.py --out runs/families   # begins, or goes on; several may share it
    python experiments/families.py table --out runs/families            # markdown, and families.json there
    python experiments/families.py figure --out runs/families           # families.png there

Six tasks, four agents by the preset of the task, the same steps, noise and updates; judged on the official package,
50 goals of MT1 seed 10001, without noise:

- `named`: approach and push, or approach and operate, as they ship. They are paid besides for bringing the hand to
  where the object can be moved from.
- `told`: one option, which is paid the same and sees both interests: what the definitions know, without the options.
- `unnamed`: two options of which nothing is said.
- `flat`: one.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from sweep_records import Record, draw_curves, each, each_first, share, show

from option_critic.envs.metaworld import PREFIX
from option_critic.sweeps.plan import Evaluation, PlannedRun

PUSH, OPERATE = "approach-push", "approach-operate"
TASKS = {
    "push": (PUSH, "PUSH"),
    "push-back": (PUSH, "PUSH"),
    "soccer": (PUSH, "PUSH"),
    "lever-pull": (OPERATE, "LEVER_PULL"),
    "door-open": (OPERATE, "DOOR_OPEN"),
    "handle-pull": (OPERATE, "HANDLE_PULL"),
}
"""Task -> the set of options that is meant for it, and the control `told` in `families_controls.py`."""
AGENTS = ("named", "told", "unnamed", "flat")
SEEDS = {"named": 3, "told": 1, "unnamed": 3, "flat": 3}
"""Agent -> how many seeds, from 0 on."""
STEPS, GOALS = 500_000, 10001
SAME = {"noise_color_first": 1.0, "noise_color": 1.0, "risk_seeking": 0.0, "final_risk_seeking": None,
        "total_timesteps": STEPS, "checkpoint_every": STEPS // 2}  # fmt: skip
"""Of all agents: the preset of when the first of them was trained."""
ANY = "rollout/success_any_rate"
"""Success at any step of recent training episodes, with noise."""


def settings(agent: str, task: str) -> dict[str, Any]:
    """What an agent is told beside the preset."""
    reference, control = TASKS[task]
    each: dict[str, dict[str, Any]] = {
        "named": {"options_from": reference},
        "told": {"options_from": f"families_controls:{control}", "observe_interest": reference},
        "unnamed": {"num_options": 2},
        "flat": {"num_options": 1},
    }
    return SAME | each[agent]


RUNS = [
    PlannedRun(
        target=f"{PREFIX}{task}-v3", seed=seed, name=agent, settings=settings(agent, task),
        evaluation=Evaluation(goals_seed=GOALS),
    )
    for seed in range(max(SEEDS.values())) for task in TASKS for agent in AGENTS if seed < SEEDS[agent]
]  # fmt: skip


def of(found: list[Record], task: str, agent: str) -> list[Record]:
    """Its seeds."""
    return [r for r in found if r["name"] == agent and r["target"] == f"{PREFIX}{task}-v3"]


def table(found: list[Record]) -> str:
    """Markdown: a row for each task and agent, in each cell its seeds."""
    lines = ["| task | agent | thousand steps to .90 in training | any-step | held | mean of any-step |"]
    lines.append("|---|---|---|---|---|---|")
    for task in TASKS:
        for agent in AGENTS:
            if those := of(found, task, agent):
                reached, anywhere, held = each_first(those), each(those, "any"), each(those, "held")
                lines.append(f"| {task} | {agent} | {reached} | {anywhere} | {held} | {share(those, 'any')} |")
    return "\n".join(lines)


def figure(found: list[Record], out: Path) -> Path:
    """Success in training, a panel for each task; where the picture is."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    plt.rcParams.update({"font.size": 9, "axes.spines.top": False, "axes.spines.right": False})
    drawing, panels = plt.subplots(2, 3, figsize=(8, 4.6), sharex=True, sharey=True, layout="constrained")
    for task, axes in zip(TASKS, panels.flat, strict=True):
        draw_curves(axes, {agent: of(found, task, agent) for agent in AGENTS})
        axes.set_title(f"{task} ({TASKS[task][0]})", fontsize=9)
    panels[0, 0].legend(frameon=False, fontsize=8)
    drawing.supxlabel("thousand steps", fontsize=9)
    drawing.supylabel("success in training", fontsize=9)
    drawing.savefig(out / "families.png", dpi=110)
    return out / "families.png"


if __name__ == "__main__":
    sys.exit(show(__doc__, RUNS, ANY, table, figure))
