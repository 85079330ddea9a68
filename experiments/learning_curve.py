"""The picture of the README: success and return on the official package while pick-place is learned.

    python experiments/learning_curve.py            # trains (about 9 minutes), evaluates every checkpoint, draws
    python experiments/learning_curve.py --draw     # draws again from docs/results/learning_curve.json

Preset pick-place, K = 3 and K = 1, training seed 100, development goals D, deterministic.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

import option_critic as oc
from option_critic.evaluation.evaluate import evaluate
from option_critic.training.folders import listing
from option_critic.training.run import versions

RUNS = Path("runs/learning-curve")
RESULTS = Path("docs/results/learning_curve.json")
PICTURE = Path("docs/figures/learning_curve.png")
SEED = 100
EXPERT, TUTORIAL, TUTORIAL_STEPS = 4456, 3.1, 2.5
"""Return of the scripted policy and of the tutorial's agent at its end, after so many million steps."""


def measure() -> None:
    """Train, evaluate every checkpoint, and keep the figures."""
    record: dict[str, object] = {"seed": SEED, "goals": "D", "mode": "deterministic", "versions": versions()}
    for k in (3, 1):
        folder = RUNS / f"k{k}" / f"seed-{SEED}"
        agent = oc.OptionCritic("pick-place", num_options=k, seed=SEED, checkpoint_every=100_000)
        agent.learn(run_folder=folder, overwrite=True, progress=True)
        points = []
        for checkpoint in listing(folder / "checkpoints"):
            (result,) = evaluate(oc.load(checkpoint), goals=["D"])
            summary = {name: e.to_dict() if e else None for name, e in result.summary.items()}
            points.append({"steps": int(checkpoint.name), **summary})
            print(k, points[-1]["steps"], summary["any"], flush=True)
        record[f"k{k}"] = {"seconds": agent.state.elapsed, "points": points}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(record, indent=1) + "\n")


def draw() -> None:
    """Two panels: return with the levels to know, and success."""
    record = json.loads(RESULTS.read_text())
    plt.rcParams.update({"font.size": 11, "axes.spines.top": False, "axes.spines.right": False})
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.9), layout="constrained")
    for k, colour, label in ((3, "#0b6e99", "ours, 3 options"), (1, "#e08e0b", "ours, flat (K = 1)")):
        points = record[f"k{k}"]["points"]
        steps = [0.0] + [p["steps"] / 1e6 for p in points]
        for axes, name in ((left, "return"), (right, "any")):
            start = 5.0 if name == "return" else 0.0  # random actions
            values = [start] + [p[name]["value"] for p in points]
            low, high = ([start] + [p[name][end] for p in points] for end in ("low", "high"))
            axes.plot(steps, values, color=colour, label=label, marker="o", markersize=3.5)
            axes.fill_between(steps, low, high, color=colour, alpha=0.18, linewidth=0)
    left.axhline(EXPERT, color="0.45", linestyle="--", linewidth=1)
    left.text(TUTORIAL_STEPS, EXPERT - 60, "scripted expert 4,456", ha="right", va="top", color="0.35")
    left.plot([0, TUTORIAL_STEPS], [TUTORIAL] * 2, color="#b3261e", linewidth=2.5)
    left.text(TUTORIAL_STEPS, 90, "tutorial: 3.1 after 4 h 12 min", ha="right", color="#b3261e")
    left.set(ylabel="return (official package, goals D)", xlim=(0, TUTORIAL_STEPS), ylim=(-60, 4900))
    right.set(ylabel="any-step success", ylim=(-0.02, 1.03), xlim=(0, 1.4))
    right.legend(frameon=False, loc="lower right")
    for axes in (left, right):
        axes.set_xlabel("million environment steps")
        axes.grid(alpha=0.25)
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(PICTURE, dpi=130)


if __name__ == "__main__":
    if "--draw" not in sys.argv:
        measure()
    draw()
