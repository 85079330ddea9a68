"""What a user hands to `predict`, read as observations. An agent must not act on garbage, so that is named."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from option_critic.envs.contract import LARGEST
from option_critic.envs.guard import described
from option_critic.errors import InputError
from option_critic.spaces import Spaces
from option_critic.value_types import shown

Array = npt.NDArray[np.float64]


def read_observations(obs: Any, spaces: Spaces) -> tuple[Array, bool]:
    """One observation or a batch, as the environment gives them -> (float64 [B, D], whether it is a batch).

    Arrays, lists and tensors on any device, or a mapping of them. Raises InputError for anything else: other keys,
    another shape, what holds no numbers or NaN, and the tuples that `reset` and `step` return.
    """
    parts = {key: numbers(key, value) for key, value in parts_of(obs, spaces).items()}
    rows = num_rows(parts, spaces) if spaces.shapes else num_rows_counted(parts, spaces)
    lead = 1 if rows is None else rows
    flat = [part.reshape(lead, part.size // lead) for part in parts.values()]
    return np.concatenate(flat, axis=1), rows is not None


def parts_of(obs: Any, spaces: Spaces) -> dict[str, Any]:
    """Key -> entry of a Dict, in the order in which they are flattened; '' -> the observation itself."""
    if isinstance(obs, tuple) and obs and isinstance(obs[-1], Mapping):
        raise InputError(
            f"an observation was expected, got {described(obs)} that ends in an info dict, as reset and step "
            "return it: pass its first part"
        )
    if not spaces.obs_keys:
        if isinstance(obs, Mapping):
            raise InputError(f"observations must be arrays of numbers, got {described(dict(obs))}")
        return {"": obs}
    keys = ", ".join(spaces.obs_keys)
    if not isinstance(obs, Mapping):
        raise InputError(f"observations must be a dict of {keys}, got {described(obs)}")
    for key in spaces.obs_keys:
        if key not in obs:
            raise InputError(f"observations must be a dict of {keys}, but {key!r} is missing in {described(dict(obs))}")
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


def num_rows(parts: Mapping[str, Array], spaces: Spaces) -> int | None:
    """B, or None for a single observation. Raises InputError where shapes are others than the environment's."""
    found: dict[str, int | None] = {}
    for (key, part), shape in zip(parts.items(), spaces.shapes, strict=True):
        if part.shape != shape and (part.shape[1:] != shape or not part.size):
            batch = f"({', '.join(map(str, ('B', *shape)))}{'' if shape else ','})"
            entry = f" {key!r}" if key else ""
            raise InputError(
                f"observations{entry} must have the shape {shape}, or {batch} for a batch, got {part.shape}"
            )
        found[key] = None if part.shape == shape else len(part)
    if len(set(found.values())) > 1:
        said = ", ".join(f"{key!r}: {'one' if n is None else n}" for key, n in found.items())
        raise InputError(f"all entries must be of equally many observations, got {said}")
    return next(iter(found.values()))


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
