"""What a step of training costs, by environments and by options K: docs/scale.md.

    python experiments/scaling.py --json docs/results/scaling.json

In microseconds of processor time per environment step, of all threads of the process together, with one thread for
PyTorch and one for the simulators: on a shared machine it moves less than the time on the clock. An iteration warms up,
then so many are measured, each with all its epochs; beside it the environments alone, with random actions.
"""

from __future__ import annotations

import argparse
import json
import time
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from option_critic.envs.make import spaces_of
from option_critic.evaluation.bench import bare
from option_critic.presets import settings_for
from option_critic.runs.run_folder import versions
from option_critic.settings import Settings
from option_critic.training.state import TrainState
from option_critic.training.train import Running, train

ENVS, OPTIONS = (8, 32, 128), (1, 2, 4, 8, 16)
USUAL_ENVS, USUAL_OPTIONS = 32, 2
"""While the other is varied."""


def settings_of(target: str, num_envs: int, num_options: int) -> Settings:
    """The preset, with one thread, and all epochs of every update."""
    one = {"torch_threads": 1, "env_threads": 1, "env_workers": "never", "target_kl": 0.0}
    return settings_for(target).override(options_from="", num_envs=num_envs, num_options=num_options, **one)


def training(settings: Settings, iterations: int) -> list[float]:
    """Microseconds per environment step of each iteration but the first."""
    state = TrainState.fresh(settings, spaces_of(settings.env_id, settings.env))
    state.schedule_end = settings.total_timesteps
    found, steps, spent = [], 0, 0.0
    with closing(Running()) as running:
        for _ in islice(train(state, settings, running), 1 + iterations):
            now = time.process_time()
            found.append((now - spent) / (state.env_steps - steps) * 1e6)
            steps, spent = state.env_steps, now
    return found[1:]


def alone(settings: Settings) -> float:
    """The same of the environments alone, over a rollout."""
    with bare(settings) as block:
        block()
        began = time.process_time()
        steps = block()
        return (time.process_time() - began) / steps * 1e6


def measured(target: str, num_envs: int, num_options: int, iterations: int) -> dict[str, Any]:
    """A row."""
    settings = settings_of(target, num_envs, num_options)
    found = training(settings, iterations)
    row = {
        "target": target, "num_envs": num_envs, "num_options": num_options, "alone": alone(settings),
        "training": float(np.median(found)), "least": min(found), "most": max(found),
    }  # fmt: skip
    figures = "  ".join(f"{row[name]:8.1f}" for name in ("alone", "training", "least", "most"))
    print(f"{target:12} {num_envs:5} {num_options:3}  {figures}", flush=True)
    return row


def main() -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--targets", nargs="*", default=["pick-place", "cartpole"])
    parser.add_argument(
        "--presets", nargs="*", default=["mt10", "mt50"], help="with their own environments and options"
    )
    parser.add_argument("--iterations", type=int, default=5)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    print("target        envs   K     alone  training     least      most   (microseconds per environment step)")
    pairs = [(n, USUAL_OPTIONS) for n in ENVS] + [(USUAL_ENVS, k) for k in OPTIONS if k != USUAL_OPTIONS]
    asked = [(target, n, k) for target in args.targets for n, k in pairs]
    asked += [(t, settings_for(t).env.num_envs, settings_for(t).options.num_options) for t in args.presets]
    rows = [measured(*row, args.iterations) for row in asked]
    if args.json:
        args.json.write_text(json.dumps({"rows": rows, "versions": versions()}, indent=1) + "\n")


if __name__ == "__main__":
    main()
