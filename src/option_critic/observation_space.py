"""What observations are made of, and how one lies in a row of numbers.

Whatever an environment's observation is, it travels as one row [D]: arrays unrolled, choices as one-hot vectors, dicts
and tuples one entry after the other, as `gymnasium.spaces.flatten` puts them. Images stay bytes. Beside other numbers
they would have to become float64; there the whole row is bytes, those of the numbers too, and is read by `numbers` and
`image`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property, lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, get_args

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete, Tuple

from option_critic.errors import InputError, UnsupportedSpaceError
from option_critic.value_types import is_whole, is_wholes, shown

if TYPE_CHECKING:  # settings and spaces are read without PyTorch
    from option_critic.functional.arrays import Numbers

Kind = Literal["box", "choices", "bits"]
Path = tuple[str | int, ...]
MAX_NUMBERS = 10_000_000
"""Of one observation."""
MAX_DEPTH = 32
"""Dicts and tuples within each other."""
MAX_KEY = 300
"""Characters of a key."""
DTYPES = ("uint8", "float32", "float64")
"""In which parts travel."""


@dataclass(frozen=True, kw_only=True)
class Part:
    """An array of numbers, some choices or some bits: all that dicts and tuples hold in the end."""

    path: Path = ()
    """Keys of dicts and places in tuples that lead to it."""
    kind: Kind = "box"
    shape: tuple[int, ...] = ()
    """of the environment's array; () for one number"""
    dtype: str = "float32"
    """In which its numbers travel; one-hot vectors and bits are bytes."""
    counts: tuple[int, ...] = ()
    """Of choices: how many there are of each."""
    starts: tuple[int, ...] = ()
    """The number of the first of each."""

    @cached_property
    def size(self) -> int:
        """How many numbers it comes to."""
        return sum(self.counts) if self.kind == "choices" else math.prod(self.shape)

    @property
    def is_image(self) -> bool:
        """Whether it is an array of bytes in two dimensions or more, which an encoder may read."""
        return self.kind == "box" and self.dtype == "uint8" and 2 <= len(self.shape) <= 4 and 0 not in self.shape

    @property
    def name(self) -> str:
        """`['a'][0]`, as one would write it; empty where it is all of the observation."""
        return "".join(f"[{step!r}]" for step in self.path)

    @property
    def described(self) -> str:
        """What it is, in a few words."""
        if self.kind == "choices":
            firsts = f" from {', '.join(map(str, self.starts[:8]))} on" if any(self.starts) else ""
            return f"choices among {', '.join(map(str, self.counts[:8]))}{firsts}"
        return "bits" if self.kind == "bits" else "an array"

    def of(self, obs: Any) -> Any:
        """Its value in an observation, or a batch of them. Raises KeyError, IndexError or TypeError."""
        for step in self.path:
            obs = obs[step]
        return obs

    def flatten(self, value: Any, rows: int) -> npt.NDArray[Any]:
        """Its values [rows, *shape] as numbers [rows, size]."""
        array = np.asarray(value)
        if self.kind != "choices":
            return array.reshape(rows, -1)
        # Gymnasium's own one-hot vectors, of all rows at once
        return np.asarray(gym.spaces.flatten(_choices(self.counts, self.starts, rows), array.ravel())).reshape(rows, -1)

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: Any) -> Part:
        """The inverse of `to_dict`. Raises InputError for what no environment has."""
        names = ("path", "kind", "shape", "dtype", "counts", "starts")
        if not isinstance(data, Mapping) or data.keys() != set(names):
            raise InputError(f"a part of observations must be an object of {', '.join(names)}, got {shown(data)}")
        path, kind, shape, dtype, counts, starts = (_tuple(data[name]) for name in names)
        sound = (
            isinstance(path, tuple)
            and len(path) <= MAX_DEPTH
            and all(is_key(step) or (is_whole(step) and step >= 0) for step in path)
            and kind in get_args(Kind)
            and dtype in DTYPES
            and all(map(is_wholes, (shape, counts, starts)))
            and len(shape) <= MAX_DEPTH
            and (len(counts) == len(starts) == math.prod(shape) if kind == "choices" else not counts and not starts)
            and min((*shape, 0)) == 0  # an entry may be empty
            and min((*counts, 1)) > 0
        )
        if not sound:
            raise InputError(f"a part of observations must be one that an environment can have, got {shown(data)}")
        return cls(path=path, kind=kind, shape=shape, dtype=dtype, counts=counts, starts=starts)


