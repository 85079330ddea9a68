"""Pictures of learning: any-step success in training of every seed, a panel for each folder of runs.

option-critic train pick-place --seeds 0..4
option-critic train pick-place --seeds 0..4 --num-options 1 --out runs/flat
python experiments/learning_curve.py learning_curve "reach, grasp, move=runs/pick-place" flat=runs/flat
python experiments/learning_curve.py learning_curve     # draws again from docs/results/learning_curve.json

Panels that are in that file already stay there, unless a folder with the same label takes their place.
"""

from __future__ import annotations

import json
import sys
from itertools import cycle
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from option_critic.report.charts import points
from option_critic.report.gather import gather
from option_critic.report.run_data import SUCCESS

COLOURS = ("#0b6e99", "#8c6bb1", "#e08e0b", "#5a7d2a", "#b0413e")
ACROSS = 3
"""Panels side by side."""
EVERY = 4
"""Iterations between two points that are kept."""


def read(folder: Path) -> dict[str, list[list[float]]]:
    """Points (steps, any-step success, return) of each seed under `folder`."""
    curves = {}
    for run in gather([folder]):
        steps, success = points(run.metrics, *SUCCESS)
        returns = np.interp(steps, *points(run.metrics, "rollout/ep_rew_mean"))
        rows = np.stack([steps, success, returns], axis=1).round(4).tolist()
        curves[run.name] = [*rows[::EVERY], rows[-1]]
    return curves


def draw(record: dict[str, dict[str, list[list[float]]]], picture: Path) -> None:
    """A panel for each folder: every seed thin, the median thick."""
    plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})
    rows, columns = -(-len(record) // ACROSS), min(len(record), ACROSS)
    figure, panels = plt.subplots(
        rows, columns, figsize=(10.5, 3.5 * rows), sharey=True, squeeze=False, layout="constrained"
    )
    for axes in panels.flat[len(record) :]:
        axes.set_visible(False)
    for axes, (label, curves), colour in zip(panels.flat, record.items(), cycle(COLOURS), strict=False):
        grid = np.linspace(0, 1.49, 300)
        lines = [np.interp(grid, [p[0] / 1e6 for p in c], [p[1] for p in c]) for c in curves.values()]
        for line in lines:
            axes.plot(grid, line, color=colour, alpha=0.45, linewidth=1)
        axes.plot(grid, np.median(lines, axis=0), color=colour, linewidth=2.6)
        axes.axhline(0.9, color="0.5", linestyle=":", linewidth=1)
        axes.set_title(f"{label} ({len(curves)} seeds)", fontsize=11)
        axes.set(xlabel="million environment steps", xlim=(0, 1.5), ylim=(-0.02, 1.03))
        axes.grid(alpha=0.25)
    for axes in panels[:, 0]:
        axes.set_ylabel("any-step success in training\n(last 128 episodes)")
    picture.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(picture, dpi=120)


if __name__ == "__main__":
    name, *folders = sys.argv[1:]
    results = Path("docs/results") / f"{name}.json"
    if folders:
        pairs = [text.rpartition("=") for text in folders]
        if len({label for label, _, _ in pairs}) < len(pairs):
            sys.exit("each folder needs a label of its own: label=folder")
        before = json.loads(results.read_text()) if results.exists() else {}
        results.write_text(json.dumps(before | {label: read(Path(folder)) for label, _, folder in pairs}) + "\n")
    draw(json.loads(results.read_text()), Path("docs/figures") / f"{name}.png")
