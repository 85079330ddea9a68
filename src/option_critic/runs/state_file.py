"""state.json: how far a training has come, checked before any of it is used."""

from __future__ import annotations

import reprlib
from collections.abc import Callable
from typing import Any

from option_critic.runs.files import check_format, read_json
from option_critic.runs.paths import CheckpointError, RunPath
from option_critic.training.state import WINDOW, WINDOW_OF_TASK
from option_critic.value_types import is_finite, is_whole

LONGEST = max(WINDOW, WINDOW_OF_TASK * 50)
"""Of a window: Meta-World has fifty tasks."""


def _is_count(value: Any) -> bool:
    return is_whole(value) and 0 <= value < 2**63


def _is_time(value: Any) -> bool:
    return is_finite(value) and value >= 0


def _is_window(value: Any, fits: Callable[[Any], bool] = is_finite) -> bool:
    return isinstance(value, list) and len(value) <= LONGEST and all(map(fits, value))


def _are_episodes(value: Any) -> bool:
    return (
        isinstance(value, dict)
        and (bool(value.get("tasks")) or not any(len(x) > WINDOW for x in value.values() if isinstance(x, list)))
        and all(_is_window(value.get(name)) for name in ("returns", "successes"))
        and _is_window(value.get("lengths"), _is_count)
        and _is_window(value.get("last_successes", []))
        and _is_window(value.get("tasks", []), _is_count)
        and len(value.get("tasks", [])) in (0, len(value["returns"]))
        and isinstance(value.get("tells_success", False), bool)
    )


COUNT = (_is_count, "a whole number, not negative")
FIELDS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "env_steps": COUNT,
    "iteration": COUNT,
    "schedule_start": COUNT,
    "schedule_end": COUNT,
    "elapsed": (_is_time, "a finite number, not negative"),
    "episodes": (
        _are_episodes,
        f"an object of returns, lengths and successes, lists of at most {WINDOW} numbers, and tells_success",
    ),
}
"""What must be there -> how to tell that it makes sense, and what that is in words."""
LATER = {"skipped_in_row": COUNT, "ranks": COUNT}
"""What the first versions did not write yet: checked where it is there."""


def read_counters(path: RunPath) -> dict[str, Any]:
    """What state.json says. Raises CheckpointError, naming the field, for nonsense in FIELDS and LATER; what else
    is there is left alone."""
    data = read_json(path)
    check_format(path, data)
    for name, (fits, kind) in (FIELDS | {name: LATER[name] for name in LATER if name in data}).items():
        if name not in data or not fits(data[name]):
            got = reprlib.repr(data[name]) if name in data else "nothing"
            raise CheckpointError(f"{path} is not usable: {name} must be {kind}, got {got}")
    return data