@lru_cache(maxsize=64)
def _choices(counts: tuple[int, ...], starts: tuple[int, ...], rows: int) -> MultiDiscrete:
    """Choices of so many rows, one after the other."""
    return MultiDiscrete(np.tile(counts, rows), start=np.tile(starts, rows))


def is_key(value: Any) -> bool:
    """Whether an entry of a Dict may be called so: a number is the place in a Tuple."""
    return isinstance(value, str) and len(value) <= MAX_KEY


def _tuple(value: Any) -> Any:
    """A list of JSON as a tuple."""
    return tuple(value) if isinstance(value, list) else value


def kept(dtype: npt.DTypeLike) -> np.dtype[Any]:
    """In which dtype numbers travel to the model: bytes and float32 as they are, what float32 holds exactly in it,
    all else in float64."""
    exact = np.can_cast(dtype, np.float32)
    return np.dtype(dtype if dtype == np.uint8 else np.float32 if exact else np.float64)


def parts_of(space: gym.Space[Any], name: str, path: Path = ()) -> tuple[Part, ...]:
    """The parts of an observation space, in Gymnasium's order. Raises UnsupportedSpaceError for a space that has no
    fixed number of numbers, or too many, or keys that are no texts."""
    if isinstance(space, Dict | Tuple) and len(path) < MAX_DEPTH:
        entries = space.spaces.items() if isinstance(space, Dict) else enumerate(space.spaces)
        if isinstance(space, Dict) and (odd := [key for key in space.spaces if not is_key(key)]):
            raise UnsupportedSpaceError(
                f"{name}: observation space {shown(space)} has the key {shown(odd[0])} ({type(odd[0]).__name__}); keys "
                f"must be texts of at most {MAX_KEY} characters: name it otherwise (gymnasium.wrappers."
                "TransformObservation)."
            )
        return tuple(part for step, inner in entries for part in parts_of(inner, name, (*path, step)))
    part = _part(space, path)
    if part is None:
        at = f" at {Part(path=path).name}" if path else ""
        raise UnsupportedSpaceError(
            f"{name}: observation space {shown(space)}{at} is not supported; observations must be Box, Discrete, "
            f"MultiDiscrete, MultiBinary, or a Dict or Tuple of these. {ADVICE.get(type(space).__name__, LEAVE_OUT)}"
        )
    if part.size > MAX_NUMBERS:
        raise UnsupportedSpaceError(
            f"{name}: observation space {shown(space)} comes to {part.size:,} numbers, {MAX_NUMBERS:,} are the most"
        )
    return (part,)


LEAVE_OUT = (
    "Leave it out (gymnasium.wrappers.FilterObservation), or turn it into numbers (gymnasium.wrappers."
    "TransformObservation)."
)
ADVICE = {
    "Graph": "Turn the graph into an array of fixed size first (gymnasium.wrappers.TransformObservation).",
    "Sequence": "Pad it to an array of fixed length first (gymnasium.wrappers.TransformObservation).",
    "OneOf": "Say it as a Dict that holds all of them first (gymnasium.wrappers.TransformObservation).",
}
"""What to do with spaces that have no fixed number of numbers."""


def _part(space: gym.Space[Any], path: Path) -> Part | None:
    """A space as one part; none where it is no array, choice or bits."""
    if isinstance(space, Box) and space.dtype.kind in "fiub":
        return Part(path=path, shape=_sizes(space), dtype=kept(space.dtype).name)
    if isinstance(space, MultiBinary):
        return Part(path=path, kind="bits", shape=_sizes(space), dtype="uint8")
    if isinstance(space, Discrete | MultiDiscrete):
        counts = (int(space.n),) if isinstance(space, Discrete) else tuple(map(int, space.nvec.ravel()))
        starts = tuple(map(int, np.ravel(space.start)))
        return Part(path=path, kind="choices", shape=_sizes(space), dtype="uint8", counts=counts, starts=starts)
    return None


