"""What goes into an exported graph, and comes out: observations and actions as the environment has them, memory,
chance."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from option_critic.action_space import ActionSpace
from option_critic.observation_space import Part
from option_critic.spaces import Spaces


@dataclass(frozen=True)
class Port:
    """One input or output of a graph."""

    name: str
    dtype: torch.dtype
    shape: tuple[int, ...]
    """of one row; before it comes the batch"""

    def told(self, rows: str | int) -> str:
        """In words, of so many rows."""
        return f"{self.name} {dtype_name(self.dtype)} [{', '.join(map(str, (rows, *self.shape)))}]"


def dtype_name(dtype: torch.dtype) -> str:
    """As numpy calls it."""
    return str(dtype).removeprefix("torch.")


def observed(spaces: Spaces) -> list[Port]:
    """A port for each part of observations: `obs`, or `obs_<key>` of dicts and tuples.

    Numbers come in the type in which they travel; those of plain arrays in float64, in which `predict` normalises them.
    Choices come as the environment numbers them.
    """
    found = list[Port]()
    for part, name in zip(spaces.row.parts, names(spaces.row.parts), strict=True):
        dtype = part.dtype if spaces.obs_parts else "float64"
        kind = torch.int64 if part.kind == "choices" else getattr(torch, dtype)
        found.append(Port(name, kind, part.shape))
    return found


def names(parts: Sequence[Part]) -> list[str]:
    """One for each part, in letters, digits and underscores; those that come to the same are numbered."""
    taken = list[str]()
    for part in parts:
        name = re.sub(r"\W", "_", "_".join(["obs", *map(str, part.path)]), flags=re.ASCII)
        numbered = (name if i == 1 else f"{name}_{i}" for i in range(1, len(parts) + 1))
        taken.append(next(free for free in numbered if free not in taken))
    return taken


def remembered() -> list[Port]:
    """What an agent remembers of its last decision, and whether an episode starts now."""
    return [Port("option", torch.int64, ()), Port("age", torch.int64, ()), Port("first", torch.bool, ())]


def kept() -> list[Port]:
    """What it is to remember: the option that acts now, and its age at the next decision."""
    return [Port("next_option", torch.int64, ()), Port("next_age", torch.int64, ())]


def drawn(num_options: int, action_size: int, discrete: bool) -> list[Port]:
    """The chance in a decision: for the end of the option, the choice of the next, and the action."""
    return [
        Port("end_uniform", torch.float32, ()),
        Port("option_gumbel", torch.float32, (num_options,)),
        Port("action_gumbel" if discrete else "action_normal", torch.float32, (action_size,)),
    ]


def numbers(parts: Sequence[Part], values: Sequence[Tensor], without: Sequence[int], dtype: torch.dtype) -> Tensor:
    """Values [B, *shape] of the parts, but for those whose places are given -> [B, D] (`Row.numbers`)."""
    read = [flat(p, x) for i, (p, x) in enumerate(zip(parts, values, strict=True)) if i not in without and p.size]
    if not read:
        return values[0].new_zeros((values[0].shape[0], 0), dtype=torch.float32)
    return torch.cat([x.to(dtype) for x in read], -1)


def flat(part: Part, value: Tensor) -> Tensor:
    """Of one part: [B, *shape] -> [B, size]; choices as one-hot vectors (`Part.flatten`)."""
    rows = value.flatten(1) if part.shape else value[:, None]
    if part.kind != "choices":
        return rows
    each = zip(part.counts, part.starts, strict=True)
    hot = [rows[:, i : i + 1] - start == torch.arange(n) for i, (n, start) in enumerate(each)]
    return torch.cat(hot, -1).to(torch.uint8)


def acted(spaces: ActionSpace) -> Port:
    """An action as the environment takes it."""
    kind = torch.int64 if spaces.discrete and not spaces.action_factors else getattr(torch, spaces.action_dtype)
    return Port("action", kind, spaces.env_shape)


def to_env(action: Tensor, spaces: ActionSpace) -> Tensor:
    """A policy's actions [B, *policy_shape] as the environment takes them (`ActionSpace.to_env`)."""
    if spaces.discrete and not spaces.action_factors:
        return action + spaces.action_start
    if spaces.discrete:
        taken = action + torch.tensor(spaces.action_starts)
    else:
        low, high, center, half, least, most = (
            torch.from_numpy(x) for x in (*spaces.policy_bounds, *spaces.stretch, *spaces.limits)
        )
        taken = center + half * torch.minimum(torch.maximum(action.double(), low), high)
        taken = torch.minimum(torch.maximum(taken, least), most)
        taken = taken.round() if spaces.whole else taken
    return taken.to(acted(spaces).dtype).reshape(action.shape[0], *spaces.env_shape)
