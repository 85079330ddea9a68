"""The tables of docs/results/named-options.md from run folders that were evaluated and diagnosed.

option-critic evaluate runs/pick-place/seed-0 --goals A,B,C
option-critic diagnose runs/pick-place/seed-0 --goals B --episodes 30
python experiments/named_options.py runs/pick-place runs/flat runs/told runs/disjoint runs/misplaced
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from scipy.stats import bootstrap

from option_critic.evaluation.option_figures import diagnose
from option_critic.evaluation.trace import Trace
from option_critic.options.definitions import load
from option_critic.report.groups import apart
from option_critic.report.run_data import SUCCESS
from option_critic.runs.figures import read_diagnosis, read_evaluation
from option_critic.runs.inventory import read_config
from option_critic.runs.logs import read_log
from option_critic.runs.paths import RunPath
from option_critic.settings import Settings

REACHED = 0.9
NEVER = 1e9
"""A number of million steps that stands for never."""


def steps_to(run: Path, success: float = REACHED) -> float:
    """Million steps until the mean any-step success of the last 128 training episodes reached `success`; inf: never."""
    for row in read_log(RunPath.of(run) / "metrics.jsonl")[0]:
        if next((row[name] for name in SUCCESS if name in row), 0) >= success:
            return float(row["time/total_timesteps"]) / 1e6
    return float("inf")


def told(million: float) -> str:
    """A number of steps as text."""
    return "never" if million >= NEVER else f"{million:.2f} M"


def figure(run: Path, goals: str, name: str) -> str:
    """A figure of the last evaluation on a goal set, deterministic."""
    path = RunPath.of(run) / "evaluation.json"
    results = read_evaluation(path).sound() if path.is_file() else {}
    found = [r.summary[name] for key, r in sorted(results.items()) if key.endswith(f"-{goals}-deterministic")]
    return f"{found[-1].value:.3f}" if found and found[-1] is not None else "-"


def options(run: Path) -> list[str]:
    """What the trace of set B says, as cells, and the ablations of diagnosis.json."""
    folder = RunPath.of(run)
    whole = Settings.from_dict(read_config(folder)["settings"])
    settings = whole.options
    if settings.options_from:
        load(settings.options_from)
    found = [name for name in (folder / "traces").names() if name.endswith("-B-deterministic.safetensors")]
    if not found or settings.num_options == 1:
        return ["-"] * 9
    meant_for = tuple(o.phase for o in settings.definitions) or ("",) * settings.num_options
    d = diagnose(Trace.load(folder / "traces" / found[-1], whole.env.action_repeat)[0], settings.names, meant_for)
    path = folder / "diagnosis.json"
    without = read_diagnosis(path).ablations if path.is_file() else {}

    def forbidden(how: str) -> str:
        names = [f"without {name}{how}" for name in settings.names]
        successes = [any_step.value for n in names if n in without and (any_step := without[n]["any"])]
        return " / ".join(f"{success:.2f}" for success in successes) or "-"

    return [
        "-" if d.nmi is None else f"{d.nmi:.2f}",
        f"{d.effective_number:.2f}",
        "-" if not any(o.phase for o in settings.definitions) else "yes" if d.agrees else "no",
        " / ".join(f"{o.mean_duration or 0:.0f}" for o in d.options),
        "-" if d.learned_ends is None else f"{d.learned_ends:.2f}",
        f"{d.choices:.2f}",
        f"{d.choice_entropy:.2f}",
        forbidden(""),
        forbidden(", at rest"),
    ]


def early_entropy(run: Path, until: float = 2e5) -> str:
    """Entropy of the policy over options in training up to `until` steps, in nats, at decisions and real choices."""
    rows, _ = read_log(RunPath.of(run) / "metrics.jsonl")
    early = [row for row in rows if row["time/total_timesteps"] <= until and "option/choice" in row]
    all_decisions = np.array([row["option/choice_entropy"] for row in early])
    real = np.array([row["option/choice"] for row in early])
    if not real.any():
        return "-"
    mean, most = all_decisions.mean() / real.mean(), (all_decisions[real > 0] / real[real > 0]).max()
    return f"{all_decisions.mean():.2f}, at most {all_decisions.max():.2f}; real: {mean:.2f}, at most {most:.2f}"


def main() -> None:
    """Print a row for each run, then a line for each folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+")
    args = parser.parse_args()
    head = ("run", "90 % after", "B any", "B held", "NMI", "effective number", "names agree", "steps a run",
            "ends learned", "real choices", "entropy", "without each", "..., at rest", "entropy early")  # fmt: skip
    print("| " + " | ".join(head) + " |\n|" + "---|" * len(head))
    names = apart(folder.resolve() for folder in args.folders)
    for folder in args.folders:
        for run in sorted(folder.glob("seed-*")):
            cells = [f"{names[folder.resolve()]}, {run.name[5:]}", told(steps_to(run)), figure(run, "B", "any"),
                     figure(run, "B", "held"), *options(run), early_entropy(run)]  # fmt: skip
            print("| " + " | ".join(cells) + " |")
    print()
    for folder in args.folders:
        steps = np.array([steps_to(run) for run in sorted(folder.glob("seed-*"))])
        line = f"{names[folder.resolve()]}: median {told(np.median(steps))} of {len(steps)} seeds"
        if len(steps) > 1:
            numbers = np.where(np.isfinite(steps), steps, NEVER)
            low, high = bootstrap((numbers,), np.median, method="percentile", rng=0).confidence_interval
            line += f", 95 % bootstrap interval over seeds [{told(low)}, {told(high)}]"
        print(line)


if __name__ == "__main__":
    main()
