"""What a user hands to `predict`, read as observations. An agent must not act on garbage, so that is named."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from option_critic.envs.contract import LARGEST
from option_critic.envs.guard import described
from option_critic.errors import InputError
from option_critic.observation_space import Part
from option_critic.spaces import Spaces
from option_critic.value_types import shown

Array = npt.NDArray[np.float64]


def read_observations(obs: Any, spaces: Spaces) -> tuple[npt.NDArray[Any], bool]:
    """One observation or a batch, as the environment gives them -> (rows [B, W], whether it is a batch).

    Arrays, lists and tensors on any device, or dicts and tuples of them. Raises InputError for anything else: other
    keys, another shape, what holds no numbers or NaN, choices that there are none of, and the tuples that `reset` and
    `step` return.
    """
    if isinstance(obs, tuple) and obs and isinstance(obs[-1], Mapping) and not is_tuple(spaces):
        raise InputError(
            f"an observation was expected, got {described(obs)} that ends in an info dict, as reset and step "
            "return it: pass its first part"
        )
    if not spaces.parts:
        parts = {key: numbers(key, value) for key, value in entries_of(obs, spaces).items()}
        rows = num_rows_counted(parts, spaces)
        lead = 1 if rows is None else rows
        return np.concatenate([part.reshape(lead, part.size // lead) for part in parts.values()], 1), rows is not None
    found = {part.name: numbers(entry(part), value_at(part, obs, spaces)) for part in spaces.parts}
    rows = num_rows(found, spaces.parts)
    lead = 1 if rows is None else rows
    if not spaces.obs_parts:
        return np.concatenate([x.reshape(lead, x.size // lead) for x in found.values()], axis=1), rows is not None
    for part, value in zip(spaces.parts, found.values(), strict=True):
        check_values(part, value)
    flat = [part.flatten(as_kept(part, x), lead) for part, x in zip(spaces.parts, found.values(), strict=True)]
    return spaces.row.join(flat), rows is not None


def is_tuple(spaces: Spaces) -> bool:
    """Whether observations are tuples."""
    return bool(spaces.parts and spaces.parts[0].path and isinstance(spaces.parts[0].path[0], int))


def entry(part: Part) -> str:
    """How messages call a part: its key, where that is all."""
    return str(part.path[0]) if len(part.path) == 1 else part.name


def as_kept(part: Part, value: Array) -> npt.NDArray[Any]:
    """Whole numbers for what is counted."""
    return value.astype(np.int64 if part.kind == "choices" else part.dtype)


def value_at(part: Part, obs: Any, spaces: Spaces) -> Any:
    """What lies at a part's place in an observation. Raises InputError where nothing does."""
    at, value = Part(), obs
    for step in part.path:
        inside = [p.path[len(at.path)] for p in spaces.parts if p.path[: len(at.path)] == at.path]
        where = f" {at.name}" if at.path else ""
        if isinstance(step, int):
            length = 1 + max(place for place in inside if isinstance(place, int))
            if not isinstance(value, tuple | list) or len(value) != length:
                raise InputError(f"observations{where} must be a tuple of {length}, got {described(value)}")
        else:
            keys = ", ".join(dict.fromkeys(map(str, inside)))
            if not isinstance(value, Mapping):
                raise InputError(f"observations{where} must be a dict of {keys}, got {described(value)}")
            if step not in value:
                raise InputError(
                    f"observations{where} must be a dict of {keys}, but {step!r} is missing in {described(dict(value))}"
                )
        value, at = value[step], Part(path=(*at.path, step))
    if isinstance(value, Mapping):
        raise InputError(f"observations must be arrays of numbers, got {described(dict(value))}")
    return value


def check_values(part: Part, value: Array) -> None:
    """Raise InputError for choices that there are none of, and for what is no byte where bytes are expected."""
    what = f"observations {entry(part)!r}" if part.path else "observations"
    if part.kind == "choices":
        first, counts = (np.reshape(x, part.shape) for x in (part.starts, part.counts))
        if not ((value >= first) & (value < first + counts) & (value == np.round(value))).all():
            raise InputError(f"{what} must be {part.described}, got {shown(value.tolist())}")
    elif part.dtype == "uint8" and not ((value >= 0) & (value <= 255) & (value == np.round(value))).all():
        raise InputError(f"{what} must be bytes (whole numbers from 0 to 255), as the environment gives them")


