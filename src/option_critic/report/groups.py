"""Which runs are the seeds of one recipe."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from option_critic.legible import legible
from option_critic.report.run_data import LONG_NAME, RunData

NO_RECIPE = {
    "seed", "device", "torch_threads", "env_threads", "worker_timeout", "keep_checkpoints", "evaluate_every",
    "evaluate_episodes",
}  # fmt: skip
"""Settings in which the runs of one recipe may differ."""


def in_groups(runs: Sequence[RunData]) -> list[RunData]:
    """Runs with the names of their groups: those that lie in one folder and differ in nothing but their seeds.

    Where runs in a folder differ in more, each recipe is a group, named after its first run.
    """
    places = []
    for run in runs:
        beside = [other for other in runs if other.place.parent == run.place.parent]
        alike = [other for other in beside if same_recipe(run.settings, other.settings)
                 and (None in (run.config, other.config) or run.success_only == other.success_only)]  # fmt: skip
        places.append(run.place.parent if len(alike) == len(beside) else alike[0].place)
    names = apart(places)
    return [replace(run, group=legible(names[place], LONG_NAME)) for run, place in zip(runs, places, strict=True)]


def same_recipe(a: Mapping[str, Any], b: Mapping[str, Any]) -> bool:
    """Whether two runs have the same settings, as far as both tell them (older ones tell fewer), seeds apart."""
    return all(
        same_recipe(a[name], b[name]) if isinstance(a[name], dict) and isinstance(b[name], dict) else a[name] == b[name]
        for name in a.keys() & b.keys() - NO_RECIPE
    )


def apart(folders: Iterable[Path]) -> dict[Path, str]:
    """Each folder -> the shortest end of its path that tells it from the others."""
    different = dict.fromkeys(folders)

    def end(folder: Path) -> str:
        ends = (folder.parts[-n:] for n in range(1, len(folder.parts) + 1))
        return str(Path(*next(x for x in ends if sum(other.parts[-len(x) :] == x for other in different) == 1)))

    return {folder: end(folder) for folder in different}
