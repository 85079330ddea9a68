"""The verb `bench`: speeds as rates and as shares of bare stepping."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from rich.table import Table

from option_critic.evaluation.bench import measure, peak_memory
from option_critic.runs.files import (
    emit,
)
from option_critic.runs.run_folder import versions
from option_critic.settings import Settings
from option_critic.terminal import Terminal, progress_bar, say


def measure_speeds(
    settings: Settings, num_options: Sequence[int], seconds: float, rounds: int, json_path: Path | None
) -> None:
    """Measure and print speeds as rates and as shares of bare stepping."""
    variants = [settings.override(num_options=k) for k in num_options]
    with progress_bar() as progress:
        bar = progress.add_task("measuring", total=rounds * len(variants))
        # first the memory: a new process starts from the peak of the one that made it
        memory = {k: peak_memory(s) for k, s in zip(num_options, variants, strict=True)}
        speeds = dict(zip(num_options, measure(variants, seconds, rounds, lambda: progress.advance(bar)), strict=True))
    record = {
        "env_id": settings.env_id,
        "seconds": seconds,
        "bare_sps": float(np.median([x for s in speeds.values() for x in s.bare])),
        "inference_sps": {str(k): float(np.median(s.inference)) for k, s in speeds.items()},
        "train_sps": {str(k): float(np.median(s.train)) for k, s in speeds.items()},
        "train_over_bare": {str(k): s.train_over_bare for k, s in speeds.items()},
        "train_over_replay": {str(k): s.train_over_replay for k, s in speeds.items()},
        "peak_memory_gib": {str(k): x for k, x in memory.items()},
        "blocks": {str(k): asdict(s) for k, s in speeds.items()},
        "versions": versions(),
    }
    if json_path != Path("-"):
        say(f"{settings.env_id}, steps per second: medians of {rounds} alternating blocks of {seconds:g} s")
        table = Table(padding=(0, 1, 0, 0))
        for name in ("K", "bare", "+ infer", "+ train", "/ bare", "/ replay", "sim", "act", "learn", "GiB"):
            table.add_column(name, justify="right")
        for k, s in speeds.items():
            rates = (f"{np.median(x):,.0f}" for x in (s.bare, s.inference, s.train))
            shares = (f"{x:.0%}" for x in (s.simulate_share, s.decide_share, s.improve_share))
            table.add_row(
                str(k), *rates, f"{s.train_over_bare:.2f}", f"{s.train_over_replay:.2f}", *shares, f"{memory[k]:.2f}"
            )
        Terminal().print(table)
    emit(json_path, record)