def _sizes(space: gym.Space[Any]) -> tuple[int, ...]:
    """Its shape, in Python's own numbers."""
    return tuple(map(int, space.shape or ()))


@dataclass(frozen=True)
class Row:
    """How the parts of an observation lie in a row, and how they are read again: arrays and tensors alike."""

    parts: tuple[Part, ...]

    @cached_property
    def images(self) -> tuple[int, ...]:
        """Which parts are images."""
        return tuple(i for i, part in enumerate(self.parts) if part.is_image)

    @cached_property
    def packed(self) -> bool:
        """Whether rows are bytes that hold other numbers too."""
        return bool(self.images) and any(p.dtype != "uint8" for p in self.parts)

    @cached_property
    def dtype(self) -> np.dtype[Any]:
        """Of the numbers: that in which all of them fit (in packed rows, all but images)."""
        numbers = [p.dtype for p in self.parts if not (self.packed and p.is_image)]
        return kept(np.result_type(*numbers))

    @cached_property
    def places(self) -> list[slice]:
        """Where each part lies in a row."""
        widths = [p.size * (1 if p.is_image or not self.packed else self.dtype.itemsize) for p in self.parts]
        ends = np.cumsum([0, *widths]).tolist()
        return [slice(a, b) for a, b in pairwise(ends)]

    @property
    def width(self) -> int:
        """Entries of a row: numbers, or bytes where it is packed."""
        return int(self.places[-1].stop)

    def write(self, obs: Any, rows: int) -> npt.NDArray[Any]:
        """Observations of the environment -> [rows, width]."""
        return self.join([p.flatten(p.of(obs), rows) for p in self.parts])

    def join(self, flat: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
        """The numbers of each part [rows, size] -> [rows, width]."""
        if not self.packed:
            return np.concatenate(flat, axis=-1, dtype=self.dtype, casting="unsafe")
        both = zip(flat, self.parts, strict=True)
        as_bytes = [x if p.is_image else np.ascontiguousarray(x, self.dtype).view(np.uint8) for x, p in both]
        return np.concatenate(as_bytes, axis=-1, dtype=np.uint8, casting="unsafe")

    def numbers(self, rows: Numbers, without: Sequence[int] = ()) -> Numbers:
        """[..., width] -> [..., D]: all parts but those whose places are given."""
        if not self.packed and not without:
            return rows
        read = [self._part(rows, i) for i, part in enumerate(self.parts) if i not in without and part.size]
        if not read:
            return rows[..., :0]
        joined: Numbers = _join(read, self.dtype)
        return joined

    def image(self, rows: Numbers, i: int) -> Numbers:
        """[..., width] -> the bytes of part i: [..., *shape]."""
        return rows[..., self.places[i]].reshape(*rows.shape[:-1], *self.parts[i].shape)

    def _part(self, rows: Numbers, i: int) -> Numbers:
        """[..., width] -> the numbers of part i: [..., size]."""
        x = rows[..., self.places[i]]
        if not self.packed or self.parts[i].is_image:
            return x
        if isinstance(x, np.ndarray):
            return np.ascontiguousarray(x).view(self.dtype)
        import torch

        # a copy also where it counts as contiguous, as one row does: its bytes must be aligned
        aligned = x.clone(memory_format=torch.contiguous_format)
        numbers: Numbers = aligned.view(getattr(torch, self.dtype.name))
        return numbers


def _join(read: list[Any], dtype: np.dtype[Any]) -> Any:
    """Parts side by side, of one dtype."""
    if isinstance(read[0], np.ndarray):
        return np.concatenate(read, axis=-1, dtype=dtype)
    import torch

    return torch.cat([x.to(getattr(torch, dtype.name)) for x in read], -1)
