"""Half an hour of training: does memory grow, does it slow down, what do boundaries cost?

    python experiments/soak.py --minutes 30 --json docs/results/soak.json

Blocks of real training (logs, checkpoints, environments made anew) alternate with the environments alone.
An agent that learns to grasp costs the simulator more than one that cannot, so the rate is also compared
with a replay of the agent's own actions. Memory is read at each boundary, when the environments are closed
and freed memory was handed back to the system.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from contextlib import closing
from pathlib import Path
from typing import Any

from scipy.stats import linregress

from option_critic.envs.envpool import return_memory
from option_critic.envs.make import spaces_of
from option_critic.evaluation.bench import bare, rate, replay
from option_critic.presets import settings_for
from option_critic.runs.run_folder import Run, versions
from option_critic.training.state import TrainState
from option_critic.training.train import Running, train

PAGE = 4096


def resident() -> float:
    """MB that this process holds now (Linux)."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE / 1e6


def trend(hours: list[float], values: list[float]) -> dict[str, float]:
    """Slope per hour by least squares, with its 95 % interval."""
    fit = linregress(hours, values)
    return {"slope": fit.slope, "low": fit.slope - 1.96 * fit.stderr, "high": fit.slope + 1.96 * fit.stderr}


def soak(minutes: float, block_seconds: float, seed: int, checkpoint_every: int) -> dict[str, Any]:
    """Train for so long; everything that was measured."""
    settings = settings_for("pick-place").override(seed=seed, checkpoint_every=checkpoint_every)
    spaces = spaces_of(settings.env_id)
    state = TrainState.fresh(settings, spaces)
    state.schedule_end = 10**9  # so that no schedule ends before the measurement
    started, spent = time.perf_counter(), [0.0]
    memory: list[tuple[float, float]] = []
    blocks: list[dict[str, float]] = []

    def hours() -> float:
        return (time.perf_counter() - started) / 3600

    with tempfile.TemporaryDirectory() as folder, bare(settings) as alone:
        run = Run(Path(folder) / "run", settings, spaces)

        def on_boundary() -> None:
            run.checkpoint(state)
            return_memory()  # the environments are closed: what is free now is not held
            memory.append((hours(), resident()))

        with closing(run), closing(Running()) as running:
            iterations = train(state, settings, running, on_boundary)

            def block() -> int:
                before, began = state.env_steps, time.perf_counter()
                metrics = next(iterations)
                spent[0] += time.perf_counter() - began
                run.log(metrics)
                return state.env_steps - before

            while hours() < minutes / 60:
                bare_rate, _ = rate(alone, block_seconds / 6)
                replayed = replay(settings, state)
                train_rate, took = rate(block, block_seconds)
                replayed = (replayed + replay(settings, state)) / 2
                blocks.append({"hours": hours(), "bare": bare_rate, "train": train_rate, "replay": replayed,
                               "seconds": took})  # fmt: skip
                print(f"{hours() * 60:5.1f} min  {memory[-1][1] if memory else 0:7.1f} MB  bare {bare_rate:,.0f}  "
                      f"train {train_rate:,.0f} = {train_rate / replayed:.2f} of its replay", flush=True)  # fmt: skip
    late = memory[len(memory) // 5 :]  # allocators and caches fill up first
    return {
        "steps": state.env_steps,
        "memory_mb": memory,
        "memory_trend_mb_per_hour": trend(*map(list, zip(*late, strict=True))),
        "memory_trend_mb_per_boundary": trend(list(map(float, range(len(late)))), [mb for _, mb in late]),
        "blocks": blocks,
        "train_over_replay_trend_per_hour": trend(
            [b["hours"] for b in blocks], [b["train"] / b["replay"] for b in blocks]
        ),
        "train_over_bare_trend_per_hour": trend([b["hours"] for b in blocks], [b["train"] / b["bare"] for b in blocks]),
        # what the loop does besides iterations: close environments, write the checkpoint, make them anew
        "boundary_share": (spent[0] - state.elapsed) / sum(b["seconds"] for b in blocks),
        "boundaries": len(memory),
    }


def main() -> None:
    """Soak, and write down what was seen."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--block-seconds", type=float, default=60.0)
    parser.add_argument("--seed", type=int, default=100)
    parser.add_argument("--checkpoint-every", type=int, default=250_000, help="often, to see what a boundary leaves")
    parser.add_argument("--json", type=Path)
    args = parser.parse_args()
    record = soak(args.minutes, args.block_seconds, args.seed, args.checkpoint_every)
    summary = {name: value for name, value in record.items() if name not in ("memory_mb", "blocks")}
    print(json.dumps(summary, indent=1))
    if args.json:
        args.json.write_text(json.dumps({"versions": versions(), **record}, indent=1) + "\n")


if __name__ == "__main__":
    main()