def entries_of(obs: Any, spaces: Spaces) -> dict[str, Any]:
    """Key -> entry of a Dict of which an older checkpoint says the keys alone; '' -> the observation itself."""
    if not spaces.obs_keys:
        if isinstance(obs, Mapping):
            raise InputError(f"observations must be arrays of numbers, got {described(dict(obs))}")
        return {"": obs}
    keys = ", ".join(spaces.obs_keys)
    if not isinstance(obs, Mapping) or not obs.keys() >= set(spaces.obs_keys):
        raise InputError(f"observations must be a dict of {keys}, got {described(obs)}")
    return {key: obs[key] for key in spaces.obs_keys}


def numbers(key: str, value: Any) -> Array:
    """One part as float64. Raises InputError unless it is numbers that float32 holds."""
    what = f"observations {key!r}" if key else "observations"
    try:
        if hasattr(value, "detach"):  # a tensor of PyTorch's, perhaps with a gradient or on another device
            value = value.detach().cpu()
            value = value.double() if value.is_floating_point() else value
        array = np.asarray(value)
    except (TypeError, ValueError, RuntimeError, NotImplementedError, AttributeError) as error:
        raise InputError(f"{what} must be arrays of numbers, got {shown(value)} ({error})") from error
    if array.dtype.kind not in "fiub":
        raise InputError(f"{what} must be arrays of numbers, got {described(value)}")
    found = array.astype(np.float64)
    wrong = ~(np.abs(found) <= LARGEST)
    if wrong.any():
        place = [int(i) for i in np.argwhere(wrong)[0]]
        raise InputError(
            f"{what} must be finite (in float32), got {found[tuple(place)]:g} at {place}; an agent cannot act on that"
        )
    return found


def num_rows(found: Mapping[str, Array], parts: Sequence[Part]) -> int | None:
    """B, or None for a single observation. Raises InputError where shapes are others than the environment's."""
    rows: dict[str, int | None] = {}
    for value, part in zip(found.values(), parts, strict=True):
        shape = part.shape
        if value.shape != shape and (value.shape[1:] != shape or not len(value)):
            batch = f"({', '.join(map(str, ('B', *shape)))}{'' if shape else ','})"
            which = f" {entry(part)!r}" if part.path else ""
            raise InputError(
                f"observations{which} must have the shape {shape}, or {batch} for a batch, got {value.shape}"
            )
        rows[entry(part)] = None if value.shape == shape else len(value)
    if len(set(rows.values())) > 1:
        said = ", ".join(f"{key!r}: {'one' if n is None else n}" for key, n in rows.items())
        raise InputError(f"all entries must be of equally many observations, got {said}")
    return next(iter(rows.values()))


def num_rows_counted(parts: Mapping[str, Array], spaces: Spaces) -> int | None:
    """The same where an older checkpoint does not say the shapes: by the count of numbers."""
    first, *others = parts.values()
    rows = len(first) if first.ndim > spaces.obs_ndim else None
    lead = 1 if rows is None else rows
    equal = rows is None or all(part.ndim and len(part) == rows for part in others)
    if not equal or not lead or sum(part.size for part in parts.values()) != lead * spaces.obs_size:
        given = " and ".join(str(part.shape) for part in parts.values())
        raise InputError(f"observations must be {spaces.obs_size} numbers, or B times so many, got the shape {given}")
    return rows


def read_starts(episode_start: npt.ArrayLike, rows: int) -> npt.NDArray[np.bool_]:
    """Which of so many rows start an episode, told for each or for all. Raises InputError for anything else."""
    starts = np.asarray(episode_start)
    if starts.dtype.kind not in "biuf" or not np.isin(starts, (0, 1)).all() or starts.shape not in ((), (1,), (rows,)):
        raise InputError(f"episode_start must be true or false, or {rows} of them, got {described(episode_start)}")
    return np.broadcast_to(starts.astype(np.bool_), rows)
