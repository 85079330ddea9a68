"""Which runs and checkpoints there are, and whether they are whole: what can be said of them without PyTorch.

The boundaries of a run are its scheduled checkpoints, from which a training can go on as if it had never stopped.
`interrupted`, `saved` and `best` hold weights to look at, between two boundaries.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from option_critic.runs.files import FormatError, check_format, read_json
from option_critic.runs.manifest import standing, verify
from option_critic.runs.paths import BESIDE, CheckpointError, RunPath, beside
from option_critic.value_types import is_finite, is_whole, shown

BEST = "best"
"""The checkpoint with the best evaluation while it trained, where there were any."""
MAX_DEPTH, MAX_FOLDERS = 6, 10_000
"""How far `runs_below` looks."""


def find(path: str | Path | RunPath, checkpoint: str | int | None = None) -> RunPath:
    """The checkpoint folder to load from `path`: a saved agent, or a run folder.

    In a run: the last one that verifies (a damaged one is skipped with a warning), or the one named
    by its step, as `interrupted` or `saved`, or as `best`: by the evaluations while it
    trained, or where there were none by its training episodes. Raises CheckpointError.
    """
    run = RunPath.of(path)
    if checkpoint is None and (saved := standing(run)) is not None:
        return saved
    if (run / "config.json").kind() != "none":
        with contextlib.suppress(DamagedError):  # each checkpoint has a copy of it
            read_config(run)
    folders = run / "checkpoints"
    if folders.kind() == "link":
        raise CheckpointError(f"{folders} is a link; put the folder that it leads to in its place")
    there = listing(folders)
    if checkpoint is None:
        return _last_whole(run, there)
    if not isinstance(checkpoint, str) and abs(checkpoint) >= 10**18:
        checkpoint = shown(checkpoint)  # Python writes no number of any length
    if checkpoint == BEST and BEST not in map(called, there):
        checkpoint = winner.name if (winner := best(there)) else BEST
    name = str(checkpoint).lstrip("0").zfill(12) if str(checkpoint).isdigit() else str(checkpoint)
    chosen = next((p for p in there if called(p) == name), None)  # one of the list, never a path
    if chosen is None:
        names = ", ".join(called(p).lstrip("0") for p in there) or "none"
        raise CheckpointError(f"{run} has no checkpoint {checkpoint!s:.80}; it has: {names}")
    verify(chosen)
    return chosen


def called(folder: RunPath) -> str:
    """The name of a checkpoint, also of one whose writer was killed between two renames."""
    found = BESIDE.fullmatch(folder.name)
    return found["name"] if found else folder.name


def _last_whole(path: RunPath, there: list[RunPath]) -> RunPath:
    found, damaged = newest_whole(there)
    if found is not None:
        for message in damaged:
            warnings.warn(f"{message}. Using the checkpoint before it.", stacklevel=3)
        return found
    if damaged:
        raise CheckpointError(f"{path} has no checkpoint that is whole: {damaged[0]}")
    raise CheckpointError(
        f"{path} is neither a saved agent nor a run folder with a checkpoint; `option-critic list` names the runs"
    )


def newest_whole(folders: list[RunPath]) -> tuple[RunPath | None, list[str]]:
    """The last that verifies, and what is wrong with those after it. Raises FormatError for another format."""
    damaged: list[str] = []
    for folder in reversed(folders):
        try:
            verify(folder)
        except FormatError:
            raise
        except CheckpointError as error:
            damaged.append(str(error))
        else:
            return folder, damaged
    return None, damaged


def best(folders: list[RunPath]) -> RunPath | None:
    """The checkpoint with the highest score; of equals the last. None where no episode had ended at any."""
    scored = [(s, steps_of(p), precedence(p), p) for p in folders if (s := score(p)) is not None]
    return max(scored, key=lambda found: found[:3])[3] if scored else None


def score(checkpoint: RunPath) -> tuple[float, float] | None:
    """Mean success (0 where the task has no such thing) and mean return of recent training episodes."""
    try:
        episodes = read_json(checkpoint / "state.json")["episodes"]
        returns, successes = episodes["returns"], episodes["successes"]  # 0 where the task tells nothing
        return (sum(successes) / len(successes) if successes else 0.0), sum(returns) / len(returns)
    except (CheckpointError, KeyError, TypeError, ZeroDivisionError, OverflowError):
        return None


def rank(figures: Mapping[str, Any]) -> tuple[float, float] | None:
    """How good an evaluation is: success at any step (0 where the task has no such thing), then return. None where
    they do not tell."""
    found = figures.get("eval/success_any_rate", 0.0), figures.get("eval/mean_reward")
    return found if all(map(is_finite, found)) else None  # type: ignore[return-value]


def evaluation(checkpoint: RunPath) -> dict[str, Any]:
    """What was found when a checkpoint was judged, while it trained; empty where it was not, or where that cannot be
    read."""
    try:
        found = read_json(checkpoint / "state.json").get("evaluation")
    except CheckpointError:
        return {}
    return found if isinstance(found, dict) and rank(found) is not None else {}


def is_better(figures: Mapping[str, Any], checkpoint: RunPath) -> bool:
    """Whether an evaluation is at least as good as that of a checkpoint, or that one is not whole: of equals the
    last counts."""
    try:
        verify(checkpoint)
    except CheckpointError:
        return True
    new, old = rank(figures), rank(evaluation(checkpoint))
    return old is None or (new is not None and new >= old)


def listing(root: RunPath) -> list[RunPath]:
    """All checkpoints of a run, by step; `interrupted` (if there) stands where its step says, and `best` before all:
    it is a choice, and never the last one."""
    names = {n for n in root.names() if not n.startswith(".")}
    torn = {m["name"] for n in root.names() if (m := BESIDE.fullmatch(n)) and m["what"] != "gone"} - names
    there = [p for p in (root / n for n in names) if p.kind() in ("folder", "link")]
    found = [*there, *(p for n in torn if (p := standing(root / n)))]
    return sorted(found, key=lambda p: (called(p) != BEST, steps_of(p), *precedence(p)))


def precedence(folder: RunPath) -> tuple[bool, str]:
    """Of checkpoints of one step: a boundary is the last, as the others may hold the middle of an update after it."""
    return is_step(called(folder)), called(folder)


def steps_of(folder: RunPath) -> int:
    """Environment steps of a checkpoint; -1 where it does not say."""
    if is_step(folder.name):
        return int(folder.name)
    try:
        steps = read_json(folder / "state.json").get("env_steps")
    except CheckpointError:
        return -1
    return steps if isinstance(steps, int) and is_whole(steps) else -1


def is_step(name: str) -> bool:
    """Whether a checkpoint is called by its steps: a boundary."""
    return name.isascii() and name.isdigit() and len(name) < 20


def read_config(run: RunPath) -> dict[str, Any]:
    """config.json of a run folder, or where it is damaged the copy in the last boundary, with a warning.

    Raises CheckpointError where there is none, or of another format.
    """
    config, damage = config_or_copy(run)
    if damage:
        warnings.warn(f"{damage}. Using the copy in the last checkpoint.", stacklevel=3)
    return config


def config_of(folder: RunPath) -> dict[str, Any]:
    """What a run or a checkpoint says of itself; nothing where it cannot be read."""
    try:
        return read_json(folder / "config.json")
    except CheckpointError:
        return {}


def config_or_copy(run: RunPath) -> tuple[dict[str, Any], str]:
    """The same without a warning -> (config, what is wrong with the run's own one)."""
    path = run / "config.json"
    if path.kind() == "none":
        raise CheckpointError(f"{run} is no run folder; `option-critic list` names the runs")
    try:
        config = read_json(path)
        check_format(path, config)
        if not all(isinstance(config.get(part), dict) for part in ("settings", "spaces")):
            raise CheckpointError(f"{path} is damaged: it holds no settings, or no spaces")
    except FormatError:
        raise
    except CheckpointError as error:
        found, _ = newest_whole(boundaries(run))
        if found is None:
            raise DamagedError(str(error)) from error
        return read_json(found / "config.json"), str(error)
    return config, ""


class DamagedError(CheckpointError):
    """The config.json of a run cannot be read, and no checkpoint holds a copy."""


def runs_in(path: Path) -> list[RunPath]:
    """The run folder `path`, or the run folders in it. Raises CheckpointError where there is none."""
    folder = RunPath.of(path)
    if is_run(folder):
        return [folder]
    found = [RunPath.of(path / name) for name in folder.names() if is_run(folder / name)]
    if not found:
        raise CheckpointError(f"{path} is no run folder and holds none; `option-critic list` names the runs")
    return found


def runs_below(path: Path) -> list[RunPath]:
    """All runs in `path`, down to MAX_DEPTH folders below it; what is a link is not looked into."""
    found, level = list[RunPath](), [RunPath.of(path)]
    for _ in range(MAX_DEPTH + 1):
        runs = [folder for folder in level if is_run(folder)]
        found += runs
        level = [inner for folder in level if folder not in runs for inner in folders_in(folder)][:MAX_FOLDERS]
    return sorted(found, key=str)


def folders_in(folder: RunPath) -> list[RunPath]:
    """The folders in a folder; none where that is not permitted."""
    with contextlib.suppress(CheckpointError):
        return [inner for inner in (folder / name for name in folder.names()) if inner.is_folder()]
    return []


def is_run(folder: RunPath) -> bool:
    """Whether `folder` is a folder with a config.json, of whatever kind that may be, that can be looked into."""
    with contextlib.suppress(CheckpointError):
        return folder.is_folder() and (folder / "config.json").kind() != "none" and \
               (folder / "manifest.json").kind() == "none"  # fmt: skip
    return False


def boundaries(run: RunPath) -> list[RunPath]:
    """The scheduled checkpoints of a run folder, by step; whole or not."""
    return [p for p in listing(run / "checkpoints") if is_step(p.name)]


def last_whole(run: RunPath) -> RunPath | None:
    """The last boundary that verifies; those that do not are named in a warning. None where there is none.

    Raises FormatError for a boundary of a format that this version does not read.
    """
    found, damaged = newest_whole(boundaries(run))
    instead = "Using the checkpoint before it" if found else "Starting from the beginning"
    for message in damaged:
        warnings.warn(f"{message}. {instead}.", stacklevel=3)
    return found


def prune(run: RunPath, keep: int) -> None:
    """Delete boundaries but for the last `keep` and, where no evaluation keeps another, the best; 0 keeps all.

    They lose their names first: what is killed while it deletes leaves no half of a boundary behind.
    """
    spared = set() if (run / "checkpoints" / BEST).is_folder() else {best(boundaries(run))}
    for folder in boundaries(run)[:-keep] if keep else []:
        if folder not in spared:
            with contextlib.suppress(OSError):
                folder.rename(beside(folder.name, "gone")).remove()


def position(run: RunPath) -> tuple[int, int] | None:
    """(steps at the last boundary, steps at the end of the training); None where `run` is no run.

    What state.json and config.json say, unverified: for messages and lists.
    """
    unreadable = CheckpointError, KeyError, TypeError, ValueError, OverflowError
    try:
        total = int(config_or_copy(run)[0]["settings"]["total_timesteps"])
        there = boundaries(run)
    except unreadable:
        return None
    for folder in reversed(there):
        with contextlib.suppress(*unreadable):  # a training goes on from the one before
            state = read_json(folder / "state.json")
            return int(state["env_steps"]), int(state["schedule_end"])
    return 0, total
