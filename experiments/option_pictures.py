"""A picture of what options did over training, a row for each folder of runs, from their metrics.

python experiments/option_pictures.py options "on the wall=runs/pick-place-wall-v3" "pick-place=runs/pick-place"
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from option_critic.options.look import colour
from option_critic.runs.inventory import read_config
from option_critic.runs.logs import read_log
from option_critic.runs.paths import RunPath


def read(run: Path) -> tuple[list[str], dict[str, np.ndarray]]:
    """Names of the options, and each metric over the iterations of a run."""
    rows, _ = read_log(RunPath.of(run) / "metrics.jsonl")
    names = [name.removeprefix("option/share/") for name in rows[0] if name.startswith("option/share/")]
    wanted = ["time/total_timesteps", "option/duration", "option/choice", "option/choice_entropy"]
    wanted += [f"option/share/{name}" for name in names]
    return names, {name: np.array([row.get(name, np.nan) for row in rows], dtype=float) for name in wanted}


def draw(axes: np.ndarray, runs: list[Path], title: str) -> None:
    """Shares, busiest option first where they have no names of their own; durations; entropy of the choice."""
    shares, durations, entropies = axes
    for i, run in enumerate(runs):
        names, m = read(run)
        steps = m["time/total_timesteps"] / 1e6
        stack = np.stack([m[f"option/share/{name}"] for name in names])
        if not read_config(RunPath.of(run))["settings"]["options"].get("options_from"):
            names, stack = [f"busiest, {k + 1}." for k in range(len(names))], -np.sort(-stack, axis=0)
        for k, name in enumerate(names):
            shares.plot(steps, smooth(stack[k]), color=colour(k), lw=1, alpha=0.8, label=name if i == 0 else None)
        durations.plot(steps, smooth(m["option/duration"]), color="#555555", lw=1, alpha=0.8)
        real = np.where(m["option/choice"] > 0, m["option/choice"], np.nan)  # a choice of one has no entropy
        entropies.plot(steps, smooth(m["option/choice_entropy"] / real), color="#555555", lw=1, alpha=0.8)
    shares.set(title=title, ylabel="share of the steps", ylim=(0, 1))
    durations.set(title="steps between changes of option", ylim=(0, 155))
    entropies.set(title="entropy of a choice among two or more", ylabel="nats", ylim=(0, 1.1))
    shares.legend(frameon=False, loc="center right")


def smooth(x: np.ndarray, width: int = 9) -> np.ndarray:
    """Running median."""
    padded = np.pad(x, width // 2, mode="edge")
    median: np.ndarray = np.nanmedian(np.lib.stride_tricks.sliding_window_view(padded, width), -1)
    return median


def main() -> None:
    """Draw a row for each folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("name", help="of the picture in docs/figures")
    parser.add_argument("rows", nargs="+", help="title=folder")
    args = parser.parse_args()
    count = len(args.rows)
    figure, axes = plt.subplots(
        count, 3, figsize=(11, 2.75 * count), sharex=True, squeeze=False, constrained_layout=True
    )
    for row, text in zip(axes, args.rows, strict=True):
        title, _, folder = text.partition("=")
        draw(row, sorted(Path(folder).glob("seed-*")), title)
    for axis in axes[-1]:
        axis.set_xlabel("million environment steps")
    figure.savefig(Path("docs/figures") / f"{args.name}.png", dpi=110)


if __name__ == "__main__":
    main()
